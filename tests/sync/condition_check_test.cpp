// Promise: every constraint means what docs/targeting.md says or is refused at its place, with the
// remedy; no text whatever stops the check. Method: a table for each operator, one spoiled
// constraint at a time; then random texts of a fixed seed.
#include "sync/condition_check.hpp"

#include <random>

#include "tests/sync/checked_flag.hpp"

namespace burgee::sync {
namespace {

class ConditionCheckTest : public ::testing::Test {
protected:
    test::CheckedFlag flag_;

    /// One constraint as the whole audience.
    void constrain(const std::string& json) {
        flag_.row.segments = R"({"audience": [)" + json + "]}";
    }

    /// On attribute "a"; `rest` continues the object.
    void constrain_a(const std::string& operation, const std::string& rest) {
        constrain(R"({"attribute": "a", "operator": ")" + operation + "\"" + rest + "}");
    }

    Condition accepted() {
        const FlagDefinition flag = flag_.accepted();
        EXPECT_EQ(flag.audience.size(), 1U);
        return flag.audience.empty() ? Condition{} : flag.audience.front();
    }

    void expect_refused(const std::string& place, const std::string& words) {
        flag_.expect_refused("segments.audience[0]" + place, words);
    }
};

struct Written {
    std::string operation;
    std::string rest;
};

using Texts = std::vector<std::string>;
using Number = decltype(Condition::number);

TEST_F(ConditionCheckTest, KnowsEveryOperatorByItsName) {
    const std::vector<std::string> operands = {R"(, "values": ["x"])",
                                               R"(, "value": 1)",
                                               R"(, "value": "2026-01-31T12:00:00Z")",
                                               R"(, "value": "1.2.3")",
                                               "",
                                               R"(, "value": "x+")"};
    const std::vector<std::pair<std::string, std::size_t>> names = {{"IN", 0},
                                                                    {"NOT_IN", 0},
                                                                    {"STR_CONTAINS", 0},
                                                                    {"STR_STARTS_WITH", 0},
                                                                    {"STR_ENDS_WITH", 0},
                                                                    {"NUM_EQ", 1},
                                                                    {"NUM_GT", 1},
                                                                    {"NUM_GTE", 1},
                                                                    {"NUM_LT", 1},
                                                                    {"NUM_LTE", 1},
                                                                    {"DATE_AFTER", 2},
                                                                    {"DATE_BEFORE", 2},
                                                                    {"SEMVER_EQ", 3},
                                                                    {"SEMVER_GT", 3},
                                                                    {"SEMVER_GTE", 3},
                                                                    {"SEMVER_LT", 3},
                                                                    {"SEMVER_LTE", 3},
                                                                    {"EXISTS", 4},
                                                                    {"REGEX", 5}};
    ASSERT_EQ(names.size(), kOperatorCount);
    for (std::size_t index = 0; index < names.size(); ++index) {
        const auto& [name, right] = names[index];
        constrain_a(name, operands[right]);
        const Condition condition = accepted();
        EXPECT_EQ(condition.kind, Condition::Kind::kConstraint);
        EXPECT_EQ(condition.operation, static_cast<Operator>(index)) << name;
        EXPECT_EQ(condition.attribute, "a");
        std::string small = name;
        std::ranges::transform(small, small.begin(), [](char letter) {
            return letter == '_' ? letter : static_cast<char>(letter | 0x20);
        });
        constrain_a(small, operands[right]);
        expect_refused(".operator",
                       "\"" + small + "\" is no operator; did you mean \"" + name + "\"?");
    }
}

TEST_F(ConditionCheckTest, ReadsValuesAsText) {
    const std::vector<std::pair<Written, Texts>> cases = {
        {{"IN", R"(, "values": ["gold", 42, true, false, "", -7])"},
         {"gold", "42", "true", "false", "", "-7"}},
        {{"IN", R"(, "value": "gold")"}, {"gold"}},
        {{"IN", R"(, "value": 18446744073709551615)"}, {"18446744073709551615"}},
        {{"NOT_IN", R"(, "value": true)"}, {"true"}},
        {{"IN", R"(, "values": ["GoLD", "ÄB"], "case_insensitive": true)"}, {"gold", "Äb"}},
        {{"IN", R"(, "values": ["GoLD"], "case_insensitive": false)"}, {"GoLD"}},
        {{"STR_CONTAINS", R"(, "values": ["b", "C"])"}, {"b", "C"}},
        {{"STR_ENDS_WITH", R"(, "value": "@Example.com", "case_insensitive": true)"},
         {"@example.com"}},
        {{"SEMVER_GTE", R"(, "value": "1.20.3-rc.1+build")"}, {"1.20.3-rc.1+build"}},
        {{"REGEX", R"(, "value": "^\\D+$", "case_insensitive": true)"}, {"^\\D+$"}},
        {{"REGEX", R"(, "value": "()" + std::string(4094, 'x') + "\""},
         {"(" + std::string(4094, 'x')}},
        {{"EXISTS", R"(, "values": null, "value": null)"}, {}},
    };
    for (const auto& [written, values] : cases) {
        constrain_a(written.operation, written.rest);
        EXPECT_EQ(accepted().values, values) << written.operation << written.rest;
    }
}

TEST_F(ConditionCheckTest, ReadsNumbersWithoutLoss) {
    const std::vector<std::pair<std::string, Number>> cases = {
        {"0", std::int64_t{0}},
        {"-9223372036854775808", INT64_MIN},
        {"9223372036854775807", INT64_MAX},
        {"9223372036854775808", std::uint64_t{1} << 63U},
        {"18446744073709551615", UINT64_MAX},
        {"0.5", 0.5},
        {"-0.0", 0.0},
        {"1e18", 1e18},
        {"1.8446744073709549e19", 1.8446744073709549e19},
    };
    for (const auto& [text, number] : cases) {
        constrain_a("NUM_GTE", ", \"value\": " + text);
        EXPECT_EQ(accepted().number, number) << text;
    }
    constrain_a("NUM_EQ", R"(, "value": -0.0)");
    EXPECT_FALSE(std::signbit(std::get<double>(accepted().number)));
    for (const char* date : {R"("2026-01-31T13:00:00+01:00")", "1769860800000"}) {
        constrain_a("DATE_AFTER", std::string(", \"value\": ") + date);
        EXPECT_EQ(accepted().number, Number(std::int64_t{1769860800000})) << date;
    }
}

TEST_F(ConditionCheckTest, RefusesOperandsByPlace) {
    const std::string two_texts = R"(, "values": ["a", "b"])";
    const std::vector<std::tuple<Written, std::string, std::string>> cases = {
        {{"IN", ""}, ".values", "is missing: give IN the values"},
        {{"IN", R"(, "values": [])"}, ".values", "is empty: give 1 to 1048576 values"},
        {{"IN", R"(, "values": "gold")"}, ".values", "is not an array"},
        {{"IN", R"(, "value": ["gold"])"}, ".value", "write it under \"values\""},
        {{"IN", R"(, "value": 1, "values": [1])"}, ".value", "cannot stand beside \"values\""},
        {{"IN", R"(, "values": ["x", 1.5])"}, ".values[1]", "would never match"},
        {{"NOT_IN", R"(, "values": [1.0])"}, ".values[0]", "NOT_IN compares text"},
        {{"IN", R"(, "values": [18446744073709551616])"}, ".values[0]", "integer of 64 bits"},
        {{"IN", R"(, "values": [null])"}, ".values[0]", "not a text, an integer, true or false"},
        {{"IN", R"(, "values": [["x"]])"}, ".values[0]", "not a text, an integer"},
        {{"STR_CONTAINS", R"(, "values": ["x", 7])"}, ".values[1]", "write it in quotes"},
        {{"STR_STARTS_WITH", R"(, "value": true)"}, ".value", "not a text, which STR_STARTS_WITH"},
        {{"STR_CONTAINS", R"(, "values": [])"}, ".values", "give 1 to 1024 values"},
        {{"IN", R"(, "values": [")" + std::string(4097, 'x') + "\"]"},
         ".values[0]",
         "has 4097 bytes: at most 4096"},
        {{"NUM_GT", two_texts}, ".values", "write \"value\""},
        {{"NUM_GT", ""}, ".value", "is missing: give NUM_GT"},
        {{"NUM_GT", R"(, "value": null)"}, ".value", "is missing"},
        {{"NUM_GT", R"(, "value": "3")"}, ".value", "write it without quotes"},
        {{"NUM_EQ", R"(, "value": true)"}, ".value", "is not a number, which NUM_EQ needs"},
        {{"NUM_LT", R"(, "value": 18446744073709551616)"}, ".value", "beyond 64 bits"},
        {{"NUM_LT", R"(, "value": -9223372036854775809)"}, ".value", "beyond 64 bits"},
        {{"NUM_LTE", R"(, "value": 1e20)"}, ".value", "beyond 64 bits"},
        {{"NUM_GTE", R"(, "value": 1.8446744073709551616e19)"}, ".value", "beyond 64 bits"},
        {{"DATE_AFTER", R"(, "value": "yesterday")"}, ".value", "\"yesterday\" is no date"},
        {{"DATE_BEFORE", R"(, "value": "2026-02-30T00:00:00Z")"}, ".value", "RFC 3339"},
        {{"DATE_BEFORE", R"(, "value": 1.5)"}, ".value", "is no date"},
        {{"DATE_BEFORE", two_texts}, ".values", "write \"value\""},
        {{"SEMVER_EQ", R"(, "value": "1.2")"}, ".value", "\"1.2\" is no version"},
        {{"SEMVER_GT", R"(, "value": "v1.2.3")"}, ".value", "SemVer 2.0.0"},
        {{"SEMVER_LT", R"(, "value": 1)"}, ".value", "is no version"},
        {{"SEMVER_LTE", R"(, "values": ["1.2.3"])"}, ".values", "write \"value\""},
        {{"REGEX", R"(, "value": 5)"}, ".value", "write the pattern in quotes"},
        {{"REGEX", R"(, "value": ")" + std::string(4097, 'x') + "\""}, ".value", "at most 4096"},
        {{"EXISTS", R"(, "value": true)"}, ".value", "EXISTS only asks"},
        {{"EXISTS", two_texts}, ".values", "EXISTS only asks"},
        {{"IN", R"(, "value": 1, "inverted": 1)"}, ".inverted", "write true or false"},
        {{"IN", R"(, "value": 1, "case_insensitive": "yes")"},
         ".case_insensitive",
         "true or false"},
        {{"IN", R"(, "valeus": [1])"}, ".valeus", "did you mean \"values\"?"},
    };
    for (const auto& [written, place, words] : cases) {
        constrain_a(written.operation, written.rest);
        expect_refused(place, words);
    }
}

