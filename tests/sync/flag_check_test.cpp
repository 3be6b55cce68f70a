// Promise: every bad row is refused by flag, field and remedy; every good row means exactly what
// the documentation says; no text whatever stops the checker. Method: one good row, spoiled in one
// place at a time; then random texts, seed printed.
#include "sync/flag_check.hpp"

#include <algorithm>
#include <cmath>
#include <random>

namespace burgee::sync {
namespace {

using ::testing::HasSubstr;

class FlagCheckTest : public ::testing::Test {
protected:
    RawFlag row_ = [] {
        RawFlag row;
        row.name = "search.enhanced";
        row.status = "gradual_rollout";
        row.rollout_percentage = "25";
        row.segments = R"({"bucketing": "xxh3"})";
        row.variants = "[]";
        row.metadata = "{}";
        return row;
    }();
    FlagSettings settings_;

    FlagVerdict check() const { return check_flag(row_, settings_); }

    /// The flag of a row that must be good.
    FlagDefinition accepted() const {
        FlagVerdict verdict = check();
        EXPECT_TRUE(verdict.flag.has_value()) << to_line(verdict.problems);
        return verdict.flag.value_or(FlagDefinition{});
    }

    void expect_refused(const std::string& field, const std::string& words) const {
        const FlagVerdict verdict = check();
        EXPECT_FALSE(verdict.flag.has_value()) << field;
        const bool is_named = std::any_of(
            verdict.problems.begin(), verdict.problems.end(), [&](const FlagProblem& problem) {
                return problem.is_refused && problem.field == field &&
                       problem.message.find(words) != std::string::npos;
            });
        EXPECT_TRUE(is_named) << "wanted " << field << ": " << words << "\ngot "
                              << to_line(verdict.problems);
    }

    void expect_warned(const std::string& field) const {
        const FlagVerdict verdict = check();
        EXPECT_TRUE(verdict.flag.has_value()) << to_line(verdict.problems);
        const bool is_named = std::any_of(verdict.problems.begin(), verdict.problems.end(),
                                          [&](const FlagProblem& problem) {
                                              return !problem.is_refused && problem.field == field;
                                          });
        EXPECT_TRUE(is_named) << "wanted " << field << "\ngot " << to_line(verdict.problems);
    }

    void make_ab_test(const std::string& variants) {
        row_.status = "ab_test";
        row_.rollout_percentage = "100";
        row_.variants = variants;
    }
};

TEST_F(FlagCheckTest, TakesAGoodRowWithoutAWord) {
    const FlagVerdict verdict = check();
    ASSERT_TRUE(verdict.flag.has_value());
    EXPECT_TRUE(verdict.problems.empty()) << to_line(verdict.problems);
    const FlagDefinition flag = *verdict.flag;
    EXPECT_EQ(flag.name, "search.enhanced");
    EXPECT_EQ(flag.status, Status::kGradualRollout);
    EXPECT_EQ(flag.rollout_percentage, 25);
    EXPECT_EQ(flag.salt, "search.enhanced");
    EXPECT_EQ(flag.bucketing, Bucketing::kXxh3);
    EXPECT_EQ(flag.strategy, Strategy::kHash);
}

TEST_F(FlagCheckTest, NamesEveryColumnThatIsNull) {
    const auto with_null = [this](auto member) {
        RawFlag spoiled = row_;
        (spoiled.*member).reset();
        return check_flag(spoiled, settings_);
    };
    const auto field_of = [](const FlagVerdict& verdict) {
        return verdict.problems.size() == 1 ? verdict.problems.front().field : "";
    };
    EXPECT_EQ(field_of(with_null(&RawFlag::name)), "name");
    EXPECT_EQ(field_of(with_null(&RawFlag::status)), "status");
    EXPECT_EQ(field_of(with_null(&RawFlag::rollout_percentage)), "rollout_percentage");
    EXPECT_EQ(field_of(with_null(&RawFlag::segments)), "segments");
    EXPECT_EQ(field_of(with_null(&RawFlag::variants)), "variants");
    EXPECT_EQ(field_of(with_null(&RawFlag::metadata)), "metadata");
    EXPECT_FALSE(with_null(&RawFlag::name).flag.has_value());
    EXPECT_FALSE(with_null(&RawFlag::rollout_percentage).flag.has_value());
    EXPECT_TRUE(with_null(&RawFlag::segments).flag.has_value());
    row_.has_created_at = false;
    expect_warned("created_at");
}

TEST_F(FlagCheckTest, RefusesNamesNobodyCanTellApart) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"", "empty"},
        {std::string(257, 'a'), "257 bytes"},
        {"a\xff", "not UTF-8 at byte 1"},
        {"a\xed\xa0\x80", "not UTF-8"},     // a surrogate
        {"\xc0\x80", "not UTF-8"},          // an overlong zero
        {"\xf4\x90\x80\x80", "not UTF-8"},  // above U+10FFFF
        {"cut\xe2\x82", "not UTF-8"},
        {std::string("a\0b", 3), "control"},
        {"a\nb", "control"},
        {"a\x7f", "control"},
        {"a\xc2\x85", "control"},  // C1
        {"a\xe2\x80\xae"
         "b",
         "direction"},  // right-to-left override
    };
    for (const auto& [name, words] : cases) {
        row_.name = name;
        expect_refused("name", words);
        for (const FlagProblem& problem : check().problems) {
            EXPECT_EQ(problem.flag.find('\n'), std::string::npos);
            EXPECT_LE(problem.flag.size(), 90U);
        }
    }
    for (const std::string& name :
         {std::string(256, 'a'), std::string("Größe.日本"), std::string("'; DROP TABLE x")}) {
        row_.name = name;
        EXPECT_EQ(accepted().name, name);
    }
}

