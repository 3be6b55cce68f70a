// Promise: a flag whose audience, rules, requirements or segments cannot be stored keeps its last
// valid form and names the place; nobody else notices; and what was missing is tried again by
// itself. Method: apply changes as sync would, build, and read the snapshot and the problems.

#include <burgee/regex_match.hpp>

#include "tests/shm/conditions.hpp"
#include "tests/shm/targeting_builder_fixture.hpp"

namespace burgee::test {
namespace {

TEST_F(TargetingBuilderTest, NamesThePlaceOfABadPatternAndKeepsTheLastForm) {
    FlagDefinition good = flag("f", 1);
    good.rules = {{"", {is_in("plan", {"pro"})}, true}};
    change({good, flag("g")});
    FlagDefinition bad = flag("f", 2);
    Condition any;
    any.kind = Condition::Kind::kAny;
    any.children = {is_in("plan", {"pro"}), matches("mail", "(")};
    bad.rules = {{"", {is_in("plan", {"pro"})}, true}, {"", {any}, true}};
    change({bad});
    EXPECT_EQ(published("f"), 1U);
    EXPECT_EQ(published("g"), 1U);
    expect_problem("f", "segments.rules[1].constraints[0].any[1].value", "at offset");
}

TEST_F(TargetingBuilderTest, EndsWithALongChainOfSegmentsWhoseLastIsMissing) {
    std::vector<SegmentDefinition> segments;
    for (std::uint32_t number = 0; number < kSegmentCountMax; ++number) {
        // Ascending names one way, descending the other: whatever order they are looked at in.
        const std::uint32_t next = number % 2 == 0 ? number + 2 : number - 2;
        segments.push_back({std::to_string(number), 1, {named_segment(std::to_string(next))}});
    }
    change({}, std::move(segments));
    EXPECT_EQ(view_.segment_count(), 0U);
    EXPECT_EQ(builder_.problems().size(), kSegmentCountMax);
}

TEST_F(TargetingBuilderTest, AWaitingFlagIsTriedAgainWhenItsSegmentComesBackBad) {
    FlagDefinition holder = flag("holder");
    holder.audience = {named_segment("s")};
    change({holder}, {{"s", 1, {}}});
    remove_segment("s");
    FlagDefinition late = flag("late");
    late.audience = {named_segment("s")};
    change({late});
    EXPECT_EQ(published("late"), 0U) << "nothing new may name a segment that is gone";
    FlagChanges bad;
    bad.refused_segments = {"s"};
    apply(bad);
    EXPECT_EQ(published("late"), 1U) << "its row is there again, and its last form answers";
}

TEST_F(TargetingBuilderTest, AWaitingFlagIsTriedAgainWhenTheRowItWaitsForBecomesBadOrGoes) {
    for (const bool goes : {false, true}) {
        FlagDefinition a = flag("a", 1);
        FlagDefinition b = flag("b", 1);
        change({a, b});
        a.requirements = {{"b", true}};
        b.requirements = {{"a", true}};
        a.revision = b.revision = 2;
        change({a, b});
        EXPECT_EQ(published("a"), 1U) << "each closes the circle";
        EXPECT_EQ(published("b"), 1U);
        FlagChanges changes;
        (goes ? changes.removed : changes.refused) = {"b"};
        apply(changes);
        EXPECT_EQ(published("a"), 2U) << "nobody requires it any more";
        EXPECT_EQ(published("b"), goes ? 0U : 1U);
    }
}

TEST_F(TargetingBuilderTest, WhatIsInForceMayGoOnToNameASegmentThatIsGone) {
    FlagDefinition flag = this->flag("f", 1);
    flag.audience = {named_segment("outer")};
    change({flag}, {{"outer", 1, {named_segment("inner")}}, {"inner", 1, {}}});
    remove_segment("inner");
    FlagChanges everything;  // as it is read now and then
    everything.is_full = true;
    everything.changed = {flag};
    everything.segments = {{"outer", 1, {named_segment("inner")}}};
    apply(everything);
    EXPECT_EQ(builder_.problems().size(), 1U) << "only the segment that is gone";
    expect_problem("segment inner", "name", "is deleted");
    flag.revision = 2;
    flag.audience.push_back(named_segment("inner"));
    change({flag});
    EXPECT_EQ(published("f"), 1U) << "nothing new may name it";
}

TEST_F(TargetingBuilderTest, StoresEqualListsAndPatternsOnce) {
    FlagDefinition flag = this->flag("f");
    const std::vector<std::string> ids{"user-one", "user-two", "user-three"};
    flag.include = ids;
    flag.audience = {is_in("user_id", ids),
                     is_in("owner", {"user-three", "user-two", "user-one", "user-one"}),
                     matches("mail", "@x[.]com$"), matches("other", "@x[.]com$")};
    change({flag});
    EXPECT_EQ(view_.set_entry_count(), 3U);
    const TargetingRecord& targeting = must(view_.targeting(0));
    const Instruction* program = view_.program(targeting.program_first, targeting.program_count);
    ASSERT_NE(program, nullptr);
    EXPECT_EQ(program[2].operand, program[3].operand);
    EXPECT_EQ(view_.table_word_count(), program[2].count);
}

TEST_F(TargetingBuilderTest, WaitsForASegmentAndIsPublishedWhenItComes) {
    FlagDefinition waiting = flag("f", 7);
    waiting.audience = {named_segment("pros")};
    change({waiting, flag("g")});
    EXPECT_EQ(published("f"), 0U);
    EXPECT_EQ(published("g"), 1U);
    expect_problem("f", "segments", "\"pros\"");
    change({}, {{"pros", 1, {is_in("plan", {"pro"})}}});
    EXPECT_EQ(published("f"), 7U);
    EXPECT_EQ(view_.segment_count(), 1U);
    EXPECT_TRUE(builder_.problems().empty());
}

TEST_F(TargetingBuilderTest, ADeletedSegmentStaysWhileItIsAskedFor) {
    FlagDefinition asking = flag("f", 1);
    asking.audience = {named_segment("pros")};
    change({asking}, {{"pros", 1, {is_in("plan", {"pro"})}}, {"idle", 1, {}}});
    EXPECT_EQ(view_.segment_count(), 2U);
    remove_segment("idle");
    EXPECT_EQ(view_.segment_count(), 1U);
    remove_segment("pros");
    EXPECT_EQ(view_.segment_count(), 1U);
    expect_problem("segment pros", "name", "still asked for");
    asking.revision = 2;  // a new form may not name it any more; the old one stays
    change({asking});
    EXPECT_EQ(published("f"), 1U);
    change({flag("f", 3)});
    EXPECT_EQ(published("f"), 3U);
    remove_segment("pros");
    EXPECT_EQ(view_.segment_count(), 0U);
    EXPECT_TRUE(builder_.problems().empty());
}

TEST_F(TargetingBuilderTest, SegmentsThatNameEachOtherInACircleAreRefused) {
    change({}, {{"a", 1, {named_segment("b")}}, {"b", 1, {named_segment("a")}}, {"c", 1, {}}});
    EXPECT_EQ(view_.segment_count(), 1U);
    expect_problem("segment a", "constraints", "back to the segment itself");
    change({}, {{"b", 2, {}}});  // the circle is gone, and "a" needs no second word
    EXPECT_EQ(view_.segment_count(), 3U);
    EXPECT_TRUE(builder_.problems().empty());
}

TEST_F(TargetingBuilderTest, FlagsThatRequireEachOtherInACircleKeepTheirLastForm) {
    FlagDefinition first = flag("first", 1);
    FlagDefinition second = flag("second", 1);
    second.requirements = {{"first", true}};
    change({first, second});
    first.revision = 2;
    first.requirements = {{"second", true}};
    change({first});
    EXPECT_EQ(published("first"), 1U);
    EXPECT_EQ(published("second"), 1U);
    expect_problem("first", "segments.requires", "back to the flag itself");
    second.revision = 2;
    second.requirements.clear();
    change({second});
    EXPECT_EQ(published("first"), 2U);
    EXPECT_TRUE(builder_.problems().empty());
}

TEST_F(TargetingBuilderTest, ADisabledFlagIsTakenWhateverItRequires) {
    FlagDefinition off = flag("f", 2);
    off.status = Status::kDisabled;
    off.requirements = {{"f", true}};
    off.audience = {matches("mail", "("), named_segment("nowhere")};
    change({off});
    EXPECT_EQ(published("f"), 2U);
    EXPECT_TRUE(builder_.problems().empty());
}

TEST_F(TargetingBuilderTest, EqualFlagsGiveEqualBytesHoweverTheyCame) {
    FlagDefinition one = flag("one");
    one.audience = {named_segment("s"), named_segment("t")};
    FlagDefinition two = flag("two");
    two.requirements = {{"one", true}};
    const std::vector<SegmentDefinition> segments{{"s", 1, {named_segment("t")}},
                                                  {"t", 1, {is_in("plan", {"a", "b"})}}};
    FlagChanges all;
    all.is_full = true;
    all.changed = {two, one};
    all.segments = segments;
    all.revision = 3;
    SnapshotBuilder at_once;
    at_once.apply(all);
    change({one, two});
    change({}, {segments[0]});
    change({}, {segments[1]});
    EXPECT_EQ(at_once.build({3, kNow}), builder_.build({3, kNow}));
}

TEST_F(TargetingBuilderTest, LimitsAreNamed) {
    const auto expect_refused = [&](const std::string& field, const std::string& part, auto spoil) {
        FlagDefinition bad = flag("limits");
        spoil(bad);
        change({bad});
        EXPECT_EQ(published("limits"), 0U);
        expect_problem("limits", field, part);
    };
    expect_refused("segments.rules", "1025 rules, at most 1024",
                   [](auto& flag) { flag.rules.assign(1025, Rule{}); });
    expect_refused("segments.requires", "65 flags, at most 64", [](auto& flag) {
        flag.requirements.assign(65, {"other", true});
    });
    expect_refused("segments", "17 levels", [](auto& flag) {
        Condition condition = is_in("a", {"b"});
        for (int level = 1; level < 17; ++level) {
            Condition outer;
            outer.kind = Condition::Kind::kNot;
            outer.children = {condition};
            condition = outer;
        }
        flag.audience = {condition};
    });
    expect_refused("segments", "65537 questions",
                   [](auto& flag) { flag.audience.assign(65'535, is_in("a", {"b"})); });
    expect_refused("segments.rules[0].serve.variant", "no variant of this flag", [](auto& flag) {
        flag.rules = {{"", {}, ServeVariant{"treatment"}}};
    });
}

TEST_F(TargetingBuilderTest, AThousandRulesWork) {
    FlagDefinition flag = this->flag("f");
    for (int rule = 0; rule < 1000; ++rule) {
        flag.rules.push_back({"rule", {is_in("user_id", {std::to_string(rule)})}, rule % 2 == 0});
    }
    change({flag});
    EXPECT_EQ(published("f"), 1U);
    EXPECT_EQ(view_.rule_count(), 1000U);
}

TEST_F(TargetingBuilderTest, WhoNamesAMemberOfACircleWaitsWithIt) {
    change({}, {{"x", 1, {named_segment("y")}},
                {"y", 1, {named_segment("z")}},
                {"z", 1, {named_segment("y")}}});
    EXPECT_EQ(view_.segment_count(), 0U);
    change({}, {{"z", 2, {}}});
    EXPECT_EQ(view_.segment_count(), 3U);
    EXPECT_TRUE(builder_.problems().empty());
}

TEST_F(TargetingBuilderTest, EightSegmentsInAChainWorkAndNineAreRefused) {
    std::vector<SegmentDefinition> chain;
    for (int number = 0; number < 9; ++number) {
        const bool is_last = number == 8;
        chain.push_back(
            {"s" + std::to_string(number),
             1,
             {is_last ? is_in("plan", {"pro"}) : named_segment("s" + std::to_string(number + 1))}});
    }
    change({}, {chain.begin() + 1, chain.end()});
    EXPECT_EQ(view_.segment_count(), 8U);
    EXPECT_TRUE(builder_.problems().empty());
    change({}, {chain.front()});
    EXPECT_EQ(view_.segment_count(), 8U);
    expect_problem("segment s0", "constraints", "deep");
}

TEST_F(TargetingBuilderTest, AnOlderFormOfASegmentNeverComesIntoForceAfterANewerOne) {
    change({}, {{"s", 1, {}}});
    change({}, {{"s", 2, {named_segment("t")}}});  // waits for t
    FlagChanges bad;
    bad.refused_segments = {"s"};  // its third form cannot be read
    apply(bad);
    change({}, {{"t", 1, {}}});
    EXPECT_EQ(must(view_.segment(0)).revision, 1U);
    EXPECT_EQ(must(view_.segment(1)).revision, 1U);
}

TEST_F(TargetingBuilderTest, ARefusedFormLeavesItsRequirementsInForce) {
    FlagDefinition a = flag("a", 1);
    a.requirements = {{"b", true}};
    change({a, flag("b", 1)});
    a = flag("a", 2);  // would no longer require b, but waits for a segment
    a.audience = {named_segment("missing")};
    FlagDefinition b = flag("b", 2);
    b.requirements = {{"a", true}};
    change({a, b});
    EXPECT_EQ(published("a"), 1U);
    EXPECT_EQ(published("b"), 1U) << "a and b would require each other";
}

TEST_F(TargetingBuilderTest, AFormRefusedForItsStepsLeavesItsRequirementsInForce) {
    std::vector<SegmentDefinition> segments{{"s0", 1, std::vector(100, is_in("plan", {"pro"}))}};
    for (int number = 1; number < 3; ++number) {
        segments.push_back({"s" + std::to_string(number), 1,
                            std::vector(50, named_segment("s" + std::to_string(number - 1)))});
    }
    FlagDefinition a = flag("a", 1);
    a.requirements = {{"b", true}};
    change({a, flag("b", 1), flag("c", 1)}, segments);
    a = flag("a", 2);
    a.audience = {named_segment("s2"), named_segment("s2")};
    FlagDefinition b = flag("b", 2);
    b.requirements = {{"a", true}};
    change({a, b});
    EXPECT_EQ(published("a"), 1U);
    EXPECT_EQ(published("b"), 1U) << "a and b would require each other";
    expect_no_circle();
    expect_problem("a", "segments", "steps");
    FlagDefinition c = flag("c", 2);
    c.requirements = {{"b", true}};
    change({c});
    EXPECT_EQ(published("c"), 2U) << "whoever requires them is not at fault";
}

TEST_F(TargetingBuilderTest, AStrangersBadRowHoldsNobodyElseUp) {
    FlagDefinition a = flag("a", 1);
    a.requirements = {{"b", true}};
    FlagDefinition b = flag("b", 2);
    b.requirements = {{"a", true}};
    change({a, flag("b", 1)});
    change({b});
    EXPECT_EQ(published("b"), 1U);
    a.revision = 3;  // something else of it changes
    change({a});
    EXPECT_EQ(published("a"), 3U);
    EXPECT_EQ(published("b"), 1U);
}

TEST_F(TargetingBuilderTest, WhatIsRemovedIsNoLongerRequired) {
    std::vector<FlagDefinition> chain;
    for (int number = 0; number < 8; ++number) {
        chain.push_back(flag("f" + std::to_string(number)));
        chain.back().requirements = {{"f" + std::to_string(number + 1), true}};
    }
    chain.push_back(flag("f8"));
    change(chain);
    EXPECT_TRUE(builder_.problems().empty());
    FlagChanges changes;
    FlagDefinition last = flag("f8", 2);
    last.requirements = {{"f9", true}};
    changes.changed = {last, flag("f9")};
    changes.removed = {"f0"};
    apply(changes);
    EXPECT_EQ(published("f8"), 2U);
}

TEST_F(TargetingBuilderTest, SlotsOutOfOrderAreRefused) {
    for (const std::vector<SlotRange>& slots :
         {std::vector<SlotRange>{{5, 4}}, {{0, 10'000}}, {{0, 5}, {5, 9}}, {{10, 20}, {0, 5}}}) {
        FlagDefinition bad = flag_of("f", Status::kGradualRollout, 100);
        bad.layer = LayerMembership{"layer", slots};
        change({bad});
        EXPECT_EQ(published("f"), 0U);
        expect_problem("f", "segments.layer", "out of order");
    }
}

TEST_F(TargetingBuilderTest, ProgramsThatTakeTooLongAreRefused) {
    std::vector<SegmentDefinition> segments{{"s0", 1, std::vector(100, is_in("plan", {"pro"}))}};
    for (int number = 1; number < 3; ++number) {
        segments.push_back({"s" + std::to_string(number), 1,
                            std::vector(50, named_segment("s" + std::to_string(number - 1)))});
    }
    change({}, segments);
    EXPECT_EQ(view_.segment_count(), 3U);  // 100 x 50 x 50 steps are too many by a little
    FlagDefinition heavy = flag("heavy");
    heavy.audience = {named_segment("s2"), named_segment("s2")};
    change({heavy});
    EXPECT_EQ(published("heavy"), 0U);
    expect_problem("heavy", "segments", "steps");
}

TEST_F(TargetingBuilderTest, ASegmentWaitsForItsOwnStepsOnly) {
    const std::vector<SegmentDefinition> light{{"inner", 1, {}}};
    const SegmentDefinition outer{"an outer one", 1, {named_segment("inner")}};
    change({}, light);
    std::vector<SegmentDefinition> heavy{{"h0", 1, std::vector(1'000, is_in("plan", {"pro"}))},
                                         {"inner", 2, std::vector(300, named_segment("h0"))},
                                         outer};
    change({}, heavy);
    EXPECT_EQ(view_.segment_count(), 3U) << "with the present form of the inner one it is in order";
    expect_problem("segment inner", "constraints", "steps");
    EXPECT_EQ(builder_.problems().size(), 1U);
}

}  // namespace
}  // namespace burgee::test
