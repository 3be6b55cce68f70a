// Promise: readers see whole generations, never an older one after a newer, while a publisher works
// as fast as it can; and a forked child goes on answering, whatever its parent was doing.
// Method: the real publisher in a loop and four threads whose answers carry their own proof; a fork
// with the refresh lock held.

#include <burgee/client.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <thread>

#include "shm/publisher.hpp"
#include "tests/clientlib/published_directory.hpp"

namespace burgee::test {
namespace {

/// Flags that tell which generation they belong to: "odd" is on in odd ones, "chat" carries the
/// number in its config.
std::vector<FlagDefinition> flags_of(std::uint64_t generation) {
    FlagDefinition chat = ab_test_of("chat");
    for (VariantDefinition& variant : chat.variants) {
        variant.config = {{"generation", static_cast<std::int64_t>(generation)}};
    }
    return {flag_of("odd", generation % 2 == 1 ? Status::kEnabled : Status::kDisabled), chat};
}

class Reader {
public:
    Reader(const Client& client, const std::atomic<bool>& is_done)
        : client_(client), odd_(client, "odd"), is_done_(is_done) {}

    void run() {
        const Context user{{"user_id", "u1"}};
        Evaluation kept;
        std::int64_t kept_generation = 0;
        while (!is_done_.load(std::memory_order_relaxed)) {
            const Evaluation chat = client_.evaluate("chat", user);
            const std::int64_t generation = chat.config().integer("generation", -1);
            expect(generation == static_cast<std::int64_t>(chat.generation()), "torn");
            expect(generation >= newest_, "backwards");
            newest_ = generation;
            const Evaluation odd = odd_.evaluate(user);
            expect(odd.enabled() == (odd.generation() % 2 == 1), "handle");
            const Snapshot snapshot = client_.pin();
            expect(snapshot.is_enabled("odd", user) == (snapshot.generation() % 2 == 1), "pin");
            expect(kept_generation == 0 || kept.config().integer("generation") == kept_generation,
                   "kept");
            if (++answers_ % 50 == 0) {
                kept = client_.evaluate("chat", user);
                kept_generation = kept.config().integer("generation");
            }
        }
    }
    std::uint64_t answers() const { return answers_; }
    const std::string& failure() const { return failure_; }
    std::int64_t newest() const { return newest_; }

private:
    void expect(bool holds, const char* what) {
        if (!holds && failure_.empty()) {
            failure_ = what;
        }
    }

