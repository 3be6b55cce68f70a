// Promise: an explanation names every constraint that was asked, whose it is, what it wanted and
// what the context had, and marks what was missing, mistyped and inverted; no bytes of a snapshot
// make it crash or run away.
// Method: flags compiled by the real builder, explained in memory, and one spoiled byte at a time.

#include "cli/explanation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <random>

#include <burgee/checksum.hpp>

#include "cli/explanation_view.hpp"
#include "sync/json_check.hpp"
#include "tests/shm/conditions.hpp"
#include "tests/shm/sample_flags.hpp"

namespace burgee::cli {
namespace {

using test::ab_test_of;
using test::flag_of;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class ExplanationTest : public testing::Test {
protected:
    ExplanationTest() {
        changes_.is_full = true;
        changes_.revision = 1;
        changes_.database_unix_ms = test::kNow;
    }

    void publish(FlagDefinition flag) { changes_.changed.push_back(std::move(flag)); }

    void add_segment(const std::string& name, std::vector<Condition> constraints) {
        changes_.segments.push_back({name, 1, std::move(constraints)});
    }

    Explanation explained(const std::string& name, const Context& context) {
        SnapshotBuilder builder;
        builder.apply(changes_);
        EXPECT_EQ(builder.problems(), std::vector<FlagProblem>{});
        bytes_ = builder.build({1, test::kNow});
        SnapshotView view;
        EXPECT_EQ(SnapshotView::open(bytes_.data(), bytes_.size(), view), ViewError::kNone);
        return explain(view, *view.find(hash64(std::string_view(name))), context);
    }

    FlagChanges changes_;
    std::vector<std::byte> bytes_;
};

/// The row of a table that begins with `first`; its cells by two spaces and more.
std::string row_of(const std::string& text, const std::string& first) {
    const std::size_t begin = text.find("\n" + first) + 1;
    return begin == 0 ? "" : text.substr(begin, text.find('\n', begin) - begin);
}

TEST_F(ExplanationTest, TellsEachConstraintToItsAudienceOrRule) {
    FlagDefinition flag = flag_of("search", Status::kGradualRollout, 50);
    flag.audience = {test::constraint_on("plan", Operator::kIn, {"pro", "team", "free"})};
    flag.rules = {
        {"staff", {test::constraint_on("email", Operator::kStrEndsWith, {"@x.org"})}, true},
        {"", {test::number_on("age", Operator::kNumGte, std::int64_t{18})}, false},
        {"old app",
         {test::constraint_on("app", Operator::kSemverLt, {"2.0.0"})},
         ServeRollout{12.5}}};
    publish(flag);
    const Context context{{"user_id", "u1"}, {"plan", "pro"}, {"age", 17}, {"app", "1.9.0"}};
    const Explanation found = explained("search", context);

    ASSERT_EQ(found.questions.size(), 4U);
    EXPECT_EQ(found.question_count, 4U);
    EXPECT_FALSE(found.questions[0].rule);
    EXPECT_EQ(found.questions[0].constant_kind, ConstantKind::kSet);
    EXPECT_EQ(found.questions[0].constant, "3");
    EXPECT_TRUE(found.questions[0].holds);
    EXPECT_EQ(found.questions[1].rule, 0U);
    EXPECT_EQ(found.questions[1].attribute, "email");
    EXPECT_TRUE(found.questions[1].is_missing);
    EXPECT_FALSE(found.questions[1].holds);
    EXPECT_EQ(found.questions[2].rule, 1U);
    EXPECT_EQ(found.questions[2].operator_name, "NUM_GTE");
    EXPECT_EQ(found.questions[2].constant, "18");
    EXPECT_EQ(found.questions[2].value, "17");
    EXPECT_EQ(found.questions[3].rule, 2U);
    EXPECT_TRUE(found.questions[3].holds);

    const std::string text = explanation_text(found);
    EXPECT_THAT(text, ContainsRegex("\naudience +plan +IN +one of 3 values +\"pro\" +yes\n"));
    EXPECT_THAT(row_of(text, "rules[0] \"staff\""), ContainsRegex("\"@x.org\" +missing +no$"));
    EXPECT_THAT(row_of(text, "rules[1]"), ContainsRegex("age +NUM_GTE +18 +17 +no$"));
    EXPECT_THAT(text, HasSubstr("rules[2] \"old app\" matches and serves 12.5%"));
}

TEST_F(ExplanationTest, MarksWhatHasAWrongTypeAndWhatIsInverted) {
    FlagDefinition flag = flag_of("marks", Status::kGradualRollout, 50);
    Condition inverted = test::constraint_on("city", Operator::kStrContains, {"burg"});
    inverted.is_inverted = true;
    inverted.is_case_insensitive = true;
    Condition date = test::constraint_on("since", Operator::kDateAfter);
    date.number = std::int64_t{1'700'000'000'123};
    flag.audience = {inverted, test::constraint_on("country", Operator::kNotIn, {"nl"}),
                     test::number_on("age", Operator::kNumLt, 0.5)};
    flag.rules = {{"", {date}, true}};
    publish(flag);
    const Context context{{"user_id", "u1"}, {"country", "de"}, {"age", 0}, {"since", true}};
    const Explanation found = explained("marks", context);

    ASSERT_EQ(found.questions.size(), 4U);
    EXPECT_TRUE(found.questions[0].is_inverted);
    EXPECT_TRUE(found.questions[0].is_missing);
    EXPECT_TRUE(found.questions[0].holds) << "inverted, so it holds for who has no city";
    EXPECT_EQ(found.questions[1].operator_name, "NOT_IN");
    EXPECT_FALSE(found.questions[1].is_inverted) << "nobody wrote inverted";
    EXPECT_EQ(found.questions[2].constant, "0.5");
    EXPECT_TRUE(found.questions[3].is_mistyped);
    EXPECT_FALSE(found.questions[3].holds);
    const std::string text = explanation_text(found);
    EXPECT_THAT(text, HasSubstr("not STR_CONTAINS  \"burg\" in any case"));
    EXPECT_THAT(text, HasSubstr("2023-11-14T22:13:20.123Z  true (wrong type)  no"));
    EXPECT_THAT(text, HasSubstr("rules       none of 1 matches\n"));
    const std::string json = explanation_json(found);
    EXPECT_THAT(json, HasSubstr("\"is_mistyped\": true"));
    EXPECT_EQ(sync::json_complaint(json, sync::JsonShape::kObject), std::nullopt);
}

TEST_F(ExplanationTest, ShowsWhatASegmentAskedBelowIt) {
    add_segment("staff", {test::constraint_on("email", Operator::kStrEndsWith, {"@x.org"})});
    add_segment("beta",
                {test::named_segment("staff"), test::constraint_on("opted", Operator::kExists)});
    FlagDefinition flag = flag_of("search", Status::kEnabled);
    flag.rules = {{"beta",
                   {test::named_segment("beta"), test::constraint_on("plan", Operator::kExists)},
                   true}};
    publish(flag);
    const Context context{{"user_id", "u1"}, {"email", "a@x.org"}, {"opted", true}};
    const Explanation found = explained("search", context);

    ASSERT_EQ(found.questions.size(), 5U);
    EXPECT_EQ(found.questions[0].constant, "beta");
    EXPECT_TRUE(found.questions[0].is_segment);
    EXPECT_EQ(found.questions[1].constant, "staff");
    EXPECT_EQ(found.questions[1].depth, 1U);
    EXPECT_EQ(found.questions[2].attribute, "email");
    EXPECT_EQ(found.questions[2].depth, 2U);
    EXPECT_EQ(found.questions[2].rule, 0U);
    EXPECT_EQ(found.questions[3].attribute, "opted");
    EXPECT_EQ(found.questions[3].depth, 1U);
    EXPECT_EQ(found.questions[4].attribute, "plan");
    EXPECT_EQ(found.questions[4].depth, 0U);
    const std::string text = explanation_text(found);
    EXPECT_THAT(row_of(text, "rules[0] \"beta\"  -"), HasSubstr("SEGMENT        \"beta\""));
    EXPECT_THAT(row_of(text, "  beta           -"), HasSubstr("SEGMENT        \"staff\""));
    EXPECT_THAT(row_of(text, "    staff"), HasSubstr("email"));
}

TEST_F(ExplanationTest, SaysWhatARequiredFlagAnsweredAndThatOneIsMissing) {
    publish(flag_of("model", Status::kDisabled));
    FlagDefinition flag = flag_of("search", Status::kEnabled);
    flag.requirements = {{"model", false}, {"gone", true}};
    publish(flag);
    SnapshotBuilder builder;
    builder.apply(changes_);
    bytes_ = builder.build({1, test::kNow});  // "gone" is a warning of the builder, no refusal
    SnapshotView view;
    ASSERT_EQ(SnapshotView::open(bytes_.data(), bytes_.size(), view), ViewError::kNone);
    const Explanation found =
        explain(view, *view.find(hash64(std::string_view("search"))), Context{});
    const std::string text = explanation_text(found);
    EXPECT_THAT(text, HasSubstr("\"model\" answers off (DISABLED), wanted off"));
    EXPECT_THAT(text, HasSubstr("\"gone\" is not published, wanted on"));
    EXPECT_THAT(explanation_json(found), HasSubstr("\"is_missing\": true"));
}

TEST_F(ExplanationTest, ShowsTheAnswerOfARequiredFlagThatWasUsed) {
    FlagDefinition coin = flag_of("coin", Status::kGradualRollout, 50);
    coin.strategy = Strategy::kRandom;
    publish(coin);
    FlagDefinition flag = flag_of("search", Status::kEnabled);
    flag.requirements = {{"coin", true}};
    publish(flag);
    int on = 0;
    for (int question = 0; question < 64; ++question) {  // a second toss agrees once in 2^64
        const Explanation found = explained("search", Context{{"user_id", "u1"}});
        const auto step = std::ranges::find(found.steps, DecisionRule::kRequires,
                                            [](const auto& each) { return each.numbers.rule; });
        ASSERT_NE(step, found.steps.end());
        EXPECT_EQ(step->requirement.answered,
                  found.answer.is_enabled ? "on (SPLIT)" : "off (SPLIT)");
        EXPECT_EQ(step->numbers.is_met, found.answer.is_enabled);
        on += found.answer.is_enabled ? 1 : 0;
    }
    EXPECT_GT(on, 0);
    EXPECT_LT(on, 64);
}

TEST_F(ExplanationTest, SaysThatNoStepsWereLeftForARequiredFlag) {
    std::vector<Condition> many(500, test::constraint_on("a", Operator::kExists));
    add_segment("leaf", many);
    add_segment("heavy", std::vector<Condition>(400, test::named_segment("leaf")));
    for (const char* name : {"one", "two"}) {
        FlagDefinition heavy = flag_of(name, Status::kEnabled);
        heavy.audience = {test::named_segment("heavy")};
        publish(heavy);
    }
    FlagDefinition flag = flag_of("search", Status::kEnabled);
    flag.requirements = {{"one", true}, {"two", true}};
    publish(flag);
    const Explanation found = explained("search", Context{{"user_id", "u1"}, {"a", 1}});
    EXPECT_FALSE(found.answer.is_enabled);
    const std::string text = explanation_text(found);
    EXPECT_THAT(text, HasSubstr("\"one\" answers on (STATIC), wanted on"));
    EXPECT_THAT(text, HasSubstr("\"two\" answers nothing (this question had no steps left"));
}

TEST_F(ExplanationTest, ShowsTheSlotAndTheSlotsOfTheFlag) {
    FlagDefinition flag = flag_of("search", Status::kGradualRollout, 100);
    flag.layer = LayerMembership{"checkout", {{0, 0}, {100, 199}}};
    publish(flag);
    const Explanation found = explained("search", Context{{"user_id", "u1"}});
    const std::string text = explanation_text(found);
    EXPECT_THAT(
        text, ContainsRegex("slot [0-9]+ of layer \"checkout\" is (not )?the flag's: 0, 100-199"));
    EXPECT_THAT(explanation_json(found), HasSubstr("\"first\": 100"));
}

TEST_F(ExplanationTest, SaysInWhichExperimentTheUnitTakesPart) {
    FlagDefinition flag = ab_test_of("models", 100);
    flag.include = {"vip"};
    publish(flag);
    changes_.experiments = {test::experiment_of("trial", "models", 0)};
    EXPECT_EQ(experiment_text(explained("models", Context{{"user_id", "u1"}})),
              "\"trial\", phase 1: the unit takes part");
    const Explanation by_hand = explained("models", Context{{"user_id", "vip"}});
    EXPECT_EQ(experiment_text(by_hand),
              "\"trial\", phase 1: the unit got its variant by hand and does not count");
    EXPECT_THAT(explanation_text(by_hand), HasSubstr("the unit is listed"));
    EXPECT_EQ(experiment_text(explained("models", Context{})),
              "\"trial\", phase 1: the unit takes no part");
}

TEST_F(ExplanationTest, ShowsNoControlCharacters) {
    FlagDefinition flag = flag_of("search", Status::kEnabled);
    flag.rules = {{"a\x1b[2Jb", {test::constraint_on("plan\n", Operator::kIn, {"x\x1b"})}, true}};
    publish(flag);
    const Context context{{"plan\n", "\x1b[1m"}};
    const std::string text = explanation_text(explained("search", context));
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST_F(ExplanationTest, StaysReadableForTwentyRules) {
    FlagDefinition flag = flag_of("search", Status::kEnabled);
    for (int number = 0; number < 20; ++number) {
        flag.rules.push_back(
            {"rule " + std::to_string(number),
             {test::constraint_on("city", Operator::kIn, {"c" + std::to_string(number)}),
              test::constraint_on("plan", Operator::kExists)},
             true});
    }
    publish(flag);
    const Context context{{"user_id", "u1"}, {"city", "c19"}, {"plan", "pro"}};
    const std::string text = explanation_text(explained("search", context));
    EXPECT_LT(std::ranges::count(text, '\n'), 40);
    for (std::size_t begin = 0; begin < text.size(); begin = text.find('\n', begin) + 1) {
        EXPECT_LE(text.find('\n', begin) - begin, 100U) << text;
    }
}

/// Segments that ask each other a million questions, as only hostile bytes do.
TEST_F(ExplanationTest, KeepsABoundedNumberOfQuestions) {
    std::vector<Condition> many;
    for (int number = 0; number < 30'000; ++number) {
        many.push_back(test::constraint_on("plan", Operator::kExists));
    }
    add_segment("many", many);
    add_segment("twice", {test::named_segment("many"), test::named_segment("many"),
                          test::named_segment("many")});
    FlagDefinition flag = flag_of("search", Status::kEnabled);
    flag.audience = {test::named_segment("twice"), test::named_segment("twice")};
    publish(flag);
    const Explanation found = explained("search", Context{{"plan", "pro"}});
    EXPECT_EQ(found.question_count, 180'008U);
    EXPECT_LE(found.questions.size(), kQuestionsKeptMax + kSegmentDepthMax);
    EXPECT_EQ(found.questions.front().constant, "twice");
    EXPECT_EQ(found.questions.front().depth, 0U);
    EXPECT_THAT(explanation_text(found), HasSubstr(" more questions were asked\n"));
}

TEST_F(ExplanationTest, SurvivesEverySpoiledByte) {
    add_segment("staff", {test::constraint_on("email", Operator::kStrEndsWith, {"@x.org"})});
    FlagDefinition flag = ab_test_of("models", 50);
    flag.audience = {test::named_segment("staff"),
                     test::constraint_on("plan", Operator::kIn, {"a", "b", "c"})};
    flag.rules = {{"r", {test::number_on("age", Operator::kNumGte, 1.5)}, ServeVariant{"control"}}};
    flag.layer = LayerMembership{"checkout", {{0, 9999}}};
    publish(flag);
    publish(flag_of("base", Status::kEnabled));
    changes_.changed.front().requirements = {{"base", true}};
    const Context context{{"user_id", "u1"}, {"email", "a@x.org"}, {"plan", "b"}, {"age", 2}};
    (void)explained("models", context);
    std::size_t explained_count = 0;
    for (std::size_t index = 0; index < bytes_.size(); ++index) {
        for (const unsigned mask : {0xFFU, 0x01U, 0x80U}) {
            std::vector<std::byte> spoiled = bytes_;
            spoiled[index] ^= static_cast<std::byte>(mask);
            SnapshotView view;
            if (SnapshotView::open(spoiled.data(), spoiled.size(), view) != ViewError::kNone) {
                continue;
            }
            for (std::uint64_t number = 0; number < view.flag_count() && number < 2; ++number) {
                const Explanation found = explain(view, *view.flag(number), context);
                EXPECT_NE(explanation_text(found), "");
                EXPECT_EQ(sync::json_complaint(explanation_json(found), sync::JsonShape::kObject),
                          std::nullopt)
                    << "byte " << index;
                ++explained_count;
            }
        }
    }
    EXPECT_GT(explained_count, bytes_.size());
}

}  // namespace
}  // namespace burgee::cli