TEST_F(ConditionCheckTest, RefusesWhatIsNoConstraintByPlace) {
    const std::vector<std::tuple<std::string, std::string, std::string>> cases = {
        {"7", "", "is not a JSON object"},
        {"null", "", "is not a JSON object"},
        {"{}", ".attribute", "is missing"},
        {"{}", ".operator", "write one of IN, NOT_IN"},
        {R"({"attribute": "", "operator": "EXISTS"})", ".attribute", "is empty"},
        {R"({"attribute": 3, "operator": "EXISTS"})", ".attribute", "is not a text"},
        {R"({"attribute": "a\u0007", "operator": "EXISTS"})", ".attribute", "control"},
        {R"({"attribute": ")" + std::string(257, 'a') + R"(", "operator": "EXISTS"})", ".attribute",
         "257 bytes"},
        {R"({"attribute": "a"})", ".operator", "is missing or not a text"},
        {R"({"attribute": "a", "operator": "NUM_GTEE", "value": 1})", ".operator",
         "did you mean \"NUM_GTE\"?"},
        {R"({"attribute": "a", "operator": "whatever"})", ".operator", "write one of IN"},
        {R"({"segment": 3})", ".segment", "write the name of a segment"},
        {R"({"segment": ""})", ".segment", "is empty"},
        {R"({"segment": ")" + std::string(257, 's') + "\"}", ".segment", "257 bytes"},
        {R"({"segment": "s", "inverted": true})", ".inverted", "cannot stand beside \"segment\""},
        {R"({"segment": "s", "any": []})", ".any", "cannot stand beside \"segment\""},
        {R"({"segmnt": "s"})", ".segmnt", "did you mean \"segment\"?"},
        {R"({"any": {}})", ".any", "is not a JSON array of constraints"},
        {R"({"all": [{"segment": "s"}, 7]})", ".all[1]", "is not a JSON object"},
        {R"({"not": []})", ".not", "is not a JSON object"},
        {R"({"not": {"any": [{"attribute": "a", "operator": "in"}]}})", ".not.any[0].operator",
         "did you mean \"IN\"?"},
    };
    for (const auto& [json, place, words] : cases) {
        constrain(json);
        expect_refused(place, words);
    }
    flag_.row.segments = R"({"audience": {"segment": "s"}})";
    flag_.expect_refused("segments.audience", "is not a JSON array of constraints");
}

