// Promise: `burgee eval --jsonl` answers every line in order exactly as `burgee eval` and `burgee
// explain` answer it alone, a bad line included, from the live snapshot or from a file, without the
// database. Method: the real program on what a real host published.

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/cli/command_line.hpp"

namespace burgee::test {
namespace {

using testing::HasSubstr;

class EvalStreamTest : public CommandLineTest {
protected:
    void SetUp() override {
        static bool is_prepared = false;
        if (std::exchange(is_prepared, true)) {
            return;
        }
        ok({"flag", "create", "s.half", "--status", "gradual_rollout", "--rollout", "50"});
        ok({"flag", "create", "s.on", "--status", "enabled"});
        ok({"flag", "create", "s.legacy", "--status", "gradual_rollout", "--rollout", "50",
            "--segments", R"({"bucketing": "legacy_md5"})"});
        ok({"flag", "create", "s.test", "--status", "ab_test", "--variant",
            R"(a=50:{"model": "m1"})", "--variant", "b=50", "--include", "vip"});
        ok({"flag", "create", "s.rule", "--status", "gradual_rollout", "--rollout", "0",
            "--segments",
            R"({"bucketing": "xxh3", "rules": [{"constraints": [{"attribute": "n", "operator":)"
            R"( "NUM_EQ", "value": 9007199254740993}], "serve": {"enabled": true}}]})"});
        host_ = std::make_unique<PublishingHost>(postgres().dsn(), directory());
        host_->publish();
    }
    static void TearDownTestSuite() {
        host_.reset();
        CommandLineTest::TearDownTestSuite();
    }

    TemporaryDirectory files_;

    std::string file(const std::string& content) {
        const std::string path = files_.path() + "/questions.jsonl";
        std::ofstream(path, std::ios::binary) << content;
        return path;
    }

    static std::vector<std::string> lines_of(const std::string& text) {
        std::istringstream stream(text);
        std::vector<std::string> lines;
        for (std::string line; std::getline(stream, line);) {
            lines.push_back(line);
        }
        return lines;
    }

    /// The answers to these questions; expects `code`.
    std::vector<std::string> answers(const std::string& questions, int code = 0) {
        const ChildOutcome outcome = burgee({"eval", "--jsonl", file(questions)});
        EXPECT_EQ(outcome.exit.code, code) << outcome.error;
        EXPECT_EQ(outcome.error, "");
        return lines_of(outcome.output);
    }

    static std::unique_ptr<PublishingHost> host_;
};

std::unique_ptr<PublishingHost> EvalStreamTest::host_;

TEST_F(EvalStreamTest, AnswersInOrderWithEveryKey) {
    const auto lines = answers(R"({"flag": "s.on"}
{"flag": "s.test", "context": {"user_id": "vip"}}
{"flag": "s.nothing", "context": {"user_id": "ada"}}
{"flag": "s.half", "context": {}}
)");
    ASSERT_EQ(lines.size(), 4U);
    EXPECT_EQ(lines[0], R"({"flag":"s.on","enabled":true,"variant":null,"config":{},)"
                        R"("reason":"STATIC","bucket":null})");
    EXPECT_THAT(lines[1], HasSubstr(R"("reason":"INCLUDED","bucket":null)"));
    EXPECT_EQ(lines[2], R"({"flag":"s.nothing","enabled":false,"variant":null,"config":{},)"
                        R"("reason":"FLAG_NOT_FOUND","bucket":null})");
    EXPECT_THAT(lines[3], HasSubstr(R"("reason":"TARGETING_KEY_MISSING","bucket":null)"));
}

TEST_F(EvalStreamTest, AgreesWithEvalAndExplainForEveryUnit) {
    std::string questions;
    std::vector<std::pair<std::string, std::string>> asked;
    for (const std::string flag : {"s.half", "s.legacy", "s.test"}) {
        for (int unit = 0; unit < 5; ++unit) {
            asked.emplace_back(flag, "u" + std::to_string(unit));
            questions += R"({"context": {"user_id": ")" + asked.back().second + R"("}, "flag": ")" +
                         flag + "\"}\n";
        }
    }
    const auto lines = answers(questions);
    ASSERT_EQ(lines.size(), asked.size());
    for (std::size_t index = 0; index < lines.size(); ++index) {
        simdjson::dom::parser parser;
        const auto answer = parser.parse(lines[index]).value();
        const auto& [flag, unit] = asked[index];
        const auto alone = json({"explain", flag, "--user", unit});
        EXPECT_EQ(answer["flag"].get_string().value(), flag);
        EXPECT_EQ(answer["enabled"].get_bool().value(), alone["enabled"].get_bool().value());
        EXPECT_EQ(simdjson::minify(answer["variant"]), simdjson::minify(alone["variant"]));
        EXPECT_EQ(simdjson::minify(answer["config"]), simdjson::minify(alone["config"]));
        bool has_rollout = false;
        for (const auto step : alone["steps"].get_array()) {
            if (step["rule"].get_string().value() == "rollout") {
                has_rollout = true;
                EXPECT_EQ(answer["bucket"].get_uint64().value(),
                          step["bucket"].get_uint64().value());
            }
        }
        EXPECT_TRUE(has_rollout);
    }
}

TEST_F(EvalStreamTest, ABadLineIsAnsweredAndTheNextOneToo) {
    std::string many = R"({"flag": "s.on", "context": {)";
    for (int index = 0; index < 17; ++index) {
        many += (index == 0 ? "\"a" : ", \"a") + std::to_string(index) + "\": 1";
    }
    const std::string too_long(2U << 20U, 'x');
    const auto lines =
        answers("{\n" + many + "}}\n\n" + R"({"flag": "s.on", "context": {"a": []}})" + "\n{}\n" +
                    too_long + "\n" + R"({"flag": "s.on"})",
                1);
    ASSERT_EQ(lines.size(), 7U);
    EXPECT_THAT(lines[0],
                testing::StartsWith(R"({"flag":null,"enabled":false,"variant":null,"config":{},)"
                                    R"("reason":null,"bucket":null,"error":"is not JSON)"));
    EXPECT_THAT(lines[1], HasSubstr("more than 16 attributes"));
    EXPECT_THAT(lines[2], HasSubstr("empty"));
    EXPECT_THAT(lines[3], HasSubstr("context.a is an array"));
    EXPECT_THAT(lines[4], HasSubstr("flag is missing"));
    EXPECT_THAT(lines[5], HasSubstr("longer than 1 MiB"));
    EXPECT_THAT(lines[6], HasSubstr(R"("reason":"STATIC")"));
}

TEST_F(EvalStreamTest, AnIntegerOf64BitsStaysOne) {
    // 2^53 + 1: a double would make it its even neighbour.
    const auto lines = answers(R"({"flag": "s.rule", "context": {"n": 9007199254740993}}
{"flag": "s.rule", "context": {"n": 9007199254740992}}
)");
    EXPECT_THAT(lines.at(0), HasSubstr("RULE_MATCH"));
    EXPECT_THAT(lines.at(1), HasSubstr(R"("enabled":false)"));
}

TEST_F(EvalStreamTest, AnswersFromAFileWithoutHostOrDatabase) {
    std::string snapshot;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory())) {
        const std::string name = entry.path().filename();
        if (name.starts_with("snap.") && entry.is_regular_file()) {
            snapshot = files_.path() + "/copy";
            std::filesystem::copy_file(entry.path(), snapshot,
                                       std::filesystem::copy_options::overwrite_existing);
        }
    }
    ASSERT_NE(snapshot, "");
    const std::string questions = file(R"({"flag": "s.on"})");
    const ChildOutcome outcome =
        burgee({"eval", "--jsonl", questions, "--file", snapshot, "--directory", "/nonexistent",
                "--dsn", "host=/nonexistent"});
    EXPECT_EQ(outcome.exit.code, 0) << outcome.error;
    EXPECT_THAT(outcome.output, HasSubstr(R"("enabled":true)"));
}

