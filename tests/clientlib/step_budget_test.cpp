// Promise: a question that takes more than kStepCountMax steps ends there, and is answered off.
// Method: flags that the builder takes one by one, because each stays below the bound, and that
// others require.

#include <burgee/evaluate.hpp>
#include <burgee/reason.hpp>

#include "tests/shm/conditions.hpp"
#include "tests/shm/sample_flags.hpp"

namespace burgee::test {
namespace {

class StepBudgetTest : public ::testing::Test {
protected:
    void SetUp() override {
        FlagChanges changes;
        changes.revision = 1;
        changes.is_full = true;
        // 100 x 50 x 50 constraints, all of which hold: nearly all the steps that one question has.
        changes.segments = {{"hundred", 1, std::vector(100, is_in("plan", {"pro"}))},
                            {"thousands", 1, std::vector(50, named_segment("hundred"))},
                            {"most", 1, std::vector(50, named_segment("thousands"))}};
        for (const char* name : {"heavy", "heavy too"}) {
            changes.changed.push_back(flag_of(name, Status::kEnabled));
            changes.changed.back().audience = {named_segment("most")};
        }
        FlagDefinition one = flag_of("requires one", Status::kEnabled);
        one.requirements = {{"heavy", true}};
        FlagDefinition both = flag_of("requires both", Status::kEnabled);
        both.requirements = {{"heavy", true}, {"heavy too", true}};
        FlagDefinition own = flag_of("has an audience of its own", Status::kEnabled);
        own.requirements = {{"heavy", true}};
        own.audience = {named_segment("thousands"), named_segment("thousands")};
        FlagDefinition negated = own;
        negated.name = "has a negated audience";
        negated.audience = {negation_of(named_segment("most"))};
        FlagDefinition last = flag_of("requires more of others", Status::kEnabled);
        last.requirements = {{"heavy", true}, {"heavy too", false}, {"requires one", false}};
        FlagDefinition off = flag_of("requires one to be off", Status::kEnabled);
        off.requirements = {{"heavy", true}, {"heavy too", false}};
        for (const FlagDefinition& flag : {one, both, own, negated, last, off}) {
            changes.changed.push_back(flag);
        }
        SnapshotBuilder builder;
        builder.apply(changes);
        ASSERT_TRUE(builder.problems().empty()) << builder.problems().front().message;
        bytes_ = builder.build({1, 1'000});
        ASSERT_EQ(SnapshotView::open(bytes_.data(), bytes_.size(), view_), ViewError::kNone);
    }
    void expect(std::string_view name, const Context& context, bool is_on, Reason reason) {
        const Answer answer = evaluate(view_, must(view_.find(hash64(name))), context);
        EXPECT_EQ(answer.is_enabled, is_on) << name;
        EXPECT_EQ(answer.reason, reason) << name << ": " << to_string(answer.reason);
    }

    const Context pro_{{"user_id", "u"}, {"plan", "pro"}};
    std::vector<std::byte> bytes_;
    SnapshotView view_;
};

TEST_F(StepBudgetTest, WhatStaysBelowTheBoundIsAnswered) {
    expect("heavy", pro_, true, Reason::kStatic);
    expect("requires one", pro_, true, Reason::kStatic);
    expect("heavy", Context{{"user_id", "u"}}, false, Reason::kOutOfAudience);
}

TEST_F(StepBudgetTest, ARequiredFlagThatCannotBeAskedToTheEndIsOff) {
    expect("requires both", pro_, false, Reason::kPrerequisiteFailed);
    expect("requires one to be off", pro_, false, Reason::kPrerequisiteFailed);
}

TEST_F(StepBudgetTest, AnAudienceThatCannotBeAskedToTheEndDoesNotMatch) {
    expect("has an audience of its own", pro_, false, Reason::kOutOfAudience);
    expect("has a negated audience", pro_, false, Reason::kOutOfAudience);
}

TEST_F(StepBudgetTest, OnceThereAreNoStepsLeftNoOtherFlagIsAsked) {
    expect("requires more of others", pro_, false, Reason::kPrerequisiteFailed);
}

TEST_F(StepBudgetTest, EveryQuestionHasItsOwnSteps) {
    for (int time = 0; time < 3; ++time) {
        expect("requires both", pro_, false, Reason::kPrerequisiteFailed);
        expect("heavy", pro_, true, Reason::kStatic);
    }
}

}  // namespace
}  // namespace burgee::test