TEST_F(ConditionCheckTest, ReadsTrees) {
    constrain(R"({"any": [{"segment": "s"}, {"not": {"all": [{"attribute": "b",
              "operator": "EXISTS", "inverted": true}]}}]})");
    const Condition any = accepted();
    ASSERT_EQ(any.kind, Condition::Kind::kAny);
    ASSERT_EQ(any.children.size(), 2U);
    EXPECT_EQ(any.children[0].kind, Condition::Kind::kSegment);
    EXPECT_EQ(any.children[0].segment, "s");
    ASSERT_EQ(any.children[1].kind, Condition::Kind::kNot);
    ASSERT_EQ(any.children[1].children.size(), 1U);
    const Condition& all = any.children[1].children[0];
    ASSERT_EQ(all.kind, Condition::Kind::kAll);
    EXPECT_TRUE(all.children.at(0).is_inverted);
    flag_.row.segments = R"({"audience": []})";
    EXPECT_TRUE(flag_.accepted().audience.empty());
    constrain(R"({"any": []})");
    flag_.expect_warned("segments.audience[0].any", "never holds");
}

TEST_F(ConditionCheckTest, RefusesTreesOfMoreThanSixteenLevels) {
    const auto nested = [](std::uint32_t levels) {
        std::string json = R"({"segment": "s"})";
        for (std::uint32_t level = 1; level < levels; ++level) {
            json = level % 2 == 0 ? R"({"not": )" + json + "}" : R"({"any": [)" + json + "]}";
        }
        return json;
    };
    constrain(nested(kConditionDepthMax));
    accepted();
    constrain(nested(kConditionDepthMax + 1));
    std::string place;
    for (std::uint32_t level = kConditionDepthMax; level > 0; --level) {
        place += level % 2 == 0 ? ".not" : ".any[0]";
    }
    expect_refused(place, "is nested deeper than 16 levels");
    constrain(nested(400));
    EXPECT_FALSE(flag_.check().flag.has_value());
}

