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
    EXPECT_THAT(text, HasSubstr("answer      off, reason EXCLUDED\nexperiment  none is active\n"));
    EXPECT_THAT(text, HasSubstr("the unit is listed"));
    EXPECT_THAT(refused(3, {"explain", "modles"}), HasSubstr("did you mean \"models\"?"));
}

TEST_F(HostCommandTest, ExplainShowsWhatEachConstraintFound) {
    ok({"segment", "put", "staff", "--constraints",
        R"([{"attribute":"mail","operator":"STR_ENDS_WITH","values":["@x.org"]}])"});
    ok({"flag", "create", "search", "--status", "gradual_rollout", "--segments",
        R"({"requires":[{"flag":"always","enabled":true}],"rules":[)"
        R"({"name":"grown","constraints":[{"attribute":"age","operator":"NUM_GTE","value":18}],)"
        R"("serve":{"enabled":true}},)"
        R"({"name":"staff","constraints":[{"segment":"staff"}],"serve":{"enabled":true}}]})"});
    host_->publish();
    // Neither a database nor a living daemon is needed.
    const std::vector<std::string> words{"explain", "search", "--user", "u1",
                                         "-a",      "age=old", "-a",    "mail=a@x.org",
                                         "--dsn",   "host=/nonexistent"};
    const auto answer = json(words);
    EXPECT_EQ(answer["reason"].get_string().value(), "RULE_MATCH");
    EXPECT_EQ(answer["questions"].get_array().size(), 3U);
    const auto age = answer["questions"].at(0);
    EXPECT_EQ(age["place"].get_string().value(), "rules[0]");
    EXPECT_EQ(age["operator"].get_string().value(), "NUM_GTE");
    EXPECT_EQ(age["constant"].get_int64().value(), 18);
    EXPECT_EQ(age["value"].get_string().value(), "old");
    EXPECT_TRUE(age["is_mistyped"].get_bool().value());
    EXPECT_FALSE(age["holds"].get_bool().value());
    EXPECT_EQ(answer["questions"].at(1)["segment"].get_string().value(), "staff");
    EXPECT_EQ(answer["questions"].at(2)["depth"].get_uint64().value(), 1U);
    const std::string text = ok(words);
    EXPECT_THAT(text, HasSubstr("\"always\" answers on (STATIC), wanted on"));
    EXPECT_THAT(text, HasSubstr("rules[1] \"staff\" matches and serves on"));
    EXPECT_THAT(text, testing::ContainsRegex("\n  staff +mail +STR_ENDS_WITH +\"@x.org\" +"
                                             "\"a@x.org\" +yes\n"));
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
    EXPECT_THAT(refused(2, {"track", "conversion", "-1", "--flag", "models", "--user", "u"}),
                HasSubstr("conversion is counted"));
}

TEST_F(HostCommandTest, TrackChecksTheMetadataItself) {
    const auto refusal = [](const std::string& metadata) {
        return refused(2, {"track", "conversion", "--flag", "models", "--user", "user-1",
                           "--metadata", metadata});
    };
    EXPECT_THAT(refusal("x"), HasSubstr("--metadata is not a JSON object"));
    EXPECT_THAT(refusal("{\"page\":"), HasSubstr("is not a JSON object"));
    EXPECT_THAT(refusal("{\"a\":\"" + std::string(1024, 'x') + "\"}"),
                HasSubstr("at most 1024 (1 KiB)"));
    const std::string path = directory() + "/metadata.json";
    std::ofstream(path) << "[1]\n";
    EXPECT_THAT(refusal("@" + path), HasSubstr("metadata.json is not a JSON object"));
    std::ofstream(path) << "{\"page\":\"/\"}\n";
    // Good metadata gets as far as the next hurdle.
    EXPECT_THAT(refused(1, {"track", "conversion", "--flag", "models", "--user", "user-1",
                            "--metadata", "@" + path}),
                HasSubstr("no active experiment"));
}

