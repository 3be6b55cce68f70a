#include "shm/snapshot_assembly.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>
#include <utility>

#include <burgee/snapshot_view.hpp>

#include "shm/assertion.hpp"
#include "shm/shared_variants.hpp"
#include "shm/snapshot_image.hpp"

namespace burgee {
namespace {

// In a large set four buckets a flag let seven of eight lookups end at the first record they read,
// which the processor then guesses right; a small set is cached whole and stays small. In a huge
// one lookups wait for memory, and a smaller index leaves more of the caches to the records. All
// measured.
constexpr std::size_t kCrowdedFlagCount = 256;
constexpr std::size_t kHugeFlagCount = 65'536;

constexpr std::uint64_t buckets_per_flag(std::size_t flag_count) {
    return flag_count > kHugeFlagCount ? 2 : flag_count > kCrowdedFlagCount ? 4 : 1;
}
static_assert(buckets_per_flag(kFlagCountMax) * kFlagCountMax <= kIndexBucketCountMax);

constexpr std::size_t kLead = 8;  // flags that are on their way from memory; measured

/// Doubled until find() reaches every flag of every bucket.
std::uint64_t index_bucket_count_for(const FlagTable& flags) {
    std::uint64_t bucket_count =
        std::max(kIndexBucketCountMin,
                 buckets_per_flag(flags.size()) * std::bit_ceil(std::uint64_t{flags.size()}));
    const auto is_too_long = [&](std::size_t position) {
        const int shift = 64 - std::countr_zero(bucket_count);
        return flags.hash_at(position) >> shift ==
               flags.hash_at(position + kIndexChainMax) >> shift;
    };
    for (std::size_t position = 0; position + kIndexChainMax < flags.size();) {
        if (!is_too_long(position)) {
            ++position;
        } else {
            bucket_count *= 2;
            BURGEE_ASSERT(bucket_count <= kIndexBucketCountMax &&
                          "the table refuses crowded hashes");
        }
    }
    return bucket_count;
}

/// Writes the sections front to back; each count in next_ is how much of its section is filled.
class Assembly {
public:
    Assembly(const FlagTable& flags, const SegmentTable& segments,
             std::span<const ActiveExperiment> active, std::span<const ExpiryRecord> expiries)
        : flags_(flags),
          segments_(segments),
          active_(active),
          expiries_(expiries),
          shared_(flags),
          bucket_count_(index_bucket_count_for(flags)),
          image_(sections()) {
        for (const auto& [name_hash, entry] : segments.entries()) {
            segment_hashes_.push_back(name_hash);
        }
    }

