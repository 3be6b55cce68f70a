// Promise: audiences, rules, prerequisites and layers decide as design section 5 says, each in its
// turn; what is missing or of a wrong type is plainly false, and nothing more.
// Method: flags compiled by the real builder and asked through the short, the full and the traced
// way.

#include <burgee/evaluate.hpp>
#include <burgee/reason.hpp>

#include "tests/clientlib/published_directory.hpp"
#include "tests/shm/conditions.hpp"

namespace burgee::test {
namespace {

const Condition kIsPro = constraint_on("plan", Operator::kIn, {"pro"});
const Condition kIsAdult = number_on("age", Operator::kNumGte, std::int64_t{18});

/// Counts what a traced evaluation hands over.
struct CountSteps {
    static constexpr bool kEnabled = true;
    int constraints = 0;
    int missing = 0;
    int mistyped = 0;
    std::vector<DecisionRule> rules;
    void record(const TraceStep& step) { rules.push_back(step.rule); }
    void record(const ConstraintStep& step) {
        ++constraints;
        missing += step.attribute == nullptr && step.segment == nullptr ? 1 : 0;
        mistyped += step.is_mistyped ? 1 : 0;
    }
};

class TargetingTest : public ::testing::Test {
protected:
    void publish(std::vector<FlagDefinition> flags, std::vector<SegmentDefinition> segments = {}) {
        FlagChanges changes;
        changes.revision = 1;
        changes.is_full = true;
        changes.changed = std::move(flags);
        changes.segments = std::move(segments);
        SnapshotBuilder builder;
        builder.apply(changes);
        problems_ = builder.problems();
        bytes_ = builder.build({1, 1'000});
        ASSERT_EQ(SnapshotView::open(bytes_.data(), bytes_.size(), view_), ViewError::kNone);
        ASSERT_EQ(view_.check_bodies(), ViewError::kNone) << describe(view_.check_bodies());
    }

    Answer ask(std::string_view name, const Context& context) {
        const FlagRecord* flag = view_.find(hash64(name));
        if (flag == nullptr) {
            ADD_FAILURE() << name << " is not published";
            return {};
        }
        const Answer answer = evaluate(view_, *flag, context);
        const Answer full = detail::ask_full(view_, *flag, context);
        trace_ = {};
        const Answer traced = evaluate(view_, *flag, context, trace_);
        for (const Answer& other : {full, traced}) {
            EXPECT_EQ(other.is_enabled, answer.is_enabled);
            EXPECT_EQ(other.reason, answer.reason);
            EXPECT_EQ(other.variant, answer.variant);
            EXPECT_EQ(other.in_experiment, answer.in_experiment);
        }
        return answer;
    }

    void expect(std::string_view name, const Context& context, bool is_on, Reason reason) {
        const Answer answer = ask(name, context);
        EXPECT_EQ(answer.is_enabled, is_on) << name;
        EXPECT_EQ(answer.reason, reason) << to_string(answer.reason);
    }

    std::string variant(Answer answer) const {
        return answer.variant == 0 ? ""
                                   : std::string(view_.name(*view_.variant(answer.variant - 1)));
    }

    /// Whether an enabled flag with this audience is on.
    bool holds(Condition condition, const Context& context) {
        FlagDefinition flag = flag_of("f", Status::kEnabled);
        flag.audience = {std::move(condition)};
        publish({flag});
        return ask("f", context).is_enabled;
    }

    SnapshotView view_;
    std::vector<std::byte> bytes_;
    std::vector<FlagProblem> problems_;
    CountSteps trace_;
};

TEST_F(TargetingTest, AudienceMustHoldAsAWhole) {
    FlagDefinition flag = flag_of("f", Status::kEnabled);
    flag.audience = {kIsPro, kIsAdult};
    publish({flag});
    expect("f", {{"plan", "pro"}, {"age", 18}}, true, Reason::kStatic);
    expect("f", {{"plan", "pro"}, {"age", 17}}, false, Reason::kOutOfAudience);
    expect("f", {{"age", 40}}, false, Reason::kOutOfAudience);
    EXPECT_EQ(trace_.missing, 1);
    expect("f", {{"plan", "pro"}, {"age", "40"}}, false, Reason::kOutOfAudience);
    EXPECT_EQ(trace_.mistyped, 1);
}

TEST_F(TargetingTest, MissingAndMistypedAreFalseAndNegationIsPlain) {
    const Context nobody;
    for (const Condition& condition : {kIsPro, kIsAdult, constraint_on("plan", Operator::kExists),
                                       constraint_on("plan", Operator::kStrContains, {"p"}),
                                       constraint_on("plan", Operator::kRegex, {"p"}),
                                       number_on("seen", Operator::kDateAfter, std::int64_t{0}),
                                       constraint_on("app", Operator::kSemverGte, {"1.0.0"})}) {
        EXPECT_FALSE(holds(condition, nobody));
        EXPECT_TRUE(holds(inverse_of(condition), nobody));
        EXPECT_TRUE(holds(negation_of(condition), nobody));
        EXPECT_FALSE(holds(negation_of(inverse_of(condition)), nobody));
    }
    EXPECT_TRUE(holds(constraint_on("plan", Operator::kNotIn, {"pro"}), nobody));
    EXPECT_FALSE(holds(inverse_of(constraint_on("plan", Operator::kNotIn, {"pro"})), nobody));
    EXPECT_TRUE(
        holds(constraint_on("plan", Operator::kNotIn, {"pro", "team"}), {{"plan", "free"}}));
    EXPECT_FALSE(
        holds(constraint_on("plan", Operator::kNotIn, {"pro", "team"}), {{"plan", "team"}}));
}

TEST_F(TargetingTest, AnyAllAndNotNest) {
    const Condition either = group_of(Condition::Kind::kAny, {kIsPro, kIsAdult});
    EXPECT_TRUE(holds(either, {{"age", 18}}));
    EXPECT_TRUE(holds(either, {{"plan", "pro"}}));
    EXPECT_FALSE(holds(either, {{"plan", "free"}, {"age", 1}}));
    EXPECT_FALSE(holds(negation_of(either), {{"age", 18}}));
    EXPECT_TRUE(
        holds(group_of(Condition::Kind::kAll, {negation_of(kIsPro), either}), {{"age", 18}}));
    EXPECT_TRUE(holds(group_of(Condition::Kind::kAll, {}), {}));
    EXPECT_FALSE(holds(group_of(Condition::Kind::kAny, {}), {}));
    EXPECT_TRUE(holds(negation_of(group_of(Condition::Kind::kAny, {})), {}));
}

TEST_F(TargetingTest, TextsOfEachKind) {
    using Op = Operator;
    const Context context{{"s", "Hello World"}, {"n", 42}, {"t", true}, {"d", 1.5}};
    EXPECT_TRUE(holds(constraint_on("n", Op::kIn, {"42"}), context));
    EXPECT_TRUE(holds(constraint_on("n", Op::kIn, {"41", "42"}), context));
    EXPECT_TRUE(holds(constraint_on("t", Op::kIn, {"true"}), context));
    EXPECT_FALSE(holds(constraint_on("d", Op::kIn, {"1.5"}), context));
    EXPECT_TRUE(holds(constraint_on("s", Op::kStrContains, {"nope", "o W"}), context));
    EXPECT_FALSE(holds(inverse_of(constraint_on("s", Op::kStrContains, {"nope", "o W"})), context));
    EXPECT_TRUE(holds(inverse_of(constraint_on("s", Op::kStrContains, {"nope", "no"})), context));
    EXPECT_TRUE(holds(constraint_on("s", Op::kStrStartsWith, {"Hello"}), context));
    EXPECT_FALSE(holds(constraint_on("s", Op::kStrStartsWith, {"hello"}), context));
    EXPECT_TRUE(holds(constraint_on("s", Op::kStrEndsWith, {"World"}), context));
    Condition folded = constraint_on("s", Op::kStrEndsWith, {"world"});
    folded.is_case_insensitive = true;
    EXPECT_TRUE(holds(folded, context));
    folded = constraint_on("s", Op::kIn, {"hello world", "x"});
    folded.is_case_insensitive = true;
    EXPECT_TRUE(holds(folded, context));
    EXPECT_TRUE(holds(constraint_on("s", Op::kRegex, {"^[A-Z]\\w+ W"}), context));
    EXPECT_FALSE(holds(constraint_on("n", Op::kStrContains, {"4"}), context));
}

TEST_F(TargetingTest, OneLargeListServesEveryValue) {
    std::vector<std::string> ids;
    for (int id = 0; id < 100'000; ++id) {
        ids.push_back("user-" + std::to_string(id));
    }
    FlagDefinition flag = flag_of("f", Status::kEnabled);
    flag.audience = {constraint_on("user_id", Operator::kIn, ids)};
    publish({flag});
    for (int id = 0; id < 200'000; id += 7) {
        const std::string text = "user-" + std::to_string(id);
        EXPECT_EQ(ask("f", {{"user_id", text}}).is_enabled, id < 100'000) << text;
    }
    EXPECT_EQ(view_.set_entry_count(), ids.size());  // 8 bytes an id and nothing beside
}

TEST_F(TargetingTest, TheFirstMatchingRuleServes) {
    FlagDefinition flag = flag_of("f", Status::kGradualRollout, 0);
    flag.rules = {{"minors", {inverse_of(kIsAdult)}, false},
                  {"pros", {kIsPro}, true},
                  {"half", {constraint_on("plan", Operator::kExists)}, ServeRollout{50}}};
    publish({flag});
    expect("f", {{"plan", "pro"}}, false, Reason::kRuleMatch);
    expect("f", {{"plan", "pro"}, {"age", 30}}, true, Reason::kRuleMatch);
    expect("f", {{"plan", "free"}, {"age", 30}}, false, Reason::kTargetingKeyMissing);
    expect("f", {{"age", 30}}, false, Reason::kSplit);
    const std::uint64_t rollout = seed(kPurposeRollout, "f");
    for (int unit = 0; unit < 100; ++unit) {
        const bool is_inside = bucket(std::to_string(unit), rollout) < 500'000;
        expect("f", {{"user_id", unit}, {"plan", "free"}, {"age", 30}}, is_inside,
               Reason::kRuleMatch);
    }
}

TEST_F(TargetingTest, ARulesVariantIsByHandAndItsRolloutIsNot) {
    FlagDefinition flag = ab_test_of("f", 0);
    flag.rules = {
        {"staff", {constraint_on("role", Operator::kIn, {"staff"})}, ServeVariant{"treatment"}},
        {"pros", {kIsPro}, true},
        {"rest", {}, ServeRollout{100}}};
    publish({flag});
    const Answer staff = ask("f", {{"role", "staff"}});
    EXPECT_EQ(variant(staff), "treatment");
    EXPECT_TRUE(staff.is_enabled);
    EXPECT_FALSE(staff.in_experiment);
    EXPECT_EQ(staff.reason, Reason::kRuleMatch);
    for (const Context& context :
         {Context{{"user_id", "u"}, {"plan", "pro"}}, Context{{"user_id", "u"}}}) {
        const Answer drawn = ask("f", context);
        EXPECT_TRUE(drawn.in_experiment);
        EXPECT_EQ(drawn.reason, Reason::kRuleMatch);
        EXPECT_NE(variant(drawn), "");
    }
    expect("f", {{"plan", "pro"}}, false, Reason::kTargetingKeyMissing);
}

TEST_F(TargetingTest, IncludeSkipsAudienceAndExcludeBeatsBoth) {
    FlagDefinition flag = flag_of("f", Status::kCanary, 100);
    flag.include = {"friend"};
    flag.exclude = {"foe"};
    flag.audience = {kIsPro};
    publish({flag});
    expect("f", {{"user_id", "friend"}}, true, Reason::kIncluded);
    expect("f", {{"user_id", "foe"}, {"plan", "pro"}}, false, Reason::kExcluded);
    expect("f", {{"user_id", "other"}}, false, Reason::kOutOfAudience);
    expect("f", {{"user_id", "other"}, {"plan", "pro"}}, true, Reason::kSplit);
}

TEST_F(TargetingTest, SegmentsAreAskedByNameAndNest) {
    FlagDefinition flag = flag_of("f", Status::kEnabled);
    flag.audience = {named_segment("paying adults")};
    FlagDefinition other = flag_of("g", Status::kEnabled);
    other.audience = {negation_of(named_segment("paying"))};
    publish({flag, other},
            {{"paying adults", 1, {named_segment("paying"), kIsAdult}},
             {"paying", 1, {constraint_on("plan", Operator::kIn, {"pro", "team"})}}});
    EXPECT_EQ(problems_, std::vector<FlagProblem>{});
    expect("f", {{"plan", "team"}, {"age", 20}}, true, Reason::kStatic);
    EXPECT_EQ(trace_.constraints, 4);  // two questions and the two segments they belong to
    expect("f", {{"plan", "team"}, {"age", 2}}, false, Reason::kOutOfAudience);
    expect("g", {{"plan", "team"}}, false, Reason::kOutOfAudience);
    expect("g", {}, true, Reason::kStatic);
}

TEST_F(TargetingTest, RequirementsLookAtTheSameSnapshot) {
    FlagDefinition base = flag_of("base", Status::kEnabled);
    base.audience = {kIsPro};
    FlagDefinition test = ab_test_of("test", 100);
    test.include = {"u"};
    FlagDefinition needs_on = flag_of("needs_on", Status::kEnabled);
    needs_on.requirements = {{"base", true}};
    FlagDefinition needs_off = flag_of("needs_off", Status::kEnabled);
    needs_off.requirements = {{"base", false}};
    FlagDefinition needs_variant = flag_of("needs_variant", Status::kEnabled);
    needs_variant.requirements = {{"test", std::string("treatment")}};
    FlagDefinition needs_nothing = flag_of("needs_nothing", Status::kEnabled);
    needs_nothing.requirements = {{"gone", false}};
    publish({base, test, needs_on, needs_off, needs_variant, needs_nothing});
    const Context pro{{"plan", "pro"}};
    expect("needs_on", pro, true, Reason::kStatic);
    expect("needs_on", {}, false, Reason::kPrerequisiteFailed);
    expect("needs_off", pro, false, Reason::kPrerequisiteFailed);
    expect("needs_off", {}, true, Reason::kStatic);
    expect("needs_nothing", {}, false, Reason::kPrerequisiteFailed);
    const Context user{{"user_id", "u"}};
    const bool is_treated = variant(ask("test", user)) == "treatment";
    expect("needs_variant", user, is_treated,
           is_treated ? Reason::kStatic : Reason::kPrerequisiteFailed);
    ASSERT_EQ(problems_.size(), 1U);
    EXPECT_EQ(problems_[0].flag, "needs_nothing");
    EXPECT_FALSE(problems_[0].is_refused);
}

TEST_F(TargetingTest, LayersShareUnitsOutWithoutOverlap) {
    std::vector<FlagDefinition> flags;
    for (std::uint16_t number = 0; number < 3; ++number) {
        FlagDefinition flag = flag_of("f" + std::to_string(number), Status::kGradualRollout, 100);
        flag.layer = LayerMembership{"checkout", {}};
        const auto first = static_cast<std::uint16_t>(number * 3000);
        flag.layer->slots = {
            {first, static_cast<std::uint16_t>(first + 1499)},
            {static_cast<std::uint16_t>(first + 1500), static_cast<std::uint16_t>(first + 2999)}};
        flags.push_back(flag);
    }
    FlagDefinition empty = flag_of("empty", Status::kGradualRollout, 100);
    empty.layer = LayerMembership{"checkout", {}};
    flags.push_back(empty);
    publish(flags);
    int total = 0;
    for (int unit = 0; unit < 20'000; ++unit) {
        const Context user{{"user_id", unit}};
        int on = 0;
        for (int number = 0; number < 3; ++number) {
            on += ask("f" + std::to_string(number), user).is_enabled ? 1 : 0;
        }
        EXPECT_LE(on, 1);
        total += on;
    }
    EXPECT_NEAR(total, 18'000, 300);  // 9 000 of 10 000 slots; 7 standard deviations
    expect("empty", {{"user_id", 1}}, false, Reason::kLayer);
    expect("f0", {}, false, Reason::kTargetingKeyMissing);
    const std::uint32_t slot = bucket("1", seed(kPurposeLayer, "checkout")) / 100;
    expect("f0", {{"user_id", 1}}, slot < 3000, slot < 3000 ? Reason::kSplit : Reason::kLayer);
}

TEST_F(TargetingTest, NumbersCompareLosslessly) {
    constexpr std::int64_t kBig = (std::int64_t{1} << 53) + 1;
    const Context context{{"n", kBig}, {"u", UINT64_MAX}, {"d", 0.1}};
    EXPECT_FALSE(holds(number_on("n", Operator::kNumEq, 9007199254740992.0), context));
    EXPECT_TRUE(holds(number_on("n", Operator::kNumGt, 9007199254740992.0), context));
    EXPECT_TRUE(holds(number_on("u", Operator::kNumEq, UINT64_MAX), context));
    EXPECT_TRUE(holds(number_on("u", Operator::kNumLt, 18446744073709551616.0), context));
    EXPECT_TRUE(holds(number_on("d", Operator::kNumLte, 0.1), context));
    EXPECT_FALSE(holds(number_on("d", Operator::kNumLt, 0.1), context));
}

}  // namespace
}  // namespace burgee::test