TEST_F(FlagCheckTest, RefusesStatusAndRolloutOutOfRange) {
    for (const char* rollout :
         {"-1", "-0.0001", "100.0001", "NaN", "Infinity", "-Infinity", "", "12abc"}) {
        row_.rollout_percentage = rollout;
        expect_refused("rollout_percentage", "0 to 100");
    }
    row_.rollout_percentage = "1e-05";
    EXPECT_EQ(accepted().rollout_percentage, 1e-05);
    row_.rollout_percentage = "-0";
    EXPECT_FALSE(std::signbit(accepted().rollout_percentage));
    row_.status = "Enabled";
    expect_refused("status", "\"Enabled\" is not known");
    row_.status = "canary";
    row_.rollout_percentage = "6";
    expect_warned("rollout_percentage");
}

TEST_F(FlagCheckTest, RefusesSegmentsItCannotHonour) {
    const std::vector<std::tuple<std::string, std::string, std::string>> cases = {
        {"{", "segments", "JSON"},
        {"[]", "segments", "not a JSON object"},
        {"null", "segments", "not a JSON object"},
        {R"({"salty": 1})", "segments.salty", "not known"},
        {R"({"type": "geographic"})", "segments.type", "hash_based"},
        {R"({"type": 3})", "segments.type", "not a text"},
        {R"({"bucketing": "md5"})", "segments.bucketing", "xxh3"},
        {R"({"salt": ""})", "segments.salt", "text"},
        {R"({"include": "u1"})", "segments.include", "array"},
        {R"({"exclude": ["a", true]})", "segments.exclude[1]", "text"},
        {R"({"bucket_by": ["a","b","c","d","e","f","g","h","i"]})", "segments.bucket_by",
         "more than 8"},
        {R"({"audiense": []})", "segments.audiense", "did you mean \"audience\"?"},
        {R"({"a": 1e999})", "segments", "JSON"},
    };
    for (const auto& [segments, field, words] : cases) {
        row_.segments = segments;
        expect_refused(field, words);
    }
}

TEST_F(FlagCheckTest, ReadsSegments) {
    row_.segments =
        R"({"type": "random", "bucketing": "xxh3", "salt": "s", "bucket_by": ["account"],
                        "include": ["a", 42], "exclude": ["b"], "rules": [], "audience": null})";
    const FlagDefinition flag = accepted();
    EXPECT_EQ(flag.strategy, Strategy::kRandom);
    EXPECT_EQ(flag.salt, "s");
    EXPECT_EQ(flag.bucket_by, std::vector<std::string>{"account"});
    EXPECT_EQ(flag.include, (std::vector<std::string>{"a", "42"}));
    EXPECT_EQ(flag.exclude, std::vector<std::string>{"b"});
}