    std::vector<std::byte> run(SnapshotHeader header) && {
        take_sections();
        write_index();
        for (std::size_t position = 0; position < flags_.size(); ++position) {
            const std::size_t last = flags_.size() - 1;
            flags_.prefetch_slot(std::min(position + 2 * kLead, last));
            flags_.prefetch_parts(std::min(position + kLead, last));
            write_flag(flags_.slot_at(position), position);
        }
        for (const auto& [name_hash, entry] : segments_.entries()) {
            write_segment(entry.compiled);
        }
        for (const ActiveExperiment& entry : active_) {
            write_experiment(entry);
        }
        if (!expiries_.empty()) {
            std::ranges::copy(expiries_, image_.elements<ExpiryRecord>(SectionType::kExpiries));
        }
        header.flag_count = static_cast<std::uint32_t>(flags_.size());
        header.experiment_count = static_cast<std::uint32_t>(active_.size());
        return std::move(image_).finish(header);
    }

private:
    std::vector<SectionSize> sections() const {
        PartCounts totals = shared_.totals();
        totals += segments_.totals();
        for (const ActiveExperiment& entry : active_) {
            totals[Part::kStrings] += entry.experiment->name.size();
        }
        std::vector<SectionSize> sections{
            {SectionType::kIndex, (bucket_count_ + 1) * sizeof(std::uint32_t)},
            {SectionType::kFlags, flags_.size() * sizeof(FlagRecord)},
            {SectionType::kVariants, totals[Part::kVariants] * sizeof(VariantRecord)},
            {SectionType::kConfig, totals[Part::kConfig] * sizeof(ConfigField)},
            {SectionType::kExperiments, active_.size() * sizeof(ExperimentRecord)},
            {SectionType::kTargeting, totals[Part::kTargeting] * sizeof(TargetingRecord)},
            {SectionType::kSets, totals[Part::kSets] * sizeof(std::uint64_t)},
            {SectionType::kTextRefs, totals[Part::kTextRefs] * sizeof(TextRef)},
            {SectionType::kStrings, totals[Part::kStrings]}};
        const SectionSize later[] = {
            {SectionType::kInstructions, totals[Part::kInstructions] * sizeof(Instruction)},
            {SectionType::kRules, totals[Part::kRules] * sizeof(RuleRecord)},
            {SectionType::kRequirements, totals[Part::kRequirements] * sizeof(RequirementRecord)},
            {SectionType::kSlotRanges, totals[Part::kSlotRanges] * sizeof(SlotRangeRecord)},
            {SectionType::kAttributes, totals[Part::kAttributes] * sizeof(AttributeRecord)},
            {SectionType::kTables, totals[Part::kTables] * sizeof(std::uint16_t)},
            {SectionType::kSegments, segments_.entries().size() * sizeof(SegmentRecord)},
            {SectionType::kExpiries, expiries_.size_bytes()}};
        std::ranges::copy_if(later, std::back_inserter(sections),
                             [](const SectionSize& section) { return section.size_bytes > 0; });
        return sections;
    }

    void take_sections() {
        flag_records_ = image_.elements<FlagRecord>(SectionType::kFlags);
        variants_ = image_.elements<VariantRecord>(SectionType::kVariants);
        config_ = image_.elements<ConfigField>(SectionType::kConfig);
        experiments_ = image_.elements<ExperimentRecord>(SectionType::kExperiments);
        targeting_ = image_.elements<TargetingRecord>(SectionType::kTargeting);
        sets_ = image_.elements<std::uint64_t>(SectionType::kSets);
        text_refs_ = image_.elements<TextRef>(SectionType::kTextRefs);
        strings_ = image_.elements<char>(SectionType::kStrings);
        instructions_ = image_.elements<Instruction>(SectionType::kInstructions);
        rules_ = image_.elements<RuleRecord>(SectionType::kRules);
        requirements_ = image_.elements<RequirementRecord>(SectionType::kRequirements);
        slot_ranges_ = image_.elements<SlotRangeRecord>(SectionType::kSlotRanges);
        attributes_ = image_.elements<AttributeRecord>(SectionType::kAttributes);
        tables_ = image_.elements<std::uint16_t>(SectionType::kTables);
        segment_records_ = image_.elements<SegmentRecord>(SectionType::kSegments);
    }

    void write_index() {
        auto* first = image_.elements<std::uint32_t>(SectionType::kIndex);
        const int shift = 64 - std::countr_zero(bucket_count_);
        std::uint64_t bucket = 0;
        for (std::size_t position = 0; position < flags_.size(); ++position) {
            const std::uint64_t own = flags_.hash_at(position) >> shift;
            for (; bucket <= own; ++bucket) {
                first[bucket] = static_cast<std::uint32_t>(position);
            }
        }
        std::fill(first + bucket, first + bucket_count_ + 1,
                  static_cast<std::uint32_t>(flags_.size()));
    }

    /// How much of a part's section is filled, as the offsets and numbers of records have it.
    std::uint32_t base(Part part) const { return static_cast<std::uint32_t>(next_[part]); }

