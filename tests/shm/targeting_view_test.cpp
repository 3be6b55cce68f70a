// Promise: the check of bodies refuses every audience, rule and segment that leads somewhere else
// than forward and inside, and tells flags from segments.
// Method: spoil one field of one record of a real snapshot, make the checksums right, check.

#include <functional>

#include "tests/shm/spoilt_snapshot.hpp"
#include "tests/shm/targeting_flags.hpp"

namespace burgee::test {
namespace {

using S = SectionType;

class TargetingViewTest : public SpoiltSnapshot {
protected:
    TargetingViewTest() : SpoiltSnapshot(snapshot_of(everything_of_targeting())) {}

    /// Spoils the first record for which `is_meant` holds, and puts it right again.
    template <typename Record>
    void expect(ViewError error, S type, const std::function<bool(const Record&)>& is_meant,
                const std::function<void(Record&)>& change) {
        const std::vector<std::byte> good = bytes_;
        const auto [records, count] = all<Record>(type);
        const auto* found = std::find_if(records, records + count, is_meant);
        ASSERT_NE(found, records + count) << "no such record";
        EXPECT_EQ(spoil_record<Record>(type, static_cast<std::size_t>(found - records), change),
                  error);
        bytes_ = good;
    }
    template <typename Record>
    void expect_first(ViewError error, S type, const std::function<void(Record&)>& change) {
        expect<Record>(
            error, type, [](const Record&) { return true; }, change);
    }
    void expect_step(Operation operation, const std::function<void(Instruction&)>& change,
                     ViewError error = ViewError::kRuleRecord) {
        expect<Instruction>(
            error, S::kInstructions,
            [&](const Instruction& step) {
                return step.operation == static_cast<std::uint8_t>(operation);
            },
            change);
    }

private:
    template <typename Record>
    std::pair<const Record*, std::size_t> all(S type) {
        std::vector<SectionEntry> entries = table();
        const SectionEntry& entry = entry_of(entries, type);
        const void* begin = bytes_.data() + entry.offset;
        return {static_cast<const Record*>(begin), entry.size_bytes / sizeof(Record)};
    }
};

TEST_F(TargetingViewTest, AcceptsWhatTheBuilderWrote) {
    EXPECT_EQ(full_error(bytes_), ViewError::kNone);
}

TEST_F(TargetingViewTest, RefusesRulesThatServeWhatIsNotThere) {
    const auto expect_rule = [&](const std::function<void(RuleRecord&)>& change) {
        expect_first<RuleRecord>(ViewError::kRuleRecord, S::kRules, change);
    };
    expect_rule([](RuleRecord& rule) { rule.serve = 4; });
    expect_rule([](RuleRecord& rule) { rule.gate_end = kBucketCount + 1; });
    expect_rule([](RuleRecord& rule) { rule.program_end = UINT32_MAX; });
    expect_rule([](RuleRecord& rule) { rule.name_offset = UINT32_MAX; });
    expect<RuleRecord>(
        ViewError::kRuleRecord, S::kRules,
        [](const RuleRecord& rule) {
            return rule.serve == static_cast<std::uint8_t>(ServeKind::kVariant);
        },
        [](RuleRecord& rule) { rule.variant = 2; });
}

TEST_F(TargetingViewTest, RefusesRequirementsSlotsAndNamesThatAreUnsound) {
    const auto expect_requirement = [&](const std::function<void(RequirementRecord&)>& change) {
        expect_first<RequirementRecord>(ViewError::kRuleRecord, S::kRequirements, change);
    };
    expect_requirement([](RequirementRecord& requirement) { requirement.kind = 3; });
    expect_requirement(
        [](RequirementRecord& requirement) { requirement.flag_offset = UINT32_MAX; });
    expect_requirement(
        [](RequirementRecord& requirement) { requirement.variant_size = UINT32_MAX; });
    const auto expect_slots = [&](const std::function<void(SlotRangeRecord&)>& change) {
        expect<SlotRangeRecord>(
            ViewError::kRuleRecord, S::kSlotRanges,
            [](const SlotRangeRecord& range) { return range.first == 0; }, change);
    };
    expect_slots([](SlotRangeRecord& range) { range.first = range.last + 1; });
    expect_slots([](SlotRangeRecord& range) { range.last = kLayerSlotCount; });
    expect_slots([](SlotRangeRecord& range) { range.last = 5'000; });  // where the next one begins
    expect_first<AttributeRecord>(ViewError::kRuleRecord, S::kAttributes,
                                  [](AttributeRecord& name) { ++name.key; });
    expect_first<AttributeRecord>(ViewError::kRuleRecord, S::kAttributes,
                                  [](AttributeRecord& name) { name.name_offset = UINT32_MAX; });
}

TEST_F(TargetingViewTest, RefusesTargetingRecordsThatLeadOutside) {
    const auto expect_targeting = [&](const std::function<void(TargetingRecord&)>& change) {
        expect<TargetingRecord>(
            ViewError::kRuleRecord, S::kTargeting,
            [](const TargetingRecord& record) {
                return record.rules_count > 0 && record.has_layer != 0;
            },
            change);
    };
    expect_targeting([](TargetingRecord& record) { record.program_first = UINT32_MAX; });
    expect_targeting(
        [](TargetingRecord& record) { record.program_count = kInstructionCountMax + 1; });
    expect_targeting([](TargetingRecord& record) { record.program_count -= 2; });
    expect_targeting([](TargetingRecord& record) { record.rules_first = UINT32_MAX; });
    expect_targeting([](TargetingRecord& record) { record.rules_count = kRuleCountMax + 1; });
    expect_targeting(
        [](TargetingRecord& record) { record.rules_count = 1; });  // an outcome has no rule
    expect_targeting([](TargetingRecord& record) { record.requirements_count = 65; });
    expect_targeting([](TargetingRecord& record) { record.slots_count = kSlotRangeCountMax + 1; });
    expect_targeting([](TargetingRecord& record) { record.attributes_count = UINT32_MAX; });
    expect_targeting(
        [](TargetingRecord& record) { record.audience_end = record.program_count + 1; });
    expect_targeting([](TargetingRecord& record) { record.has_layer = 2; });
    expect_targeting([](TargetingRecord& record) { record.layer_name.offset = UINT32_MAX; });
}

TEST_F(TargetingViewTest, RefusesStepsThatGoBackOutsideOrAskTheUnknown) {
    for (const Operation operation : {Operation::kExists, Operation::kSegment}) {
        expect_step(operation, [](Instruction& step) { step.on_true = 0; });
        expect_step(operation, [](Instruction& step) { step.on_false = 0; });
        expect_step(operation, [](Instruction& step) { step.on_true = UINT32_MAX; });
        expect_step(operation, [](Instruction& step) { step.on_false = 1'000; });
        expect_step(operation, [](Instruction& step) { step.operation = kOperationCount; });
    }
    expect_step(Operation::kOutcome, [](Instruction& step) { step.operand = kRuleCountMax + 2; });
    expect_step(Operation::kSegment, [](Instruction& step) { step.operand = 2; });
    expect_step(Operation::kTextIn, [](Instruction& step) { step.count = UINT32_MAX; });
    expect_step(Operation::kTextIn, [](Instruction& step) { step.operand = UINT64_MAX; });
    expect_step(
        Operation::kShortTextIn, [](Instruction& step) { step.count = kShortTextCountMax + 1; },
        ViewError::kSegmentRecord);  // only the segment "paying" has one
    expect_step(Operation::kRegex, [](Instruction& step) { step.operand = UINT64_MAX; });
    expect_step(Operation::kRegex, [](Instruction& step) { step.count -= 1; });
    expect_step(Operation::kNumberAbove, [](Instruction& step) { step.constant = 3; });
    for (const Operation operation :
         {Operation::kTextIs, Operation::kContains, Operation::kStartsWith, Operation::kEndsWith,
          Operation::kSemverIs, Operation::kSemverAbove, Operation::kSemverAtLeast,
          Operation::kSemverBelow, Operation::kSemverAtMost}) {
        expect_step(operation, [](Instruction& step) { step.operand = UINT64_MAX; });
    }
}

TEST_F(TargetingViewTest, RefusesSegmentsThatAreUnsound) {
    const auto expect_segment = [&](const std::function<void(SegmentRecord&)>& change) {
        expect_first<SegmentRecord>(ViewError::kSegmentRecord, S::kSegments, change);
    };
    expect_segment([](SegmentRecord& record) { ++record.name_hash; });
    expect_segment([](SegmentRecord& record) { record.name_hash = UINT64_MAX; });
    expect_segment([](SegmentRecord& record) { record.name_size = 0; });
    expect_segment([](SegmentRecord& record) { record.name_offset = UINT32_MAX; });
    expect_segment([](SegmentRecord& record) { record.program_count = 0; });
    expect_segment([](SegmentRecord& record) { record.program_first = UINT32_MAX; });
    expect_segment([](SegmentRecord& record) { record.program_count -= 1; });
    expect_segment([](SegmentRecord& record) { record.attributes_count = UINT32_MAX; });
    const std::uint32_t own_first = view().segment(0)->program_first;
    const std::uint32_t own_count = view().segment(0)->program_count;
    for (std::uint32_t number = own_first; number < own_first + own_count; ++number) {
        const std::vector<std::byte> good = bytes_;
        EXPECT_EQ(spoil_record<Instruction>(S::kInstructions, number,
                                            [](Instruction& step) {
                                                step.on_true = 0;
                                                step.operand = UINT64_MAX;
                                            }),
                  ViewError::kSegmentRecord);
        bytes_ = good;
    }
}

TEST_F(TargetingViewTest, RefusesSegmentsOutOfOrder) {
    SegmentRecord first = must(view().segment(0));
    SegmentRecord second = must(view().segment(1));
    spoil_record<SegmentRecord>(S::kSegments, 0, [&](SegmentRecord& record) { record = second; });
    EXPECT_EQ(spoil_record<SegmentRecord>(S::kSegments, 1,
                                          [&](SegmentRecord& record) { record = first; }),
              ViewError::kSegmentRecord);
}

}  // namespace
}  // namespace burgee::test