TEST_F(FlagCheckTest, LegacyBySettingReadsOnlyTheType) {
    settings_.default_bucketing = Bucketing::kLegacyMd5;
    row_.segments = R"({"type": "geographic", "salt": "mine", "include": ["a"], "rules": [{}]})";
    const FlagDefinition flag = accepted();
    EXPECT_EQ(flag.bucketing, Bucketing::kLegacyMd5);
    EXPECT_EQ(flag.salt, "rag-cms-features");
    EXPECT_TRUE(flag.include.empty());
    expect_warned("segments.rules");
    expect_warned("segments.type");
}

TEST_F(FlagCheckTest, ExplicitLegacyReadsEveryKeyAndIgnoresUnknownOnes) {
    row_.segments = R"({"bucketing": "legacy_md5", "include": ["a"], "whatever": 1})";
    EXPECT_EQ(accepted().include, std::vector<std::string>{"a"});
    EXPECT_EQ(accepted().salt, "rag-cms-features");
    expect_warned("segments.whatever");
    row_.segments = R"({"bucketing": "legacy_md5", "salt": "mine"})";
    EXPECT_EQ(accepted().salt, "mine");
    row_.segments = R"({"bucketing": "legacy_md5", "rules": [{}]})";
    expect_refused("segments.rules[0].serve", "is missing");
}

TEST_F(FlagCheckTest, RefusesVariantsOfAnAbTestByPlace) {
    const std::vector<std::tuple<std::string, std::string, std::string>> cases = {
        {"{}", "variants", "not a JSON array"},
        {"[", "variants", "JSON"},
        {"[]", "variants", "two variants"},
        {R"([{"name": "a", "weight": 100}])", "variants", "two variants"},
        {R"([{"name": "a", "weight": 100}, {"name": "b", "weight": 0}])", "variants",
         "two variants"},
        {R"([{"name": "a", "weight": 50}, 7])", "variants[1]", "not a JSON object"},
        {R"([{"name": "a", "weight": 50}, {"weight": 50}])", "variants[1].name", "missing"},
        {R"([{"name": "a", "weight": 50}, {"name": "", "weight": 50}])", "variants[1].name",
         "empty"},
        {R"([{"name": "a", "weight": 50}, {"name": "a", "weight": 50}])", "variants[1].name",
         "twice"},
        {R"([{"name": "a", "weight": 50}, {"name": "b"}])", "variants[1].weight", "missing"},
        {R"([{"name": "a", "weight": 50}, {"name": "b", "weight": "50"}])", "variants[1].weight",
         "not a number"},
        {R"([{"name": "a", "weight": -1}, {"name": "b", "weight": 101}])", "variants[0].weight",
         "0 to 100"},
        {R"([{"name": "a", "weight": 50}, {"name": "b", "weight": 49.98}])", "variants",
         "sum to 99.98"},
        {R"([{"name": "a", "weight": 1e999}])", "variants", "JSON"},
        {R"([{"name": "a", "weight": 50, "config_overrides": []}, {"name": "b", "weight": 50}])",
         "variants[0].config_overrides", "not a JSON object"},
    };
    for (const auto& [variants, field, words] : cases) {
        make_ab_test(variants);
        expect_refused(field, words);
    }
    std::string many = "[";
    for (int count = 0; count < 65; ++count) {
        many += (count == 0 ? "" : ",") + std::string(R"({"name":"v)") + std::to_string(count) +
                R"(","weight":1})";
    }
    make_ab_test(many + "]");
    expect_refused("variants", "at most 64");
}

TEST_F(FlagCheckTest, WeightsMayBeThirdsAndLegacyMayNotSum) {
    make_ab_test(
        R"([{"name":"a","weight":33.33},{"name":"b","weight":33.33},{"name":"c","weight":33.33}])");
    EXPECT_EQ(accepted().variants.size(), 3U);
    make_ab_test(R"([{"name":"a","weight":33},{"name":"b","weight":33}])");
    row_.segments = R"({"bucketing": "legacy_md5"})";
    EXPECT_EQ(accepted().variants.size(), 2U);
}

TEST_F(FlagCheckTest, BadVariantsOfOtherStatusesOnlyWarn) {
    row_.variants = R"([{"name": "a", "weight": -5}])";
    expect_warned("variants[0].weight");
    EXPECT_TRUE(accepted().variants.empty());
}

