#include "shm/snapshot_disassembly.hpp"

#include <algorithm>
#include <map>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>

namespace burgee {
namespace {

/// Takes one flag or segment, in the order in which compilers add its texts and sets, so that equal
/// ones are shared as before.
class Taking {
public:
    Taking(const SnapshotView& view, std::uint64_t size_max, CompiledParts& out)
        : view_(view), out_(out), room_(std::min<std::uint64_t>(size_max, UINT32_MAX)) {}

    /// Whether something was left out for want of room.
    bool is_over() const { return is_over_; }

    TextRef text(std::uint64_t offset, std::uint64_t size) {
        if (!has_room(size)) {
            return {};
        }
        const std::size_t before = out_.strings.size();
        const TextRef ref = out_.add_text(view_.text(offset, size));
        room_ -= out_.strings.size() - before;
        return ref;
    }
    TextRef text(TextRef ref) { return text(ref.offset, ref.size); }

    std::pair<std::uint32_t, std::uint32_t> set(std::uint64_t first, std::uint32_t count) {
        const std::uint64_t* entries = view_.set_entries(first, count);
        if (entries == nullptr || !has_room(count * sizeof(*entries))) {
            return {};
        }
        const std::size_t before = out_.sets.size();
        const auto place = out_.add_set_entries({entries, count});
        room_ -= (out_.sets.size() - before) * sizeof(*entries);
        return place;
    }

    void variants(const FlagRecord& flag) {
        for (std::uint32_t number = 0; number < flag.variant_count && takes<VariantRecord>(1);
             ++number) {
            VariantRecord variant = *view_.variant(flag.variants_first + number);
            const std::uint32_t config_first = variant.config_first;
            variant.name_offset = text(variant.name_offset, variant.name_size).offset;
            variant.json_offset = text(variant.json_offset, variant.json_size).offset;
            variant.config_first = static_cast<std::uint32_t>(out_.config.size());
            out_.variants.push_back(variant);
            for (std::uint32_t field = 0; field < variant.config_count && takes<ConfigField>(1);
                 ++field) {
                config(*view_.config_field(config_first + field));
            }
        }
    }

    void targeting(const TargetingRecord& from) {
        TargetingRecord targeting = from;
        std::tie(targeting.include_first, targeting.include_count) =
            set(from.include_first, from.include_count);
        std::tie(targeting.exclude_first, targeting.exclude_count) =
            set(from.exclude_first, from.exclude_count);
        for (std::uint32_t number = 0; number < from.bucket_by_count && takes<TextRef>(1);
             ++number) {
            out_.text_refs.push_back(text(*view_.text_ref(from.bucket_by_first + number)));
        }
        targeting.salt = text(from.salt);
        program(from.program_first, from.program_count,
                {view_.rules(from.rules_first, from.rules_count), from.rules_count});
        attributes(from.attributes_first, from.attributes_count);
        requirements(from.requirements_first, from.requirements_count);
        targeting.layer_name = from.has_layer != 0 ? text(from.layer_name) : TextRef{};
        const SlotRangeRecord* slots = view_.slot_ranges(from.slots_first, from.slots_count);
        if (slots != nullptr && takes<SlotRangeRecord>(from.slots_count)) {
            out_.slot_ranges.assign(slots, slots + from.slots_count);
        }
        targeting.bucket_by_first = targeting.program_first = targeting.rules_first = 0;
        targeting.requirements_first = targeting.slots_first = targeting.attributes_first = 0;
        if (takes<TargetingRecord>(1)) {
            out_.targeting.push_back(targeting);
        }
    }

    /// The steps, and among them the rules, each behind the steps that lead to it.
    void program(std::uint32_t first, std::uint32_t count, std::span<const RuleRecord> rules) {
        const Instruction* steps = view_.program(first, count);
        if (!takes<Instruction>(count) || !takes<RuleRecord>(rules.size())) {
            return;
        }
        std::size_t rule = 0;
        for (std::uint32_t place = 0; steps != nullptr && place < count; ++place) {
            out_.instructions.push_back(instruction(steps[place]));
            for (; rule < rules.size() && rules[rule].program_end <= place + 1; ++rule) {
                add_rule(rules[rule]);
            }
        }
        for (; rule < rules.size(); ++rule) {
            add_rule(rules[rule]);
        }
    }

    void attributes(std::uint32_t first, std::uint32_t count) {
        const AttributeRecord* names = view_.attributes(first, count);
        for (std::uint32_t number = 0;
             names != nullptr && number < count && takes<AttributeRecord>(1); ++number) {
            AttributeRecord name = names[number];
            name.name_offset = text(name.name_offset, name.name_size).offset;
            out_.attributes.push_back(name);
        }
    }

private:
    /// Asked before anything is copied: records of a hostile file may all name the same bytes.
    bool has_room(std::uint64_t size_bytes) {
        is_over_ = is_over_ || size_bytes > room_;
        return !is_over_;
    }
    template <typename Record>
    bool takes(std::uint64_t count) {
        const bool fits = has_room(count * sizeof(Record));
        room_ -= fits ? count * sizeof(Record) : 0;
        return fits;
    }