    const Client& client_;
    Flag odd_;
    const std::atomic<bool>& is_done_;
    std::int64_t newest_ = 0;
    std::uint64_t answers_ = 0;
    std::string failure_;
};

TEST(RefreshTest, ReadersSeeWholeGenerationsInOrder) {
    constexpr std::uint64_t kGenerations = 400;
    TemporaryDirectory directory;
    auto opened = Publisher::open(directory.path());
    ASSERT_TRUE(opened.has_value());
    Publisher& publisher = *opened;
    ASSERT_TRUE(publisher.publish(image_of(1, flags_of(1)), {}).has_value());
    const Client client(ClientOptions{directory.path()});
    std::atomic<bool> is_done{false};
    std::vector<std::unique_ptr<Reader>> readers;
    std::vector<std::thread> threads;
    for (int number = 0; number < 4; ++number) {
        readers.push_back(std::make_unique<Reader>(client, is_done));
        threads.emplace_back([reader = readers.back().get()] { reader->run(); });
    }
    for (std::uint64_t generation = 2; generation <= kGenerations; ++generation) {
        const auto published = publisher.publish(image_of(generation, flags_of(generation)), {});
        ASSERT_TRUE(published.has_value());
        ASSERT_EQ(*published, generation);
    }
    EXPECT_TRUE(client.wait_for_generation(kGenerations, std::chrono::seconds(20)));
    is_done.store(true);
    for (std::thread& thread : threads) {
        thread.join();
    }
    for (const auto& reader : readers) {
        EXPECT_EQ(reader->failure(), "");
        EXPECT_GT(reader->answers(), 0U);
    }
    EXPECT_EQ(client.status().pinned_count, 1U) << "every thread let go of what it had pinned";
    EXPECT_EQ(client.status().refresh_failed_count, 0U);
}

TEST(RefreshTest, ThreadsThatComeAndGoLeaveNothingPinned) {
    PublishedDirectory published;
    published.publish(flags_of(1));
    const Client client(published.options());
    const Context user{{"user_id", "u1"}};
    for (std::uint64_t generation = 2; generation <= 60; ++generation) {
        std::vector<std::thread> threads;
        for (int number = 0; number < 3; ++number) {
            threads.emplace_back([&] { (void)client.evaluate("chat", user); });
        }
        published.publish(flags_of(generation));
        for (std::thread& thread : threads) {
            thread.join();
        }
    }
    EXPECT_EQ(client.generation(), 60U);
    EXPECT_EQ(client.status().pinned_count, 1U);
}

/// Runs `ask` in a forked child; its result is the exit status.
template <typename Ask>
int in_child(Ask ask) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::_exit(ask() ? 0 : 1);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(RefreshTest, ForkedChildGetsTheNextGenerations) {
    PublishedDirectory published;
    published.publish({flag_of("f", Status::kDisabled)});
    const Client client(published.options());
    const Context user{{"user_id", "u1"}};
    EXPECT_FALSE(client.is_enabled("f", user));
    EXPECT_EQ(in_child([&] {
                  if (client.is_enabled("f", user)) {
                      return false;
                  }
                  published.publish({flag_of("f", Status::kEnabled)});
                  return client.is_enabled("f", user);
              }),
              0);
    EXPECT_TRUE(client.is_enabled("f", user)) << "and so does the parent";
}

TEST(RefreshTest, ALockHeldAtForkIsVoidInTheChild) {
    PublishedDirectory published;
    published.publish({flag_of("f", Status::kDisabled)});
    const Client client(published.options());
    const Context user{{"user_id", "u1"}};
    EXPECT_FALSE(client.is_enabled("f", user));
    detail::ClientState* state = nullptr;
    for (detail::ClientState& one : detail::client_states) {
        if (one.is_used.load() && published.path() == one.directory.data()) {
            state = &one;
        }
    }
    ASSERT_NE(state, nullptr);
    {
        const detail::RefreshLock lock(*state);
        ASSERT_TRUE(lock.is_held());
        published.publish({flag_of("f", Status::kEnabled)});
        EXPECT_FALSE(client.is_enabled("f", user)) << "the holder refreshes, others go on";
        EXPECT_EQ(in_child([&] { return client.is_enabled("f", user); }), 0);
    }
    EXPECT_TRUE(client.is_enabled("f", user));
}

TEST(RefreshTest, StatusTellsAliveHungAndDead) {
    TemporaryDirectory directory;
    std::optional<Client> client;
    {
        auto publisher = Publisher::open(directory.path());
        ASSERT_TRUE(publisher.has_value());
        ASSERT_TRUE(publisher->publish(image_of(1, flags_of(1)), {}).has_value());
        client.emplace(ClientOptions{directory.path()});
        EXPECT_EQ(client->status().daemon, DaemonLife::kAlive);
        EXPECT_GE(client->status().published_age_ms, 0);
        publisher->beat();
        EXPECT_EQ(client->status().daemon, DaemonLife::kAlive);
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (client->status().daemon != DaemonLife::kHung) {  // the lock is held, no heart beats
            ASSERT_LT(std::chrono::steady_clock::now(), deadline);
            ::usleep(50'000);
        }
        publisher->beat();
        EXPECT_EQ(client->status().daemon, DaemonLife::kAlive);
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (client->status().daemon != DaemonLife::kDead) {
        ASSERT_LT(std::chrono::steady_clock::now(), deadline);
        ::usleep(50'000);
    }
    EXPECT_TRUE(client->status().is_ready) << "flags answer without a daemon";
}

}  // namespace
}  // namespace burgee::test