    void write_flag(const FlagTable::Slot& slot, std::size_t position) {
        FlagRecord record = slot.record;
        record.name_offset += base(Part::kStrings);
        record.experiment = experiment_of(record.name_hash);
        if (const std::size_t owner = shared_.owner_of(position); owner != position) {
            record.variants_first = flag_records_[owner].variants_first;
            flag_records_[position] = record;
            write_text(flags_.name(slot));
            return;
        }
        record.variants_first = record.variant_count > 0 ? base(Part::kVariants) : 0;
        record.targeting = slot.counts[Part::kTargeting] > 0 ? base(Part::kTargeting) + 1 : 0;
        flag_records_[position] = record;
        write_parts(flags_.parts(slot), slot.counts);
    }

    void write_segment(const CompiledSegment& segment) {
        SegmentRecord record = segment.record;
        record.name_offset += base(Part::kStrings);
        record.program_first += base(Part::kInstructions);
        record.attributes_first += base(Part::kAttributes);
        *segment_records_++ = record;
        std::vector<std::byte> parts;
        segment.for_each_part([&](const auto& part) {
            const auto bytes = std::as_bytes(std::span(part.data(), part.size()));
            parts.insert(parts.end(), bytes.begin(), bytes.end());
        });
        write_parts(parts.data(), segment.counts());
    }

    /// Copies parts that stand back to back in the order of Part, and moves what they refer to.
    void write_parts(const std::byte* from, const OwnPartCounts& counts) {
        take(from, variants_, Part::kVariants, counts, [&](VariantRecord& variant) {
            variant.name_offset += base(Part::kStrings);
            variant.json_offset += base(Part::kStrings);
            variant.config_first += base(Part::kConfig);
        });
        take(from, config_, Part::kConfig, counts, [&](ConfigField& field) {
            field.path_offset += base(Part::kStrings);
            if (field.type == static_cast<std::uint8_t>(ConfigType::kString)) {
                field.value += base(Part::kStrings);  // the low half, which cannot carry
            }
        });
        take(from, targeting_, Part::kTargeting, counts,
             [&](TargetingRecord& targeting) { move(targeting); });
        take(from, sets_, Part::kSets, counts, [](std::uint64_t&) {});
        take(from, text_refs_, Part::kTextRefs, counts,
             [&](TextRef& text) { text.offset += base(Part::kStrings); });
        take(from, instructions_, Part::kInstructions, counts,
             [&](Instruction& step) { move(step); });
        take(from, rules_, Part::kRules, counts,
             [&](RuleRecord& rule) { rule.name_offset += base(Part::kStrings); });
        take(from, requirements_, Part::kRequirements, counts, [&](RequirementRecord& requirement) {
            requirement.flag_offset += base(Part::kStrings);
            requirement.variant_offset += base(Part::kStrings);
        });
        take(from, slot_ranges_, Part::kSlotRanges, counts, [](SlotRangeRecord&) {});
        take(from, attributes_, Part::kAttributes, counts,
             [&](AttributeRecord& attribute) { attribute.name_offset += base(Part::kStrings); });
        take(from, tables_, Part::kTables, counts, [](std::uint16_t&) {});
        take(from, strings_, Part::kStrings, counts, [](char&) {});
        next_ += counts;
    }

    template <typename Element, typename Move>
    void take(const std::byte*& from, Element* section, Part part, const OwnPartCounts& counts,
              Move move) {
        const std::uint32_t count = counts[part];
        if (count == 0) {
            return;
        }
        Element* to = section + next_[part];
        std::memcpy(to, from, count * sizeof(Element));
        from += count * sizeof(Element);
        std::for_each(to, to + count, move);
    }

    void move(TargetingRecord& targeting) const {
        targeting.include_first += base(Part::kSets);
        targeting.exclude_first += base(Part::kSets);
        targeting.bucket_by_first += base(Part::kTextRefs);
        targeting.salt.offset += base(Part::kStrings);
        targeting.program_first += base(Part::kInstructions);
        targeting.rules_first += base(Part::kRules);
        targeting.requirements_first += base(Part::kRequirements);
        targeting.slots_first += base(Part::kSlotRanges);
        targeting.attributes_first += base(Part::kAttributes);
        targeting.layer_name.offset += targeting.has_layer != 0 ? base(Part::kStrings) : 0;
    }

