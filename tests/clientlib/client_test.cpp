// Promise: a client answers from the newest good snapshot, keeps the last good one when anything is
// wrong with the next, gives the caller's default when there is none, and says why.
// Method: publish real snapshots, then spoil exactly one thing and ask again.

#include <burgee/client.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "tests/clientlib/published_directory.hpp"

namespace burgee::test {
namespace {

class ClientTest : public ::testing::Test {
protected:
    PublishedDirectory published_;
    const Context user_{{"user_id", "u1"}};

    static FlagDefinition on(const std::string& name) { return flag_of(name, Status::kEnabled); }
    static FlagDefinition off(const std::string& name) { return flag_of(name, Status::kDisabled); }

    /// Asks until the answer from generation `generation` is there; the retry interval is 100 ms.
    static bool reaches(const Client& client, std::uint64_t generation) {
        return client.wait_for_generation(generation, std::chrono::seconds(20));
    }

    /// Publishes "f" as disabled in a generation that `spoil` damages before it is announced, and
    /// expects that a client that holds "f" as enabled keeps it and names `error`.
    template <typename Spoil>
    void expect_kept(AttachError error, Spoil spoil) {
        published_.publish({on("f")});
        Client client(published_.options());
        ASSERT_TRUE(client.is_enabled("f", user_));
        const std::uint64_t next = published_.generation() + 1;
        published_.write_snapshot(next, image_of(next, {off("f")}));
        spoil(published_.file(PublishedDirectory::snapshot_name(next)));
        published_.announce(next);
        EXPECT_TRUE(client.is_enabled("f", user_));
        const ClientStatus status = client.status();
        EXPECT_EQ(status.error, error) << status.error_text();
        EXPECT_TRUE(status.is_ready);
        EXPECT_FALSE(status.is_current);
        EXPECT_EQ(status.generation, next - 1);
        // And it gets over it.
        published_.write_snapshot(next + 1, image_of(next + 1, {off("f")}));
        published_.announce(next + 1);
        ASSERT_TRUE(reaches(client, next + 1));
        EXPECT_FALSE(client.is_enabled("f", user_));
        EXPECT_EQ(client.status().error, AttachError::kNone);
    }
};

TEST_F(ClientTest, AnswersFromThePublishedSnapshot) {
    published_.publish({on("f"), off("g")});
    const Client client(published_.options());
    EXPECT_TRUE(client.is_enabled("f", user_));
    EXPECT_FALSE(client.is_enabled("g", user_, true));
    EXPECT_EQ(client.generation(), 1U);
    const ClientStatus status = client.status();
    EXPECT_TRUE(status.is_ready);
    EXPECT_TRUE(status.is_current);
    EXPECT_EQ(status.flag_count, 2U);
    EXPECT_EQ(status.revision, 1U);
    EXPECT_EQ(status.error_text(), "");
}

TEST_F(ClientTest, GivesTheCallersDefaultWithoutASnapshot) {
    const Client client(ClientOptions{"/nonexistent/burgee"});
    EXPECT_FALSE(client.is_enabled("f", user_));
    EXPECT_TRUE(client.is_enabled("f", user_, true));
    const Evaluation answer = client.evaluate("f", user_, true);
    EXPECT_TRUE(answer.enabled());
    EXPECT_EQ(answer.reason(), Reason::kNotReady);
    EXPECT_EQ(answer.variant(), "");
    EXPECT_EQ(answer.config().string("model", "default"), "default");
    EXPECT_EQ(answer.revision(), 0U);
    EXPECT_FALSE(answer.experiment().exists());
    EXPECT_FALSE(client.pin().is_ready());
    EXPECT_EQ(client.pin().evaluate("f", user_).reason(), Reason::kNotReady);
    EXPECT_EQ(client.status().error, AttachError::kDirectoryMissing);
    EXPECT_EQ(client.status().daemon, DaemonLife::kUnknown);
}

TEST_F(ClientTest, GivesTheCallersDefaultForAnUnknownFlag) {
    published_.publish({on("f")});
    const Client client(published_.options());
    const Flag missing(client, "missing");
    EXPECT_TRUE(client.is_enabled("missing", user_, true));
    EXPECT_FALSE(missing.is_enabled(user_));
    EXPECT_TRUE(missing.is_enabled(user_, true));
    EXPECT_EQ(client.evaluate("missing", user_).reason(), Reason::kFlagNotFound);
    EXPECT_EQ(missing.evaluate(user_, true).reason(), Reason::kFlagNotFound);
    EXPECT_TRUE(missing.evaluate(user_, true).enabled());
}

TEST_F(ClientTest, BecomesReadyWhenTheFirstSnapshotAppears) {
    const Client client(published_.options());
    EXPECT_EQ(client.evaluate("f", user_).reason(), Reason::kNotReady);
    EXPECT_EQ(client.status().error, AttachError::kNothingPublished);
    published_.publish({on("f")});
    ASSERT_TRUE(reaches(client, 1));
    EXPECT_TRUE(client.is_enabled("f", user_));
}

TEST_F(ClientTest, AnswersANewGenerationWithItsFirstCheck) {
    published_.publish({on("f")});
    const Client client(published_.options());
    EXPECT_TRUE(client.is_enabled("f", user_));
    published_.publish({off("f")});
    EXPECT_FALSE(client.is_enabled("f", user_));
}

TEST_F(ClientTest, HandleFindsItselfAgainWhenItMoved) {
    published_.publish({on("f")});
    const Client client(published_.options());
    const Flag flag(client, "f");
    EXPECT_TRUE(flag.is_enabled(user_));
    for (int round = 0; round < 20; ++round) {
        std::vector<FlagDefinition> flags{round % 2 == 0 ? off("f") : on("f")};
        for (int other = 0; other < round * 3; ++other) {
            flags.push_back(on("other." + std::to_string(other)));
        }
        published_.publish(flags);
        EXPECT_EQ(flag.is_enabled(user_), round % 2 == 1) << round;
        const Evaluation answer = flag.evaluate(user_);
        EXPECT_EQ(answer.name(), "f");
    }
    published_.publish({on("other")});
    EXPECT_EQ(flag.evaluate(user_).reason(), Reason::kFlagNotFound);
}

TEST_F(ClientTest, GatedCallsOneSideAndReturnsItsResult) {
    published_.publish({on("f"), off("g")});
    const Client client(published_.options());
    const Flag f(client, "f");
    const Flag g(client, "g");
    int answer = 0;
    EXPECT_EQ(gated(
                  f, user_, [] { return 1; }, [] { return 2; }),
              1);
    EXPECT_EQ(gated(
                  g, user_, [] { return 1; }, [] { return 2; }),
              2);
    gated(
        f, user_, [&]() -> int& { return answer; }, [&]() -> int& { return answer; }) = 7;
    EXPECT_EQ(answer, 7);
}

TEST_F(ClientTest, EvaluationSurvivesTheNextGenerations) {
    published_.publish({ab_test_of("chat")}, {experiment_on("chat")});
    const Client client(published_.options());
    Evaluation before = client.evaluate("chat", user_);
    const std::string variant(before.variant());
    const std::string model(before.config().string("model"));
    for (int round = 0; round < 5; ++round) {
        published_.publish({off("chat")});
        published_.unlink_snapshot(published_.generation() - 1);
        EXPECT_FALSE(client.is_enabled("chat", user_));
    }
    EXPECT_EQ(client.status().pinned_count, 2U);
    EXPECT_EQ(before.variant(), variant);
    EXPECT_EQ(before.config().string("model"), model);
    EXPECT_EQ(before.experiment().name, "chat test");
    EXPECT_EQ(before.generation(), 1U);
    Evaluation moved = std::move(before);
    EXPECT_EQ(moved.variant(), variant);
    moved = client.evaluate("chat", user_);
    before = Evaluation();
    EXPECT_EQ(moved.reason(), Reason::kDisabled);
    EXPECT_EQ(client.status().pinned_count, 1U) << "the last Evaluation unmaps its snapshot";
}

TEST_F(ClientTest, EvaluationOutlivesReleaseAndClient) {
    published_.publish({ab_test_of("chat")});
    std::optional<Client> client(std::in_place, published_.options());
    const Evaluation answer = client->evaluate("chat", user_);
    const Snapshot snapshot = client->pin();
    client->release_thread();
    EXPECT_TRUE(client->is_enabled("chat", user_));
    client.reset();
    EXPECT_NE(answer.variant(), "");
    EXPECT_TRUE(snapshot.is_enabled("chat", user_));
}

TEST_F(ClientTest, PinnedSnapshotStaysTheSameOnAnyThread) {
    published_.publish({on("f"), ab_test_of("chat")});
    const Client client(published_.options());
    const Snapshot snapshot = client.pin();
    published_.publish({off("f")});
    EXPECT_FALSE(client.is_enabled("f", user_));
    EXPECT_TRUE(snapshot.is_enabled("f", user_));
    Evaluation from_elsewhere;
    std::thread([&, copy = snapshot] {
        EXPECT_TRUE(copy.is_enabled("f", user_));
        EXPECT_EQ(copy.generation(), 1U);
        from_elsewhere = copy.evaluate("chat", user_);
    }).join();
    EXPECT_NE(from_elsewhere.variant(), "");
    EXPECT_EQ(client.status().pinned_count, 2U);
}

TEST_F(ClientTest, ThreadLetsGoWhenItEnds) {
    published_.publish({on("f")});
    const Client client(published_.options());
    for (int round = 0; round < 10; ++round) {
        std::thread([&] { EXPECT_TRUE(client.is_enabled("f", user_)); }).join();
        published_.publish({on("f")});
        EXPECT_TRUE(client.is_enabled("f", user_));
        EXPECT_EQ(client.status().pinned_count, 1U) << round;
    }
}

TEST_F(ClientTest, IdleThreadGivesUpItsSnapshotWhenAsked) {
    published_.publish({on("f")});
    const Client client(published_.options());
    EXPECT_TRUE(client.is_enabled("f", user_));
    published_.publish({on("f")});
    std::thread([&] {
        EXPECT_TRUE(client.is_enabled("f", user_));
        EXPECT_EQ(client.status().pinned_count, 2U) << "the first thread still holds generation 1";
    }).join();
    client.release_thread();
    std::thread([&] { EXPECT_EQ(client.status().pinned_count, 1U); }).join();
    EXPECT_TRUE(client.is_enabled("f", user_));
}

TEST_F(ClientTest, KeepsItsSnapshotWhenTheNextIsTruncated) {
    expect_kept(AttachError::kSnapshotRefused,
                [](const std::string& file) { std::filesystem::resize_file(file, 200); });
}

TEST_F(ClientTest, KeepsItsSnapshotWhenTheNextIsEmpty) {
    expect_kept(AttachError::kSnapshotRefused,
                [](const std::string& file) { std::filesystem::resize_file(file, 0); });
}

TEST_F(ClientTest, KeepsItsSnapshotWhenTheNextIsCorrupt) {
    expect_kept(AttachError::kSnapshotRefused, [](const std::string& path) {
        ::chmod(path.c_str(), 0644);
        FILE* file = std::fopen(path.c_str(), "r+");
        ASSERT_NE(file, nullptr);
        std::fseek(file, 40, SEEK_SET);  // inside the header, which its checksum covers
        std::fputc(0x5A, file);
        std::fclose(file);
    });
}

TEST_F(ClientTest, KeepsItsSnapshotWhenTheNextIsMissing) {
    expect_kept(AttachError::kSnapshotMissing,
                [](const std::string& file) { std::filesystem::remove(file); });
}

TEST_F(ClientTest, KeepsItsSnapshotWhenTheNextIsWritableByOthers) {
    expect_kept(AttachError::kSnapshotUntrusted,
                [](const std::string& file) { ::chmod(file.c_str(), 0666); });
}

TEST_F(ClientTest, KeepsItsSnapshotWhenTheNextBelongsToAnother) {
    if (::geteuid() != 0) {
        FAIL() << "this test gives a file away, for which it must run as root";
    }
    expect_kept(AttachError::kSnapshotUntrusted,
                [](const std::string& file) { ASSERT_EQ(::chown(file.c_str(), 65534, 0), 0); });
}

TEST_F(ClientTest, KeepsItsSnapshotWhenTheNextIsASymlink) {
    expect_kept(AttachError::kSnapshotMissing, [](const std::string& file) {
        std::filesystem::rename(file, file + ".real");
        std::filesystem::create_symlink(file + ".real", file);
    });
}

TEST_F(ClientTest, KeepsItsSnapshotWhenTheNextIsAFifo) {
    expect_kept(AttachError::kSnapshotUntrusted, [](const std::string& file) {
        std::filesystem::remove(file);
        ASSERT_EQ(::mkfifo(file.c_str(), 0644), 0);
    });
}

TEST_F(ClientTest, KeepsItsSnapshotWhenTheNextIsOfAnotherGeneration) {
    expect_kept(AttachError::kSnapshotMisnumbered, [this](const std::string& file) {
        std::filesystem::remove(file);
        published_.write_snapshot(published_.generation() + 1, image_of(77, {off("f")}));
    });
}

TEST_F(ClientTest, KeepsAnsweringWhenTheDirectoryIsDeleted) {
    published_.publish({on("f")});
    const Client client(published_.options());
    std::filesystem::remove_all(published_.path());
    EXPECT_TRUE(client.is_enabled("f", user_));
    EXPECT_TRUE(client.status().is_ready);
    published_.announce(2);
    EXPECT_TRUE(client.is_enabled("f", user_));
    EXPECT_EQ(client.status().error, AttachError::kDirectoryMissing);
}

TEST_F(ClientTest, NoticesARecreatedDirectoryInStatus) {
    published_.publish({on("f")});
    const Client client(published_.options());
    EXPECT_TRUE(client.is_enabled("f", user_));
    published_.recreate_directory();
    EXPECT_EQ(published_.publish({off("f")}), 1U) << "the same number, another series";
    EXPECT_EQ(client.status().error, AttachError::kNone);
    EXPECT_FALSE(client.is_enabled("f", user_));
}

TEST_F(ClientTest, NoticesARecreatedDirectoryInManyChecks) {
    published_.publish({on("f")});
    const Client client(published_.options());
    EXPECT_TRUE(client.is_enabled("f", user_));
    published_.recreate_directory();
    published_.publish({off("f")});
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (client.is_enabled("f", user_)) {
        ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    }
}

TEST_F(ClientTest, FollowsAReplacedControlPage) {
    published_.publish({on("f")});
    const Client client(published_.options());
    const Evaluation before = client.evaluate("f", user_);
    published_.replace_control();
    published_.publish({off("f")});
    EXPECT_EQ(client.status().error, AttachError::kNone);
    EXPECT_FALSE(client.is_enabled("f", user_));
    EXPECT_EQ(client.generation(), 2U);
    EXPECT_EQ(before.generation(), 1U);
}

TEST_F(ClientTest, RefusesAForeignControlPage) {
    published_.publish({on("f")});
    published_.control().abi = 2;
    const Client client(published_.options());
    EXPECT_EQ(client.status().error, AttachError::kControlForeign);
    published_.control().abi = kControlAbi;
    ::chmod(published_.file("control").c_str(), 0666);
    const Client other(published_.options());
    EXPECT_EQ(other.status().error, AttachError::kControlUntrusted);
    ::chmod(published_.file("control").c_str(), 0644);
    std::filesystem::resize_file(published_.file("control"), 100);
    const Client third(published_.options());
    EXPECT_EQ(third.status().error, AttachError::kControlForeign);
}

TEST_F(ClientTest, RefusesADirectoryThatOthersCanWrite) {
    published_.publish({on("f")});
    ::chmod(published_.path().c_str(), 0777);
    const Client client(published_.options());
    EXPECT_EQ(client.status().error, AttachError::kDirectoryUntrusted);
    EXPECT_FALSE(client.is_enabled("f", user_));
}

TEST_F(ClientTest, BelievesADirectoryOnlyOfWhoIsExpected) {
    if (::geteuid() != 0) {
        FAIL() << "this test gives a directory away, for which it must run as root";
    }
    published_.publish({on("f")});
    for (const char* name : {"", "control", "snap.L1.G0000000000000001"}) {
        ASSERT_EQ(::chown(published_.file(name).c_str(), 65534, 65534), 0);
    }
    ClientOptions options = published_.options();
    EXPECT_TRUE(Client(options).is_enabled("f", user_)) << "only root can write its parent";
    options.expected_owner = 65534;
    EXPECT_TRUE(Client(options).is_enabled("f", user_));
    options.expected_owner = 65533;
    EXPECT_EQ(Client(options).status().error, AttachError::kDirectoryUntrusted);
}

TEST_F(ClientTest, SaysSoWhenTheLayoutIsNotItsOwn) {
    published_.control().slots[0].layout_major.store(kLayoutMajor + 1);
    published_.control().slots[0].generation.store(1);
    const Client client(published_.options());
    EXPECT_EQ(client.status().error, AttachError::kLayoutUnsupported);
    EXPECT_FALSE(client.is_enabled("f", user_));
}

TEST_F(ClientTest, ClientsBeyondTheLimitAnswerNotReady) {
    published_.publish({on("f")});
    std::vector<std::unique_ptr<Client>> clients;
    for (std::uint32_t count = 0; count < kClientsMax; ++count) {
        clients.push_back(std::make_unique<Client>(published_.options()));
        EXPECT_TRUE(clients.back()->is_enabled("f", user_)) << count;
    }
    {
        const Client one_too_many(published_.options());
        EXPECT_EQ(one_too_many.evaluate("f", user_).reason(), Reason::kNotReady);
        EXPECT_EQ(one_too_many.status().error, AttachError::kTooManyClients);
    }
    clients.pop_back();
    EXPECT_TRUE(Client(published_.options()).is_enabled("f", user_)) << "the slot is free again";
}

TEST_F(ClientTest, ASlotNeverAnswersFromItsFormerClient) {
    PublishedDirectory other;
    published_.publish({on("f")});
    other.publish({off("f")});
    for (int round = 0; round < 10; ++round) {
        EXPECT_TRUE(Client(published_.options()).is_enabled("f", user_));
        EXPECT_FALSE(Client(other.options()).is_enabled("f", user_));
        EXPECT_FALSE(Client(ClientOptions{"/nonexistent"}).is_enabled("f", user_));
    }
}

}  // namespace
}  // namespace burgee::test
