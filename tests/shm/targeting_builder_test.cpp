// Promise: a flag whose audience, rules, requirements or segments cannot be stored keeps its last
// valid form and names the place; nobody else notices; and what was missing is tried again by
// itself. Method: apply changes as sync would, build, and read the snapshot and the problems.

#include <burgee/regex_match.hpp>

#include <algorithm>
#include <random>

#include "tests/shm/random_seed.hpp"
#include "tests/shm/sample_flags.hpp"

namespace burgee::test {
namespace {

Condition is_in(const std::string& attribute, std::vector<std::string> values) {
    Condition condition;
    condition.attribute = attribute;
    condition.operation = Operator::kIn;
    condition.values = std::move(values);
    return condition;
}

Condition matches(const std::string& attribute, const std::string& pattern) {
    Condition condition = is_in(attribute, {pattern});
    condition.operation = Operator::kRegex;
    return condition;
}

Condition in_segment(const std::string& name) {
    Condition condition;
    condition.kind = Condition::Kind::kSegment;
    condition.segment = name;
    return condition;
}

class TargetingBuilderTest : public ::testing::Test {
protected:
    void apply(FlagChanges changes) {
        changes.revision = ++revision_;
        builder_.apply(changes);
        bytes_ = builder_.build({revision_, kNow});
        ASSERT_EQ(full_error(bytes_), ViewError::kNone) << describe(full_error(bytes_));
        ASSERT_EQ(SnapshotView::open(bytes_.data(), bytes_.size(), view_), ViewError::kNone);
    }
    void change(std::vector<FlagDefinition> flags, std::vector<SegmentDefinition> segments = {}) {
        FlagChanges changes;
        changes.changed = std::move(flags);
        changes.segments = std::move(segments);
        apply(std::move(changes));
    }
    void remove_segment(const std::string& name) {
        FlagChanges changes;
        changes.removed_segments = {name};
        apply(std::move(changes));
    }
    /// The revision of the flag's published form; 0 = it is not published.
    std::uint64_t published(const std::string& name) const {
        const FlagRecord* flag = view_.find(hash64(name));
        return flag == nullptr ? 0 : flag->revision;
    }
    void expect_problem(const std::string& flag, const std::string& field,
                        const std::string& part) const {
        const auto problems = builder_.problems();
        const auto found = std::ranges::find(problems, flag, &FlagProblem::flag);
        ASSERT_NE(found, problems.end()) << "no problem with " << flag;
        EXPECT_EQ(found->field, field);
        EXPECT_NE(found->message.find(part), std::string::npos) << found->message;
    }
    /// Follows every requirement for more levels than are allowed.
    void expect_no_circle() const {
        for (std::uint64_t number = 0; number < view_.flag_count(); ++number) {
            EXPECT_LE(depth_of(*view_.flag(number), 0), kRequirementDepthMax);
        }
    }
    std::uint32_t depth_of(const FlagRecord& flag, std::uint32_t depth) const {
        const TargetingRecord* targeting =
            flag.targeting == 0 ? nullptr : view_.targeting(flag.targeting - 1);
        std::uint32_t deepest = depth;
        for (std::uint32_t number = 0; targeting != nullptr && depth <= kRequirementDepthMax &&
                                       number < targeting->requirements_count;
             ++number) {
            const RequirementRecord* requirement =
                view_.requirements(targeting->requirements_first + number, 1);
            const FlagRecord* next = view_.find(must(requirement).flag_name_hash);
            deepest = std::max(deepest, next == nullptr ? depth + 1 : depth_of(*next, depth + 1));
        }
        return deepest;
    }
    FlagDefinition flag(const std::string& name, std::uint64_t revision = 1) const {
        FlagDefinition flag = flag_of(name, Status::kEnabled);
        flag.revision = revision;
        return flag;
    }

    SnapshotBuilder builder_;
    SnapshotView view_;
    std::vector<std::byte> bytes_;
    std::uint64_t revision_ = 0;
};

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
        segments.push_back({std::to_string(number), 1, {in_segment(std::to_string(next))}});
    }
    change({}, std::move(segments));
    EXPECT_EQ(view_.segment_count(), 0U);
    EXPECT_EQ(builder_.problems().size(), kSegmentCountMax);
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
    waiting.audience = {in_segment("pros")};
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
    asking.audience = {in_segment("pros")};
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
    change({}, {{"a", 1, {in_segment("b")}}, {"b", 1, {in_segment("a")}}, {"c", 1, {}}});
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
    off.audience = {matches("mail", "("), in_segment("nowhere")};
    change({off});
    EXPECT_EQ(published("f"), 2U);
    EXPECT_TRUE(builder_.problems().empty());
}