    void move(Instruction& step) const {
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
                step.operand += base(Part::kStrings);  // the low half, which cannot carry
                break;
            case Operation::kTextIn:
            case Operation::kShortTextIn:
                step.operand += base(Part::kSets);
                break;
            case Operation::kRegex:
                step.operand += base(Part::kTables);
                break;
            case Operation::kSegment:
                step.operand = segment_number(step.operand);
                break;
            default:
                break;
        }
    }

    std::uint64_t segment_number(std::uint64_t name_hash) const {
        const auto found = std::ranges::lower_bound(segment_hashes_, name_hash);
        BURGEE_ASSERT(found != segment_hashes_.end() && *found == name_hash &&
                      "the builder keeps what flags name");
        return static_cast<std::uint64_t>(found - segment_hashes_.begin());
    }

    /// Number + 1 of the flag's experiment; both lists ascend, so one pass serves all flags.
    std::uint32_t experiment_of(std::uint64_t name_hash) {
        while (next_active_ < active_.size() && active_[next_active_].flag_name_hash < name_hash) {
            ++next_active_;
        }
        const bool has_one =
            next_active_ < active_.size() && active_[next_active_].flag_name_hash == name_hash;
        return has_one ? static_cast<std::uint32_t>(next_active_ + 1) : 0;
    }

    void write_experiment(const ActiveExperiment& entry) {
        const ExperimentDefinition& experiment = *entry.experiment;
        ExperimentRecord& record = *experiments_++;
        record.id = experiment.id;
        record.start_unix_ms = experiment.start_unix_ms;
        record.end_unix_ms = experiment.end_unix_ms.value_or(INT64_MAX);
        record.flag_name_hash = entry.flag_name_hash;
        record.name_offset = base(Part::kStrings);
        record.name_size = static_cast<std::uint32_t>(experiment.name.size());
        record.phase = experiment.phase;
        write_text(experiment.name);
    }

    void write_text(std::string_view text) {
        std::ranges::copy(text, strings_ + next_[Part::kStrings]);
        next_[Part::kStrings] += text.size();
    }

    const FlagTable& flags_;
    const SegmentTable& segments_;
    std::vector<std::uint64_t> segment_hashes_;  ///< ascending, as their records stand
    std::span<const ActiveExperiment> active_;
    std::span<const ExpiryRecord> expiries_;
    SharedVariants shared_;
    std::uint64_t bucket_count_;
    SnapshotImage image_;
    PartCounts next_;
    std::size_t next_active_ = 0;
    FlagRecord* flag_records_ = nullptr;
    VariantRecord* variants_ = nullptr;
    ConfigField* config_ = nullptr;
    ExperimentRecord* experiments_ = nullptr;
    TargetingRecord* targeting_ = nullptr;
    std::uint64_t* sets_ = nullptr;
    TextRef* text_refs_ = nullptr;
    char* strings_ = nullptr;
    Instruction* instructions_ = nullptr;
    RuleRecord* rules_ = nullptr;
    RequirementRecord* requirements_ = nullptr;
    SlotRangeRecord* slot_ranges_ = nullptr;
    AttributeRecord* attributes_ = nullptr;
    std::uint16_t* tables_ = nullptr;
    SegmentRecord* segment_records_ = nullptr;
};

}  // namespace

std::vector<std::byte> assemble_snapshot(const FlagTable& flags, const SegmentTable& segments,
                                         std::span<const ActiveExperiment> active,
                                         std::span<const ExpiryRecord> expiries,
                                         SnapshotHeader header) {
    return Assembly(flags, segments, active, expiries).run(header);
}

}  // namespace burgee
