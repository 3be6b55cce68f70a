// Promise: what the command says about a host is what its services get, and it says plainly when
// there is nobody to ask.
// Method: a host that publishes the suite's database through the real reader, builder and
// publisher.

#include <filesystem>
#include <fstream>

#include "tests/cli/command_line.hpp"

namespace burgee::test {
namespace {

using testing::Contains;
using testing::HasSubstr;

class HostCommandTest : public CommandLineTest {
protected:
    static void SetUpTestSuite() {
        CommandLineTest::SetUpTestSuite();
        ok({"flag", "create", "always", "--status", "enabled"});
        ok({"flag", "create", "never"});
        ok({"flag", "create", "models", "--status", "ab_test", "--variant",
            "control=50:{\"model\":\"gpt-3.5\"}", "--variant", "treatment=50:{\"model\":\"gpt-4\"}",
            "--exclude", "u-out"});
        host_ = std::make_unique<PublishingHost>(postgres().dsn(), directory());
        host_->publish();
    }
    static void TearDownTestSuite() {
        host_.reset();
        CommandLineTest::TearDownTestSuite();
    }

    static std::unique_ptr<PublishingHost> host_;
};

std::unique_ptr<PublishingHost> HostCommandTest::host_;

TEST_F(HostCommandTest, EvalAnswersAsAServiceWould) {
    EXPECT_THAT(ok({"eval", "always"}), HasSubstr("on  reason STATIC"));
    EXPECT_THAT(ok({"eval", "never", "--user", "u"}), HasSubstr("off  reason DISABLED"));
    const auto answer = json({"eval", "models", "--user", "user-1"});
    EXPECT_TRUE(answer["enabled"].get_bool().value());
    EXPECT_EQ(answer["reason"].get_string().value(), "SPLIT");
    const std::string variant(answer["variant"].get_string().value());
    EXPECT_EQ(answer["config"]["model"].get_string().value(),
              variant == "treatment" ? "gpt-4" : "gpt-3.5");
    EXPECT_EQ(ok({"eval", "models", "--user", "user-1", "-o", "name"}), variant + "\n");
    EXPECT_THAT(ok({"eval", "models"}), HasSubstr("TARGETING_KEY_MISSING"));
    EXPECT_THAT(ok({"eval", "models", "-a", "user_id=u-out"}), HasSubstr("EXCLUDED"));
    EXPECT_THAT(refused(3, {"eval", "modles", "--user", "u"}),
                HasSubstr("did you mean \"models\"?"));
    refused(2, {"eval", "models", "-a", "no-equals"});
}

TEST_F(HostCommandTest, IsEnabledAnswersByItsExitCode) {
    EXPECT_EQ(burgee({"is-enabled", "always"}).exit.code, 0);
    EXPECT_EQ(burgee({"is-enabled", "never"}).exit.code, 1);
    EXPECT_EQ(burgee({"is-enabled", "no.such.flag"}).exit.code, 3);
    EXPECT_EQ(burgee({"is-enabled", "always", "--directory", "/nonexistent"}).exit.code, 4);
    EXPECT_EQ(burgee({"is-enabled"}).exit.code, 2);
}

TEST_F(HostCommandTest, ExplainShowsTheBucketThatDecided) {
    const auto answer = json({"explain", "models", "--user", "user-1"});
    EXPECT_EQ(answer["reason"].get_string().value(), "SPLIT");
    std::uint64_t deciding_steps = 0;
    for (const auto step : answer["steps"]) {
        if (!step["decides"].get_bool().value()) {
            continue;
        }
        ++deciding_steps;
        EXPECT_EQ(step["rule"].get_string().value(), "variant");
        EXPECT_EQ(step["hash"].get_string().value().size(), 16U);
        const std::uint64_t bucket = step["bucket"].get_uint64();
        EXPECT_GE(bucket, step["range_begin"].get_uint64().value());
        EXPECT_LT(bucket, step["range_end"].get_uint64().value());
    }
    EXPECT_EQ(deciding_steps, 1U);
    const std::string text = ok({"explain", "models", "--user", "u-out"});
    EXPECT_THAT(text, HasSubstr("answer  off, reason EXCLUDED"));
    EXPECT_THAT(text, HasSubstr("the unit is listed"));
    EXPECT_THAT(refused(3, {"explain", "modles"}), HasSubstr("did you mean \"models\"?"));
}

TEST_F(HostCommandTest, EvalAndExplainAgree) {
    for (int user = 0; user < 20; ++user) {
        const std::string id = "user-" + std::to_string(user);
        const std::string variant(
            json({"eval", "models", "--user", id})["variant"].get_string().value());
        EXPECT_EQ(json({"explain", "models", "--user", id})["variant"].get_string().value(),
                  variant);
    }
}

TEST_F(HostCommandTest, DumpPrintsAndChecksASnapshot) {
    const std::string text = ok({"dump"});
    EXPECT_THAT(text, HasSubstr("checksums  all good"));
    EXPECT_THAT(text, HasSubstr("control<500000 treatment<1000000"));
    const auto dump = json({"dump"});
    EXPECT_GE(dump["flags"].get_array().size(), 3U);
    EXPECT_TRUE(dump["problem"].is_null());
    EXPECT_THAT(ok({"dump", "-o", "name"}), HasSubstr("models\n"));
}

TEST_F(HostCommandTest, DumpRefusesDamagedAndForeignFiles) {
    std::string snapshot;
    for (const auto& entry : std::filesystem::directory_iterator(directory())) {
        if (entry.path().filename().string().starts_with("snap.")) {
            snapshot = entry.path();
        }
    }
    ASSERT_FALSE(snapshot.empty());
    const std::string good = read_file(snapshot);
    const std::string copy = directory() + "/copy";
    std::ofstream(copy, std::ios::binary) << good;
    ok({"dump", copy});
    std::string bad = good;
    bad[bad.size() - 1] = static_cast<char>(bad[bad.size() - 1] ^ 1);  // in the last section
    std::ofstream(copy, std::ios::binary) << bad;
    const ChildOutcome outcome = burgee({"dump", copy});
    EXPECT_EQ(outcome.exit.code, 1);
    EXPECT_THAT(outcome.error, HasSubstr("damaged"));
    std::ofstream(copy, std::ios::binary) << good.substr(0, good.size() / 2);
    refused(1, {"dump", copy});
    std::ofstream(copy, std::ios::binary) << "not a snapshot";
    refused(1, {"dump", copy});
    std::ofstream(copy, std::ios::binary) << "";
    refused(1, {"dump", copy});
    refused(1, {"dump", directory()});
    refused(3, {"dump", "/no/such/file"});
}

TEST_F(HostCommandTest, StatusTellsWhatServicesSeeAndWhatTheDaemonSays) {
    std::ofstream(directory() + "/status.txt") << "spool       7 events waiting\n";
    std::ofstream(directory() + "/status.json") << "{\"spool\":{\"events\":7}}\n";
    const std::string text = ok({"status"});
    EXPECT_THAT(text, HasSubstr("ok: burgeed is alive\n"));
    std::ofstream(directory() + "/problems.txt") << "none\n";
    EXPECT_EQ(ok({"flag", "problems", "--host"}), "none\n");
    EXPECT_THAT(refused(4, {"flag", "problems", "--host", "--directory", "/nonexistent"}),
                HasSubstr("problems.txt"));
    EXPECT_THAT(text, HasSubstr("spool       7 events waiting\n"));
    const auto status = json({"status"});
    EXPECT_TRUE(status["is_well"].get_bool().value());
    EXPECT_GE(status["generation"].get_uint64().value(), 1U);
    EXPECT_EQ(status["burgeed"]["spool"]["events"].get_uint64().value(), 7U);
}

TEST_F(HostCommandTest, SaysSoWhenNothingIsPublished) {
    for (const char* command : {"eval", "explain", "is-enabled"}) {
        EXPECT_THAT(refused(4, {command, "always", "--directory", "/nonexistent"}),
                    HasSubstr("/nonexistent"));
    }
    refused(4, {"dump", "--directory", "/nonexistent"});
    const ChildOutcome status = burgee({"status", "--directory", "/nonexistent"});
    EXPECT_EQ(status.exit.code, 4);
    EXPECT_THAT(status.error, HasSubstr("is burgeed running"));
}

TEST_F(HostCommandTest, KillWaitsUntilTheHostAnswersOff) {
    ok({"flag", "create", "killed", "--status", "enabled"});
    host_->follow();
    const auto killed = json({"flag", "kill", "killed", "--why", "alarm"});
    EXPECT_GE(killed["published_after_ms"].get_double().value(), 0);
    EXPECT_THAT(ok({"eval", "killed"}), HasSubstr("off  reason DISABLED"));
    EXPECT_THAT(ok({"flag", "rollback", "killed"}), HasSubstr("rolled back"));
    EXPECT_THAT(ok({"flag", "kill", "killed"}), HasSubstr("every process of this host answers"));
    host_->stop_following();
}

TEST_F(HostCommandTest, KillSaysWhenNobodyPublishes) {
    ok({"flag", "create", "unseen", "--status", "enabled"});
    const std::string line = refused(4, {"flag", "kill", "unseen", "--timeout", "0.05"});
    EXPECT_THAT(line, HasSubstr("disabled in the database"));
    EXPECT_EQ(json({"flag", "show", "unseen"})["status"].get_string().value(), "disabled");
}

TEST_F(HostCommandTest, TrackSaysWhyAnEventWasNotTaken) {
    EXPECT_THAT(refused(1, {"track", "conversion", "--flag", "models", "--user", "user-1"}),
                HasSubstr("no active experiment"));
    refused(3, {"track", "conversion", "--flag", "modles", "--user", "u"});
    refused(2, {"track", "conversion", "nan", "--flag", "models", "--user", "u"});
    refused(2, {"track", "conversion"});
    refused(2, {"track", "conversion", "--experiment", "not-an-id", "--variant", "a"});
}

}  // namespace
}  // namespace burgee::test
