// Promise: what hosts could not publish is refused before it is written, and `flag lint` finds it
// in a database or a file, each time at the place where it stands; lint changes nothing. Method:
// the real program on a real PostgreSQL; bad rows are written by SQL, past our checks.

#include <fstream>

#include "tests/cli/command_line.hpp"

namespace burgee::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// A rule whose only constraint is `constraint`.
std::string rules_of(const std::string& constraint) {
    return R"({"bucketing":"xxh3","rules":[{"constraints":[)" + constraint +
           R"(],"serve":{"enabled":true}}]})";
}

const char* const kBadPattern = R"({"attribute":"mail","operator":"REGEX","value":"a(b"})";
const char* const kNoSegment = R"({"segment":"nowhere"})";

class LintCommandTest : public CommandLineTest {
protected:
    void TearDown() override {
        postgres().execute("delete from feature_flags");
        postgres().execute("delete from burgee.segments");
    }

    /// Everything a change would leave behind.
    static std::string traces() {
        return postgres().value("select value from burgee.revision") + " " +
               postgres().value("select count(*) from burgee.flag_history");
    }

    /// Expects that the words are refused, that nothing was written, and returns the one line.
    static std::string refused_unwritten(const std::vector<std::string>& words) {
        const std::string before = traces();
        const std::string line = refused(1, words);
        EXPECT_EQ(traces(), before);
        return line;
    }

    static void store(const std::string& name, const std::string& segments) {
        postgres().execute("insert into feature_flags (name, status, segments) values ('" + name +
                           "', 'enabled', '" + segments + "')");
    }

    /// Runs lint with -o json, expects `code`, and returns the document.
    simdjson::dom::element lint(int code, std::vector<std::string> words) {
        words.insert(words.begin(), {"flag", "lint", "-o", "json"});
        const ChildOutcome outcome = burgee(words);
        EXPECT_EQ(outcome.exit.code, code) << outcome.error;
        return parser_.parse(simdjson::padded_string(outcome.output));
    }

    static std::string file_with(const std::string& text) {
        const std::string path = directory() + "/flags.json";
        std::ofstream(path) << text;
        return path;
    }

    simdjson::dom::parser parser_;
};

TEST_F(LintCommandTest, CreateRefusesWhatCouldNotBePublishedAndSaysWhere) {
    EXPECT_THAT(
        refused_unwritten({"flag", "create", "a", "--status", "enabled", "--segments",
                           rules_of(R"({"attribute":"x","operator":"IM","values":["a"]})")}),
        AllOf(HasSubstr("segments.rules[0].constraints[0].operator"),
              HasSubstr("did you mean \"IN\"?")));
    EXPECT_THAT(refused_unwritten({"flag", "create", "a", "--status", "enabled", "--segments",
                                   rules_of(kBadPattern)}),
                HasSubstr("a: segments.rules[0].constraints[0].value "));
    EXPECT_THAT(refused_unwritten({"flag", "create", "a", "--status", "enabled", "--segments",
                                   rules_of(kNoSegment)}),
                HasSubstr("names the segment \"nowhere\", which does not exist"));
    EXPECT_THAT(refused_unwritten({"flag", "create", "a", "--status", "enabled", "--dry-run",
                                   "--segments", rules_of(kBadPattern)}),
                HasSubstr("segments.rules[0].constraints[0].value "));
    const std::string path = file_with(rules_of(kBadPattern));
    EXPECT_THAT(
        refused_unwritten({"flag", "create", "a", "--status", "enabled", "--segments", "@" + path}),
        HasSubstr("segments.rules[0].constraints[0].value "));
}

TEST_F(LintCommandTest, SetAndEnableRefuseLikewiseAndSwitchingOffNever) {
    ok({"flag", "create", "a", "--segments", rules_of(kBadPattern)});  // off: nobody asks it
    EXPECT_THAT(refused_unwritten({"flag", "enable", "a"}),
                HasSubstr("segments.rules[0].constraints[0].value "));
    EXPECT_THAT(refused_unwritten({"flag", "set", "a", "--status", "enabled"}),
                HasSubstr("segments.rules[0].constraints[0].value "));
    ok({"flag", "create", "b", "--status", "enabled"});
    EXPECT_THAT(refused_unwritten({"flag", "set", "b", "--segments", rules_of(kNoSegment)}),
                HasSubstr("\"nowhere\""));
    store("c", rules_of(kNoSegment));
    ok({"flag", "disable", "c"});
    EXPECT_THAT(refused_unwritten({"flag", "rollback", "c"}), HasSubstr("\"nowhere\""));
}

TEST_F(LintCommandTest, ACircleOfRequirementsIsRefusedByWhoeverClosesIt) {
    ok({"flag", "create", "one", "--status", "enabled"});
    ok({"flag", "create", "two", "--status", "enabled", "--segments",
        R"({"requires":[{"flag":"one","enabled":true}]})"});
    EXPECT_THAT(refused_unwritten({"flag", "set", "one", "--segments",
                                   R"({"requires":[{"flag":"two","enabled":true}]})"}),
                HasSubstr("one: segments.requires leads back to the flag itself"));
    std::string before = "two";
    for (const char* name : {"three", "four", "five", "six", "seven", "eight"}) {
        ok({"flag", "create", name, "--status", "enabled", "--segments",
            R"({"requires":[{"flag":")" + before + R"(","enabled":true}]})"});
        before = name;
    }
    ok({"flag", "create", "nine", "--status", "enabled", "--segments",
        R"({"requires":[{"flag":"eight","enabled":true}]})"});
    EXPECT_THAT(refused_unwritten({"flag", "create", "ten", "--status", "enabled", "--segments",
                                   R"({"requires":[{"flag":"nine","enabled":true}]})"}),
                HasSubstr("chain of more than 8"));
}

TEST_F(LintCommandTest, FindsEveryKindOfRefusalInTheDatabase) {
    ok({"flag", "create", "good", "--status", "enabled"});
    EXPECT_EQ(lint(0, {})["flag_count"].get_uint64().value(), 1U);
    store("pattern", rules_of(kBadPattern));
    store("segment", rules_of(kNoSegment));
    store("circle.a", R"({"requires":[{"flag":"circle.b","enabled":true}]})");
    store("circle.b", R"({"requires":[{"flag":"circle.a","enabled":true}]})");
    store("key", R"({"audienze":[]})");
    postgres().execute(
        "insert into burgee.segments (name, constraints) values ('self', "
        "'[{\"segment\":\"self\"}]')");
    const std::string before = traces();
    const auto report = lint(1, {});
    EXPECT_EQ(traces(), before);
    EXPECT_EQ(report["flag_count"].get_uint64().value(), 6U);
    EXPECT_EQ(report["refusal_count"].get_uint64().value(), 6U);
    const std::string table = burgee({"flag", "lint"}).output;
    EXPECT_THAT(table, HasSubstr("pattern       refused  segments.rules[0].constraints[0].value"));
    EXPECT_THAT(table, HasSubstr("circle.a      refused  segments.requires"));
    EXPECT_THAT(table, HasSubstr("circle.b      refused  segments.requires"));
    EXPECT_THAT(table, HasSubstr("did you mean \"audience\"?"));
    EXPECT_THAT(table, HasSubstr("segment self  refused  constraints"));
    EXPECT_EQ(burgee({"flag", "lint", "-o", "name"}).output,
              "circle.a\ncircle.b\nkey\npattern\nsegment\nsegment self\n");
    EXPECT_EQ(burgee({"flag", "problems", "-o", "name"}).output,
              "circle.a\ncircle.b\nkey\npattern\nsegment\nsegment self\n");
    EXPECT_EQ(lint(1, {"key", "good"})["problems"].get_array().size(), 1U);
    EXPECT_EQ(lint(0, {"good"})["flag_count"].get_uint64().value(), 1U);
    EXPECT_THAT(refused(3, {"flag", "lint", "patern"}), HasSubstr("did you mean \"pattern\"?"));
}

TEST_F(LintCommandTest, WarningsFailOnlyWhenTheyShall) {
    store("rules", R"({"rules":[{"name":"x","constraints":[],"serve":{"enabled":true}},)"
                   R"({"name":"x","constraints":[{"attribute":"a","operator":"EXISTS"}],)"
                   R"("serve":{"enabled":false}}]})");
    postgres().execute(
        "insert into feature_flags (name, status, rollout_percentage, expires_at, variants) values"
        " ('canary', 'canary', 6, null, '[]'),"
        " ('past', 'enabled', 0, now() - interval '1 hour', '[]'),"
        " ('weights', 'ab_test', 100, null, '[{\"name\":\"a\",\"weight\":50},"
        "{\"name\":\"b\",\"weight\":50},{\"name\":\"c\",\"weight\":0}]')");
    store("layer", R"({"layer":{"name":"nolayer"}})");
    store("unmet", R"({"requires":[{"flag":"absent","enabled":true}]})");
    const auto report = lint(0, {});
    EXPECT_EQ(report["refusal_count"].get_uint64().value(), 0U);
    const std::string table = ok({"flag", "lint"});
    EXPECT_THAT(table, HasSubstr("segments.rules[1]       never matches"));
    EXPECT_THAT(table, HasSubstr("segments.rules[1].name"));
    EXPECT_THAT(table, HasSubstr("is the name of segments.rules[0], too"));
    EXPECT_THAT(table, HasSubstr("is 6 in a canary"));
    EXPECT_THAT(table, HasSubstr("a canary is meant for a named few"));
    EXPECT_THAT(table, HasSubstr("has passed: hosts answer off"));
    EXPECT_THAT(table, HasSubstr("variants[2].weight"));
    EXPECT_THAT(table, HasSubstr("\"nolayer\", which does not exist"));
    EXPECT_THAT(table, HasSubstr("\"absent\", which is not published"));
    EXPECT_EQ(lint(1, {"--strict"})["warning_count"].get_uint64().value(), 8U);
}

TEST_F(LintCommandTest, ReadsAFileWithoutADatabase) {
    ok({"flag", "create", "shown", "--status", "enabled", "--expires", "2099-01-31T12:00:00Z"});
    const std::vector<std::string> nowhere{"--dsn", "host=/nonexistent"};
    const auto lint_file = [&](int code, const std::string& text) {
        return lint(code, {"--file", file_with(text), nowhere[0], nowhere[1]});
    };
    EXPECT_EQ(lint_file(0, ok({"flag", "show", "shown", "-o", "json"}))["warning_count"]
                  .get_uint64()
                  .value(),
              0U);
    EXPECT_EQ(lint_file(0, ok({"flag", "list", "-o", "json"}))["flag_count"].get_uint64().value(),
              1U);
    const auto bad = lint_file(
        1, R"([{"name":"\u00e9","status":"enabled","segments":)" + rules_of(kBadPattern) +
               R"(},{"name":"b","status":"on","statsu":1},{"name":"b","status":"disabled"}])");
    EXPECT_EQ(bad["refusal_count"].get_uint64().value(), 3U);
    EXPECT_EQ(bad["warning_count"].get_uint64().value(), 1U);
    EXPECT_EQ(bad["problems"].at(0)["flag"].get_string().value(), "b");
    EXPECT_EQ(bad["problems"].at(3)["flag"].get_string().value(), "\u00e9");
    const std::string named =
        R"({"name":"a","status":"enabled","segments":)" + rules_of(kNoSegment) + "}";
    EXPECT_EQ(lint_file(0, named)["warning_count"].get_uint64().value(), 1U);
    EXPECT_EQ(lint_file(1, R"({"segments":[],"flags":[)" + named + "]}")["refusal_count"]
                  .get_uint64()
                  .value(),
              1U);
    EXPECT_THAT(refused(2, {"flag", "lint", "--file", file_with("[1]")}),
                HasSubstr("holds no array of flags"));
    EXPECT_THAT(refused(2, {"flag", "lint", "--file", file_with("{")}), HasSubstr("JSON"));
    EXPECT_THAT(refused(3, {"flag", "lint", "--file", "/no/such"}), HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace burgee::test
