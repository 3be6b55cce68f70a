#include "shm/snapshot_assembly.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

#include <burgee/snapshot_view.hpp>

#include "shm/snapshot_image.hpp"

namespace burgee {
namespace {

// In a large set four buckets a flag let seven of eight lookups end at the first record they read, which
// the processor then guesses right; a small set is cached whole and stays small. Both measured.
constexpr std::uint64_t kBucketsPerFlag = 4;
constexpr std::size_t kCrowdedFlagCount = 256;
static_assert(kBucketsPerFlag * kFlagCountMax <= kIndexBucketCountMax);

/// Doubled until find() reaches every flag of every bucket.
std::uint64_t index_bucket_count_for(const FlagTable& flags) {
    const std::uint64_t spread = flags.size() > kCrowdedFlagCount ? kBucketsPerFlag : 1;
    std::uint64_t bucket_count =
        std::max(kIndexBucketCountMin, spread * std::bit_ceil(std::uint64_t{flags.size()}));
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
            assert(bucket_count <= kIndexBucketCountMax && "the table refuses crowded hashes");
        }
    }
    return bucket_count;
}

PartCounts totals_with(const FlagTable& flags, std::span<const ActiveExperiment> active) {
    PartCounts totals = flags.totals();
    for (const ActiveExperiment& entry : active) {
        totals.strings += entry.experiment->name.size();
    }
    return totals;
}

/// Writes the sections front to back; each next_ number is how much of its section is filled.
class Assembly {
public:
    Assembly(const FlagTable& flags, std::span<const ActiveExperiment> active)
        : flags_(flags),
          active_(active),
          bucket_count_(index_bucket_count_for(flags)),
          image_(sections()) {}

    std::vector<std::byte> run(SnapshotHeader header) && {
        take_sections();
        write_index();
        for (std::size_t position = 0; position < flags_.size(); ++position) {
            write_flag(flags_.slot_at(position), position);
        }
        for (const ActiveExperiment& entry : active_) {
            write_experiment(entry);
        }
        header.flag_count = static_cast<std::uint32_t>(flags_.size());
        header.experiment_count = static_cast<std::uint32_t>(active_.size());
        return std::move(image_).finish(header);
    }

private:
    std::vector<SectionSize> sections() const {
        const PartCounts totals = totals_with(flags_, active_);
        return {{SectionType::kIndex, (bucket_count_ + 1) * sizeof(std::uint32_t)},
                {SectionType::kFlags, flags_.size() * sizeof(FlagRecord)},
                {SectionType::kVariants, totals.variants * sizeof(VariantRecord)},
                {SectionType::kConfig, totals.config * sizeof(ConfigField)},
                {SectionType::kExperiments, active_.size() * sizeof(ExperimentRecord)},
                {SectionType::kTargeting, totals.targeting * sizeof(TargetingRecord)},
                {SectionType::kSets, totals.sets * sizeof(std::uint64_t)},
                {SectionType::kTextRefs, totals.text_refs * sizeof(TextRef)},
                {SectionType::kStrings, totals.strings}};
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

    void write_flag(const FlagTable::Slot& slot, std::size_t position) {
        FlagRecord record = slot.record;
        record.name_offset += static_cast<std::uint32_t>(next_.strings);
        record.variants_first =
            record.variant_count > 0 ? static_cast<std::uint32_t>(next_.variants) : 0;
        record.targeting =
            slot.counts.targeting > 0 ? static_cast<std::uint32_t>(next_.targeting + 1) : 0;
        record.experiment = experiment_of(record.name_hash);
        flag_records_[position] = record;
        const std::byte* from = flags_.parts(slot);
        from = copy_variants(from, slot.counts.variants);
        from = copy_config(from, slot.counts.config);
        from = copy_targeting(from, slot.counts.targeting);
        from = copy(from, sets_ + next_.sets, slot.counts.sets);
        from = copy_text_refs(from, slot.counts.text_refs);
        copy(from, strings_ + next_.strings, slot.counts.strings);
        next_ += slot.counts;
    }

    template <typename Element>
    static const std::byte* copy(const std::byte* from, Element* to, std::uint64_t count) {
        if (count > 0) {
            std::memcpy(to, from, count * sizeof(Element));
        }
        return from + count * sizeof(Element);
    }

    const std::byte* copy_variants(const std::byte* from, std::uint64_t count) {
        VariantRecord* to = variants_ + next_.variants;
        from = copy(from, to, count);
        for (std::uint64_t number = 0; number < count; ++number) {
            to[number].name_offset += static_cast<std::uint32_t>(next_.strings);
            to[number].json_offset += static_cast<std::uint32_t>(next_.strings);
            to[number].config_first += static_cast<std::uint32_t>(next_.config);
        }
        return from;
    }

    const std::byte* copy_config(const std::byte* from, std::uint64_t count) {
        ConfigField* to = config_ + next_.config;
        from = copy(from, to, count);
        for (std::uint64_t number = 0; number < count; ++number) {
            to[number].path_offset += static_cast<std::uint32_t>(next_.strings);
            if (to[number].type == static_cast<std::uint8_t>(ConfigType::kString)) {
                to[number].value += next_.strings;  // the offset is the low half and cannot carry
            }
        }
        return from;
    }

    const std::byte* copy_targeting(const std::byte* from, std::uint64_t count) {
        TargetingRecord* to = targeting_ + next_.targeting;
        from = copy(from, to, count);
        for (std::uint64_t number = 0; number < count; ++number) {
            to[number].include_first += static_cast<std::uint32_t>(next_.sets);
            to[number].exclude_first += static_cast<std::uint32_t>(next_.sets);
            to[number].bucket_by_first += static_cast<std::uint32_t>(next_.text_refs);
            to[number].salt.offset += static_cast<std::uint32_t>(next_.strings);
        }
        return from;
    }

    const std::byte* copy_text_refs(const std::byte* from, std::uint64_t count) {
        TextRef* to = text_refs_ + next_.text_refs;
        from = copy(from, to, count);
        for (std::uint64_t number = 0; number < count; ++number) {
            to[number].offset += static_cast<std::uint32_t>(next_.strings);
        }
        return from;
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
        record.name_offset = static_cast<std::uint32_t>(next_.strings);
        record.name_size = static_cast<std::uint32_t>(experiment.name.size());
        record.phase = experiment.phase;
        std::ranges::copy(experiment.name, strings_ + next_.strings);
        next_.strings += experiment.name.size();
    }

    const FlagTable& flags_;
    std::span<const ActiveExperiment> active_;
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
};

}  // namespace

std::vector<std::byte> assemble_snapshot(const FlagTable& flags,
                                         std::span<const ActiveExperiment> active,
                                         SnapshotHeader header) {
    return Assembly(flags, active).run(header);
}

}  // namespace burgee