TEST_F(ConditionCheckTest, HoldsItsLimitsAndNamesThem) {
    const auto list = [](std::size_t count) {
        std::string json = R"(, "values": [)";
        for (std::size_t index = 0; index < count; ++index) {
            json += index == 0 ? "\"x\"" : ",\"x\"";
        }
        return json + "]";
    };
    constrain_a("STR_CONTAINS", list(1024));
    EXPECT_EQ(accepted().values.size(), 1024U);
    constrain_a("STR_CONTAINS", list(1025));
    expect_refused(".values", "has more than 1024 values, the most that are possible for STR_");
    constrain_a("IN", list(std::size_t{1} << 20U));
    EXPECT_EQ(accepted().values.size(), std::size_t{1} << 20U);
    constrain_a("IN", list((std::size_t{1} << 20U) + 1));
    expect_refused(".values", "has more than 1048576 values");
    std::string many = "{}";
    for (int copy = 0; copy < 10'000; ++copy) {
        many += ",{}";
    }
    constrain(many);
    const std::vector<FlagProblem> problems = flag_.check().problems;
    ASSERT_EQ(problems.size(), kProblemsShownMax);
    EXPECT_THAT(problems.back().message, ::testing::HasSubstr("correct these first"));
}

TEST_F(ConditionCheckTest, WarnsWhereUnitsWithoutTheAttributeGetIn) {
    const std::string in = R"({"attribute": "a", "operator": "IN", "value": 1)";
    const std::string warning = R"(also holds for units without "a")";
    const std::vector<std::pair<std::string, std::string>> cases = {
        {R"({"attribute": "a", "operator": "NOT_IN", "value": 1})", ""},
        {in + R"(, "inverted": true})", ""},
        {R"({"not": )" + in + "}}", ""},
        {R"({"any": [{"segment": "s"}, {"not": )" + in + "}}]}", ".any[1]"},
        {R"({"all": [)" + in + R"(, "inverted": true}]})", ".all[0]"},
        {R"({"any": [{"attribute": "a", "operator": "NOT_IN", "value": 1},
             {"attribute": "a", "operator": "EXISTS"}]})",
         ".any[0]"},
    };
    for (const auto& [json, place] : cases) {
        constrain(json);
        flag_.expect_warned("segments.audience[0]" + place, warning);
    }
    for (const std::string& json : {
             in + "}",
             std::string(
                 R"({"attribute": "a", "operator": "NOT_IN", "value": 1, "inverted": true})"),
             std::string(R"({"not": {"attribute": "a", "operator": "NOT_IN", "value": 1}})"),
             std::string(R"({"attribute": "a", "operator": "EXISTS", "inverted": true})"),
             std::string(R"({"not": {"attribute": "a", "operator": "EXISTS"}})"),
             R"({"attribute": "a", "operator": "EXISTS"}, )" + in + R"(, "inverted": true})",
         }) {
        constrain(json);
        flag_.expect_silence();
    }
    constrain_a("NUM_EQ", R"(, "value": 1, "case_insensitive": true)");
    flag_.expect_warned("segments.audience[0].case_insensitive", "means nothing to NUM_EQ");
    EXPECT_FALSE(accepted().is_case_insensitive);
    constrain_a("STR_CONTAINS", R"(, "value": "")");
    flag_.expect_warned("segments.audience[0].value", "every text matches");
}