TEST_F(TargetingBuilderTest, EqualFlagsGiveEqualBytesHoweverTheyCame) {
    FlagDefinition one = flag("one");
    one.audience = {in_segment("s"), in_segment("t")};
    FlagDefinition two = flag("two");
    two.requirements = {{"one", true}};
    const std::vector<SegmentDefinition> segments{{"s", 1, {in_segment("t")}},
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
    change({},
           {{"x", 1, {in_segment("y")}}, {"y", 1, {in_segment("z")}}, {"z", 1, {in_segment("y")}}});
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
             {is_last ? is_in("plan", {"pro"}) : in_segment("s" + std::to_string(number + 1))}});
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
    change({}, {{"s", 2, {in_segment("t")}}});  // waits for t
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
    a.audience = {in_segment("missing")};
    FlagDefinition b = flag("b", 2);
    b.requirements = {{"a", true}};
    change({a, b});
    EXPECT_EQ(published("a"), 1U);
    EXPECT_EQ(published("b"), 1U) << "a and b would require each other";
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
                            std::vector(50, in_segment("s" + std::to_string(number - 1)))});
    }
    change({}, segments);
    EXPECT_EQ(view_.segment_count(), 3U);  // 100 x 50 x 50 steps are too many by a little
    FlagDefinition heavy = flag("heavy");
    heavy.audience = {in_segment("s2"), in_segment("s2")};
    change({heavy});
    EXPECT_EQ(published("heavy"), 0U);
    expect_problem("heavy", "segments", "steps");
}

/// A set of rows in which everything that can refer does.
class RandomRows {
public:
    explicit RandomRows(std::uint64_t seed) : random_(seed) {}

    FlagDefinition flag(std::uint64_t revision) {
        FlagDefinition flag = flag_of("f" + std::to_string(random_() % 6), Status::kEnabled);
        flag.revision = revision;
        for (std::uint64_t count = random_() % 3; count > 0; --count) {
            flag.requirements.push_back({"f" + std::to_string(random_() % 6), true});
        }
        if (random_() % 2 == 0) {
            flag.audience = {in_segment("s" + std::to_string(random_() % 4))};
        }
        if (random_() % 8 == 0) {
            flag.audience.push_back(matches("mail", "("));
        }
        return flag;
    }
    SegmentDefinition segment(std::uint64_t revision) {
        SegmentDefinition segment{"s" + std::to_string(random_() % 4), revision, {}};
        for (std::uint64_t count = random_() % 3; count > 0; --count) {
            segment.constraints.push_back(in_segment("s" + std::to_string(random_() % 4)));
        }
        return segment;
    }
    std::uint64_t below(std::uint64_t end) { return random_() % end; }

private:
    std::mt19937_64 random_;
};

TEST_F(TargetingBuilderTest, AnyHistoryStaysSound) {
    RandomRows rows(random_seed());
    for (std::uint64_t step = 1; step <= 2'000; ++step) {
        FlagChanges changes;
        changes.is_full = rows.below(20) == 0;
        for (std::uint64_t count = rows.below(4); count > 0; --count) {
            changes.changed.push_back(rows.flag(step));
        }
        for (std::uint64_t count = rows.below(3); count > 0; --count) {
            changes.segments.push_back(rows.segment(step));
        }
        if (rows.below(6) == 0) {
            changes.removed = {"f" + std::to_string(rows.below(6))};
        }
        if (rows.below(6) == 0) {
            changes.removed_segments = {"s" + std::to_string(rows.below(4))};
        }
        if (rows.below(6) == 0) {
            changes.refused_segments = {"s" + std::to_string(rows.below(4))};
        }
        apply(std::move(changes));  // builds, and looks every body over
        ASSERT_FALSE(HasFatalFailure()) << "step " << step;
        expect_no_circle();
    }
}

}  // namespace
}  // namespace burgee::test