TEST_F(HostCommandTest, TrackKnowsOnlyTheExperimentsOfThisHost) {
    ok({"flag", "create", "measured", "--status", "ab_test", "--variant", "control=50", "--variant",
        "treatment=50", "--exclude", "u-out"});
    const auto row = json({"experiment", "create", "--flag", "measured", "--name", "measuring"});
    const std::string id(row["id"].get_string().value());
    const std::string other = "01234567-89ab-cdef-0123-456789abcdef";
    for (const std::string& unknown : {id, other, std::string("measuring")}) {
        EXPECT_THAT(refused(3, {"track", "conversion", "--experiment", unknown, "--variant",
                                "control", "--user", "u"}),
                    HasSubstr("this host knows no active experiment \"" + unknown + "\""));
    }
    refused(2, {"track", "", "--flag", "models", "--user", "u"});
    host_->publish();
    EXPECT_THAT(refused(1, {"track", "conversion", "--flag", "measured"}),
                HasSubstr("names nobody: give --user"));
    EXPECT_THAT(refused(1, {"track", "conversion", "--flag", "measured", "--user", "u-out"}),
                HasSubstr("takes no part in experiment \"measuring\" (off, reason EXCLUDED)"));
    for (const std::string& known : {id, std::string("measuring")}) {
        const std::string line = refused(3, {"track", "conversion", "--experiment", known,
                                             "--variant", "contrl", "--user", "u"});
        EXPECT_THAT(line, HasSubstr("only control, treatment; did you mean \"control\"?"));
    }
    // Known to the host; only that nobody takes events here.
    EXPECT_THAT(refused(4, {"track", "conversion", "--experiment", "measuring", "--variant",
                            "control", "--user", "u"}),
                HasSubstr("burgeed did not acknowledge"));
    EXPECT_THAT(refused(3, {"track", "conversion", "--experiment", "measurign", "--variant",
                            "control", "--user", "u"}),
                HasSubstr("did you mean \"measuring\"?"));
}

TEST_F(HostCommandTest, InExperimentMeansThatSomebodyMeasures) {
    for (const char* command : {"eval", "explain"}) {
        const auto alone = json({command, "models", "--user", "user-1"});
        EXPECT_TRUE(alone["experiment"].is_null());
        EXPECT_FALSE(alone["in_experiment"].get_bool().value());
        EXPECT_TRUE(alone["is_randomised"].get_bool().value());
    }
    ok({"flag", "create", "counted", "--status", "ab_test", "--variant", "control=50", "--variant",
        "treatment=50", "--include", "u-in"});
    ok({"experiment", "create", "--flag", "counted", "--name", "counting"});
    host_->publish();
    for (const char* command : {"eval", "explain"}) {
        const auto drawn = json({command, "counted", "--user", "user-1"});
        EXPECT_EQ(drawn["experiment"].get_string().value(), "counting");
        EXPECT_TRUE(drawn["in_experiment"].get_bool().value());
        const auto by_hand = json({command, "counted", "--user", "u-in"});
        EXPECT_FALSE(by_hand["in_experiment"].get_bool().value());
        EXPECT_FALSE(by_hand["is_randomised"].get_bool().value());
    }
}

TEST_F(HostCommandTest, ProblemsOfAHostSayWhenItsDaemonIsDead) {
    const TemporaryDirectory left;
    {
        PublishingHost host(postgres().dsn(), left.path());
        host.publish();
    }
    std::ofstream(left.path() + "/problems.txt") << "none\n";
    const ChildOutcome outcome = burgee({"flag", "problems", "--host", "--directory", left.path()});
    EXPECT_EQ(outcome.exit.code, 4);
    EXPECT_EQ(outcome.output, "none\n");
    EXPECT_THAT(outcome.error, HasSubstr("burgeed is dead"));
}

}  // namespace
}  // namespace burgee::test
