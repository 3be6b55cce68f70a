#pragma once

// The part of SnapshotView::check_bodies() that is about audiences, rules and segments: every
// number leads somewhere, every program only forward. Included by snapshot_view.hpp alone.

#include <burgee/regex_match.hpp>
#include <burgee/snapshot_view.hpp>

namespace burgee {

class TargetingBodyCheck {
public:
    explicit TargetingBodyCheck(const SnapshotView& view) noexcept : view_(view) {}

    /// Whether the targeting record of a flag with `variant_count` variants is sound; what bounds
    /// of lists and texts SnapshotBodyCheck has checked is not checked again.
    bool is_sound(const TargetingRecord& targeting, std::uint32_t variant_count) const noexcept {
        return are_rules_sound(targeting, variant_count) && are_requirements_sound(targeting) &&
               are_slots_sound(targeting) &&
               are_names_sound(targeting.attributes_first, targeting.attributes_count) &&
               is_program_sound(targeting.program_first, targeting.program_count,
                                kOutcomeFirstRule + targeting.rules_count) &&
               targeting.audience_end <= targeting.program_count && targeting.has_layer <= 1 &&
               has_text(targeting.layer_name);
    }

    /// Segments ascend, and their programs are sound.
    bool are_segments_sound() const noexcept {
        for (std::uint64_t number = 0; number < view_.segment_count(); ++number) {
            const SegmentRecord& segment = view_.segments_[number];
            const bool is_ascending =
                number == 0 || view_.segments_[number - 1].name_hash < segment.name_hash;
            const std::string_view name = view_.text(segment.name_offset, segment.name_size);
            if (!is_ascending || segment.name_size == 0 || hash64(name) != segment.name_hash ||
                !are_names_sound(segment.attributes_first, segment.attributes_count) ||
                segment.program_count == 0 ||
                !is_program_sound(segment.program_first, segment.program_count, kOutcomeTrue + 1)) {
                return false;
            }
        }
        return true;
    }

    /// Whether these entries are inside, and ascend.
    bool is_set_sound(std::uint64_t first, std::uint64_t count) const noexcept {
        if (first > view_.set_entry_count_ || count > view_.set_entry_count_ - first) {
            return false;
        }
        for (std::uint64_t number = 1; number < count; ++number) {
            if (view_.sets_[first + number - 1] >= view_.sets_[first + number]) {
                return false;
            }
        }
        return true;
    }

private:
    bool has_text(TextRef ref) const noexcept {
        return ref.offset <= view_.strings_size_ && ref.size <= view_.strings_size_ - ref.offset;
    }

    bool are_rules_sound(const TargetingRecord& targeting,
                         std::uint32_t variant_count) const noexcept {
        const std::uint32_t count = targeting.rules_count;
        const RuleRecord* rules = view_.rules(targeting.rules_first, count);
        if (count > kRuleCountMax || (count > 0 && rules == nullptr)) {
            return false;
        }
        for (std::uint32_t number = 0; number < count; ++number) {
            const RuleRecord& rule = rules[number];
            const auto kind = static_cast<ServeKind>(rule.serve);
            if (rule.serve > static_cast<std::uint8_t>(ServeKind::kVariant) ||
                (kind == ServeKind::kVariant && rule.variant >= variant_count) ||
                rule.gate_end > kBucketCount || rule.program_end > targeting.program_count ||
                !has_text({rule.name_offset, rule.name_size})) {
                return false;
            }
        }
        return true;
    }

    bool are_requirements_sound(const TargetingRecord& targeting) const noexcept {
        const std::uint32_t count = targeting.requirements_count;
        const RequirementRecord* requirements =
            view_.requirements(targeting.requirements_first, count);
        if (count > kRequirementCountMax || (count > 0 && requirements == nullptr)) {
            return false;
        }
        for (std::uint32_t number = 0; number < count; ++number) {
            const RequirementRecord& requirement = requirements[number];
            if (requirement.kind > static_cast<std::uint8_t>(RequirementKind::kVariant) ||
                !has_text({requirement.flag_offset, requirement.flag_size}) ||
                !has_text({requirement.variant_offset, requirement.variant_size})) {
                return false;
            }
        }
        return true;
    }

