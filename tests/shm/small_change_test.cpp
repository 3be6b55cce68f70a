// Promise: a small change costs what it changes, however many flags and segments stand beside it.
// Method: thousands of changes beside large tables; what looks at the whole table for each of them
// takes minutes, and the test's time limit ends it.

#include "tests/shm/conditions.hpp"
#include "tests/shm/sample_flags.hpp"

namespace burgee::test {
namespace {

class SmallChangeTest : public ::testing::Test {
protected:
    static constexpr int kChangeCount = 20'000;

    void apply(std::vector<FlagDefinition> flags, std::vector<SegmentDefinition> segments = {},
               std::vector<std::string> removed_segments = {}) {
        FlagChanges changes;
        changes.revision = ++revision_;
        changes.changed = std::move(flags);
        changes.segments = std::move(segments);
        changes.removed_segments = std::move(removed_segments);
        builder_.apply(changes);
    }
    void change_many_times(FlagDefinition flag) {
        for (int number = 0; number < kChangeCount; ++number) {
            flag.revision = revision_;
            apply({flag});
        }
        EXPECT_TRUE(builder_.problems().empty() || builder_.problems().front().flag != flag.name);
    }
    std::size_t segment_count() {
        const std::vector<std::byte> bytes = builder_.build({1, kNow});
        SnapshotView view;
        EXPECT_EQ(SnapshotView::open(bytes.data(), bytes.size(), view), ViewError::kNone);
        return view.segment_count();
    }

    SnapshotBuilder builder_;
    std::uint64_t revision_ = 0;
};

TEST_F(SmallChangeTest, SegmentsThatDoNotChangeAreNotLookedAt) {
    std::vector<SegmentDefinition> segments{{"end", 1, {}}};
    for (int number = 0; number < 50'000; ++number) {
        segments.push_back({std::to_string(number), 1, {named_segment("end")}});
    }
    // One waits: it is not tried again before a segment changes.
    segments.push_back({"waits", 1, std::vector(1'000, named_segment("missing"))});
    apply({}, segments);
    change_many_times(flag_of("f", Status::kEnabled));
    apply({}, {{"missing", 1, {}}});
    EXPECT_EQ(segment_count(), 50'003U);
}

TEST_F(SmallChangeTest, StepsOfASegmentAreCountedOnceHoweverManyNameIt) {
    std::vector<SegmentDefinition> segments{{"0", 1, std::vector(10, is_in("plan", {"pro"}))}};
    for (int number = 1; number < 7; ++number) {
        segments.push_back(
            {std::to_string(number), 1, std::vector(5, named_segment(std::to_string(number - 1)))});
    }
    for (int number = 7; number < 30'000; ++number) {
        segments.push_back({std::to_string(number), 1, {named_segment("6")}});
    }
    apply({}, segments);
    EXPECT_EQ(segment_count(), 30'000U);
    EXPECT_TRUE(builder_.problems().empty());
}

TEST_F(SmallChangeTest, ADeletedSegmentIsLookedForOnlyWhenAFlagStopsAskingForOne) {
    std::vector<FlagDefinition> flags;
    for (int number = 0; number < 50'000; ++number) {
        flags.push_back(flag_of("flag " + std::to_string(number), Status::kEnabled));
        flags.back().audience = {is_in("plan", {"pro"})};
    }
    flags.back().audience = {named_segment("deleted"), named_segment("deleted")};
    FlagDefinition last = flags.back();
    FlagDefinition other = flags.front();
    other.audience = {named_segment("deleted")};
    flags.front() = other;
    apply(flags, {{"deleted", 1, {}}});
    apply({}, {}, {"deleted"});
    change_many_times(flags[1]);
    EXPECT_EQ(segment_count(), 1U);
    other.audience.clear();
    apply({other});
    EXPECT_EQ(segment_count(), 1U) << "one flag still asks for it";
    last.audience.clear();
    apply({last});
    EXPECT_EQ(segment_count(), 0U);
}

TEST_F(SmallChangeTest, RequirementsOfOtherFlagsAreNotLookedAt) {
    std::vector<FlagDefinition> flags{flag_of("end", Status::kEnabled)};
    for (int number = 0; number < 50'000; ++number) {
        flags.push_back(flag_of("flag " + std::to_string(number), Status::kEnabled));
        flags.back().requirements = {{"end", true}};
    }
    FlagDefinition first = flag_of("first", Status::kEnabled);
    first.requirements = {{"second", true}};
    flags.push_back(first);
    flags.push_back(flag_of("second", Status::kEnabled));
    apply(flags);
    change_many_times(first);
    FlagDefinition second = flags.back();
    second.requirements = {{"first", true}};
    apply({second});
    ASSERT_EQ(builder_.problems().size(), 1U) << "what it is joined to is";
    EXPECT_EQ(builder_.problems().front().flag, "second");
}

}  // namespace
}  // namespace burgee::test