TEST_F(EvalStreamTest, ReadsALongStreamFromStdin) {
    std::string questions;
    for (int unit = 0; unit < 5000; ++unit) {
        questions +=
            R"({"flag": "s.half", "context": {"user_id": )" + std::to_string(unit) + "}}\n";
    }
    const ChildOutcome outcome = run_child(
        {"/bin/sh", "-c", "exec " BURGEE_CLI_PROGRAM " eval --jsonl < " + file(questions)},
        std::chrono::seconds(60), {"BURGEE_SHM_DIRECTORY=" + directory()});
    EXPECT_EQ(outcome.exit.code, 0) << outcome.error;
    EXPECT_EQ(lines_of(outcome.output).size(), 5000U);
}

TEST_F(EvalStreamTest, WhoeverWaitsForAnAnswerGetsItAndTheNextOneIsOfToday) {
    ok({"flag", "create", "s.follow", "--status", "enabled"});
    host_->publish();
    host_->follow();
    const std::string output = files_.path() + "/answers";
    // The second question is asked when the first answer is there and the flag has been killed.
    const ChildOutcome outcome = run_child(
        {"/bin/sh", "-c",
         "(echo '{\"flag\": \"s.follow\"}'; while [ ! -s " + output +
             " ]; do sleep 0.01; done; " BURGEE_CLI_PROGRAM
             " flag kill s.follow >&2; echo '{\"flag\": \"s.follow\"}') | " BURGEE_CLI_PROGRAM
             " eval --jsonl > " +
             output},
        std::chrono::seconds(30),
        {"BURGEE_DATABASE_DSN=" + postgres().dsn(), "BURGEE_SHM_DIRECTORY=" + directory()});
    host_->stop_following();
    EXPECT_EQ(outcome.exit.code, 0) << outcome.error;
    const auto lines = lines_of(read_file(output));
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_THAT(lines[0], HasSubstr(R"("enabled":true)"));
    EXPECT_THAT(lines[1], HasSubstr(R"("reason":"DISABLED")"));
}

TEST_F(EvalStreamTest, RefusesWhatMakesNoSense) {
    refused(2, {"eval"});
    refused(2, {"eval", "--jsonl", "-", "--user", "ada"});
    refused(2, {"eval", "s.on", "--file", "x"});
    refused(3, {"eval", "--jsonl", "/nonexistent/questions"});
    refused(4, {"eval", "--jsonl", file(""), "--directory", "/nonexistent"});
}

}  // namespace
}  // namespace burgee::test