    void config(ConfigField field) {
        field.path_offset = text(field.path_offset, field.path_size).offset;
        if (field.type == static_cast<std::uint8_t>(ConfigType::kString)) {
            field.value = moved_text(field.value);
        }
        out_.config.push_back(field);
    }

    /// A text that stands in one word: offset | size << 32.
    std::uint64_t moved_text(std::uint64_t word) {
        const TextRef moved = text(word & UINT32_MAX, word >> 32U);
        return std::uint64_t{moved.size} << 32U | moved.offset;
    }

    Instruction instruction(Instruction step) {
        switch (static_cast<Operation>(step.operation)) {
            case Operation::kTextIs:
            case Operation::kContains:
            case Operation::kStartsWith:
            case Operation::kEndsWith:
            case Operation::kSemverIs:
            case Operation::kSemverAbove:
            case Operation::kSemverAtLeast:
            case Operation::kSemverBelow:
            case Operation::kSemverAtMost:
                step.operand = moved_text(step.operand);
                break;
            case Operation::kTextIn:
            case Operation::kShortTextIn:
                std::tie(step.operand, step.count) = set(step.operand, step.count);
                break;
            case Operation::kRegex:
                step.operand = table(step.operand, step.count);
                break;
            case Operation::kSegment:
                step.operand = view_.segment(step.operand)->name_hash;
                break;
            default:
                break;
        }
        return step;
    }

    /// Where the table of a pattern stands among the flag's own; each is taken once.
    std::uint32_t table(std::uint64_t first, std::uint32_t count) {
        const auto next = static_cast<std::uint32_t>(out_.tables.size());
        const auto [known, is_new] = tables_.insert({{first, count}, next});
        const std::uint16_t* words = view_.table(first, count);
        if (is_new && words != nullptr && takes<std::uint16_t>(count)) {
            out_.tables.insert(out_.tables.end(), words, words + count);
        }
        return known->second;
    }

    void add_rule(RuleRecord rule) {
        rule.name_offset = text(rule.name_offset, rule.name_size).offset;
        out_.rules.push_back(rule);
    }

    void requirements(std::uint32_t first, std::uint32_t count) {
        const RequirementRecord* from = view_.requirements(first, count);
        for (std::uint32_t number = 0;
             from != nullptr && number < count && takes<RequirementRecord>(1); ++number) {
            RequirementRecord requirement = from[number];
            const bool names_variant =
                requirement.kind == static_cast<std::uint8_t>(RequirementKind::kVariant);
            requirement.flag_offset = text(requirement.flag_offset, requirement.flag_size).offset;
            requirement.variant_offset =
                names_variant ? text(requirement.variant_offset, requirement.variant_size).offset
                              : 0;
            out_.requirements.push_back(requirement);
        }
    }

    const SnapshotView& view_;
    CompiledParts& out_;
    std::uint64_t room_;  ///< bytes that may still be added; counts of parts have 32 bits
    bool is_over_ = false;
    std::map<std::pair<std::uint64_t, std::uint32_t>, std::uint32_t> tables_;
};

}  // namespace

std::optional<CompiledFlag> flag_taken_from(const SnapshotView& view, const FlagRecord& flag,
                                            std::uint64_t size_max) {
    CompiledFlag out;
    out.record = flag;
    Taking taking(view, size_max, out);
    out.record.name_offset = taking.text(flag.name_offset, flag.name_size).offset;
    taking.variants(flag);
    if (flag.targeting != 0) {
        taking.targeting(*view.targeting(flag.targeting - 1));
    }
    out.record.variants_first = out.record.targeting = out.record.experiment = 0;
    return taking.is_over() ? std::nullopt : std::optional(std::move(out));
}

std::optional<CompiledSegment> segment_taken_from(const SnapshotView& view,
                                                  const SegmentRecord& segment,
                                                  std::uint64_t size_max) {
    CompiledSegment out;
    out.record = segment;
    Taking taking(view, size_max, out);
    out.record.name_offset = taking.text(segment.name_offset, segment.name_size).offset;
    taking.program(segment.program_first, segment.program_count, {});
    taking.attributes(segment.attributes_first, segment.attributes_count);
    out.record.program_first = out.record.attributes_first = 0;
    return taking.is_over() ? std::nullopt : std::optional(std::move(out));
}

}  // namespace burgee