TEST_F(ConditionCheckTest, SurvivesAHundredThousandTexts) {
    constexpr std::uint32_t kSeed = 20260131;
    SCOPED_TRACE("seed " + std::to_string(kSeed));
    std::mt19937 random(kSeed);
    const std::vector<std::string> pieces = {R"("audience")",
                                             R"("rules")",
                                             R"("requires")",
                                             R"("layer")",
                                             R"("value_type")",
                                             "{",
                                             "}",
                                             "[",
                                             "]",
                                             ":",
                                             ",",
                                             R"("attribute")",
                                             R"("operator")",
                                             R"("IN")",
                                             R"("REGEX")",
                                             R"("NUM_GT")",
                                             R"("values")",
                                             R"("value")",
                                             R"("any")",
                                             R"("not")",
                                             R"("all")",
                                             R"("segment")",
                                             R"("serve")",
                                             R"("enabled")",
                                             R"("variant")",
                                             "true",
                                             "null",
                                             "1e400",
                                             "-18446744073709551617",
                                             "0.5",
                                             R"("\u0000")",
                                             R"("\ud800")",
                                             "\xff",
                                             R"("a")",
                                             "\"",
                                             "\\"};
    const std::string good = R"({"audience": [{"attribute": "a", "operator": "IN", "values": [1]},
        {"any": [{"segment": "s"}, {"not": {"attribute": "b", "operator": "EXISTS"}}]}],
        "rules": [{"name": "r", "constraints": [{"attribute": "v", "operator": "SEMVER_GT",
        "value": "1.2.3"}], "serve": {"rollout_percentage": 5}}], "requires": [{"flag": "f",
        "enabled": true}], "layer": {"name": "l"}, "value_type": "string"})";
    flag_.row.segments = good;
    flag_.accepted();
    std::size_t accepted = 0;
    for (int round = 0; round < 100'000; ++round) {
        std::string text = round % 2 == 0 ? good : "";
        for (std::uint32_t change = random() % 4 + 1; change > 0; --change) {
            const std::size_t at = random() % (text.size() + 1);
            switch (random() % 3) {
                case 0:
                    text.erase(at, random() % 16);
                    break;
                case 1:
                    text.insert(at, text.substr(random() % (text.size() + 1), random() % 64));
                    break;
                default:
                    text.insert(at, pieces[random() % pieces.size()]);
                    break;
            }
        }
        flag_.row.segments = text;
        const FlagVerdict verdict = flag_.check();
        ASSERT_TRUE(verdict.flag.has_value() || !verdict.problems.empty()) << text;
        accepted += verdict.flag.has_value() ? 1U : 0U;
    }
    EXPECT_GT(accepted, 0U) << "every text was refused: the method tests little";
}

}  // namespace
}  // namespace burgee::sync