    bool are_slots_sound(const TargetingRecord& targeting) const noexcept {
        const std::uint32_t count = targeting.slots_count;
        const SlotRangeRecord* ranges = view_.slot_ranges(targeting.slots_first, count);
        if (count > kSlotRangeCountMax || (count > 0 && ranges == nullptr)) {
            return false;
        }
        for (std::uint32_t number = 0; number < count; ++number) {
            const SlotRangeRecord& range = ranges[number];
            if (range.first > range.last || range.last >= kLayerSlotCount ||
                (number > 0 && ranges[number - 1].last >= range.first)) {
                return false;
            }
        }
        return true;
    }

    bool are_names_sound(std::uint32_t first, std::uint32_t count) const noexcept {
        const AttributeRecord* names = view_.attributes(first, count);
        if (count > 0 && names == nullptr) {
            return false;
        }
        for (std::uint32_t number = 0; number < count; ++number) {
            const AttributeRecord& name = names[number];
            if ((number > 0 && names[number - 1].key >= name.key) ||
                attribute_key(view_.text(name.name_offset, name.name_size)) != name.key) {
                return false;
            }
        }
        return true;
    }

    /// Every way through the program ends with an outcome below `outcome_end`: each step goes
    /// forward, and none beyond the last instruction.
    bool is_program_sound(std::uint32_t first, std::uint32_t count,
                          std::uint64_t outcome_end) const noexcept {
        if (count == 0) {
            return true;
        }
        const Instruction* program = view_.program(first, count);
        if (program == nullptr || count > kInstructionCountMax) {
            return false;
        }
        for (std::uint32_t place = 0; place < count; ++place) {
            const Instruction& step = program[place];
            const bool is_end = step.operation == static_cast<std::uint8_t>(Operation::kOutcome);
            if (is_end ? step.operand >= outcome_end : !goes_forward(step, count - place)) {
                return false;
            }
            if (!is_operand_sound(step)) {
                return false;
            }
        }
        return true;
    }

    static bool goes_forward(const Instruction& step, std::uint32_t room) noexcept {
        return step.on_true > 0 && step.on_true < room && step.on_false > 0 && step.on_false < room;
    }

    bool is_operand_sound(const Instruction& step) const noexcept {
        switch (static_cast<Operation>(step.operation)) {
            case Operation::kSegment:
                return view_.segment(step.operand) != nullptr;
            case Operation::kShortTextIn:
                return step.count <= kShortTextCountMax && is_set_sound(step.operand, step.count);
            case Operation::kTextIn:
                return is_set_sound(step.operand, step.count);
            case Operation::kRegex:
                return is_table_sound(step);
            case Operation::kNumberIs:
            case Operation::kNumberAbove:
            case Operation::kNumberAtLeast:
            case Operation::kNumberBelow:
            case Operation::kNumberAtMost:
                return step.constant <= static_cast<std::uint8_t>(ConstantType::kDouble);
            case Operation::kOutcome:
            case Operation::kExists:
            case Operation::kDateAfter:
            case Operation::kDateBefore:
            case Operation::kShortTextIs:
                return true;
            default:
                break;
        }
        return step.operation < kOperationCount &&
               has_text({static_cast<std::uint32_t>(step.operand & 0xFFFFFFFFU),
                         static_cast<std::uint32_t>(step.operand >> 32U)});
    }

    /// Programs share tables, and looking one over takes up to a millisecond: once is enough.
    bool is_table_sound(const Instruction& step) const noexcept {
        if (step.operand == sound_table_ && step.count == sound_table_size_) {
            return true;
        }
        const std::uint16_t* words = view_.table(step.operand, step.count);
        if (words == nullptr || !check_regex_table(words, step.count)) {
            return false;
        }
        sound_table_ = step.operand;
        sound_table_size_ = step.count;
        return true;
    }

    const SnapshotView& view_;
    mutable std::uint64_t sound_table_ = 0;  ///< the last one looked over
    mutable std::uint32_t sound_table_size_ = 0;
};

}  // namespace burgee