TEST_F(FlagCheckTest, FlattensConfigurationAndKeepsItsText) {
    const std::string config =
        R"({"a": {"b": 1, "c": null, "d": [1, 2]}, "a.b": 2, "big": 18446744073709551615, "f": 2.50, )"
        R"("model": "gpt-4", "on": true, "whole": 3.0, "huge": 9223372036854775807})";
    make_ab_test(R"([{"name": "control", "weight": 50, "metadata": {"x": [}]}]})");
    make_ab_test(R"([{"name": "control", "weight": 50}, {"config_overrides": )" + config +
                 R"(, "name": "treatment", "weight": 50, "metadata": {"note": "}"}}])");
    const std::vector<VariantDefinition> variants = accepted().variants;
    ASSERT_EQ(variants.size(), 2U);
    EXPECT_EQ(variants.front().config_json, "{}");
    EXPECT_EQ(variants.back().config_json, config);
    const auto value_of = [&](const std::string& path) {
        for (const ConfigScalar& field : variants.back().config) {
            if (field.path == path) {
                return field.value;
            }
        }
        return decltype(ConfigScalar::value){};
    };
    using Value = decltype(ConfigScalar::value);
    EXPECT_EQ(value_of("a.b"), Value(std::int64_t{2})) << "a literal key wins over a path";
    EXPECT_EQ(value_of("model"), Value(std::string("gpt-4")));
    EXPECT_EQ(value_of("on"), Value(true));
    EXPECT_EQ(value_of("f"), Value(2.5));
    EXPECT_EQ(value_of("whole"), Value(std::int64_t{3}));
    EXPECT_EQ(value_of("huge"), Value(std::int64_t{9223372036854775807}));
    EXPECT_EQ(value_of("big"), Value(18446744073709551615.0));
    EXPECT_EQ(variants.back().config.size(), 7U) << "null and arrays have no field";
    std::string deep = "1";
    for (int depth = 0; depth < 40; ++depth) {
        deep = R"({"k": )" + deep + "}";
    }
    make_ab_test(R"([{"name":"a","weight":50,"config_overrides":)" + deep +
                 R"(},{"name":"b","weight":50}])");
    expect_refused("variants[0].config_overrides", "deeper");
}

TEST_F(FlagCheckTest, ADisabledFlagIsRefusedForNothingButItsName) {
    row_.status = "disabled";
    row_.segments = R"({"rules": [{}], "nonsense": 1})";
    row_.variants = "garbage";
    row_.rollout_percentage = "NaN";
    const FlagVerdict verdict = check();
    ASSERT_TRUE(verdict.flag.has_value()) << to_line(verdict.problems);
    EXPECT_EQ(verdict.flag->status, Status::kDisabled);
    EXPECT_GE(verdict.problems.size(), 3U);
    row_.name = "";
    EXPECT_FALSE(check().flag.has_value());
}

TEST_F(FlagCheckTest, CanariesStayOffWhereTheSettingSaysSo) {
    row_.status = "canary";
    row_.rollout_percentage = "3";
    EXPECT_EQ(accepted().status, Status::kCanary);
    settings_.is_canary_off = true;
    EXPECT_EQ(accepted().status, Status::kDisabled);
}

TEST_F(FlagCheckTest, SurvivesAnyText) {
    const std::uint32_t seed = std::random_device()();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const std::string good =
        R"([{"name": "a", "weight": 50, "config_overrides": {"k": {"l": -1.5e3}}}, )"
        R"({"name": "b", "weight": 50, "config_overrides": {"m": ["x", null]}}])";
    const std::string good_segments =
        R"({"type": "hash_based", "include": ["a", "b"], "salt": "s\u00e9"})";
    make_ab_test(good);
    const auto spoil = [&](std::string text) {
        for (std::uint32_t change = random() % 4 + 1; change > 0 && !text.empty(); --change) {
            const std::size_t at = random() % text.size();
            switch (random() % 3) {
                case 0:
                    text[at] = static_cast<char>(random());
                    break;
                case 1:
                    text.erase(at, random() % 8);
                    break;
                default:
                    text.insert(at, text.substr(random() % text.size(), random() % 16));
                    break;
            }
        }
        return text;
    };
    for (int round = 0; round < 20'000; ++round) {
        row_.variants = spoil(good);
        row_.segments = spoil(good_segments);
        row_.name = spoil("flag.name");
        row_.rollout_percentage = spoil("12.5");
        const FlagVerdict verdict = check();
        ASSERT_TRUE(verdict.flag.has_value() || !verdict.problems.empty()) << *row_.variants;
    }
}

}  // namespace
}  // namespace burgee::sync
