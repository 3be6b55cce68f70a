#pragma once

// A checked view of a snapshot's bytes: what a client asks, what the publisher reads back, what
// `burgee dump` prints. It owns nothing, allocates nothing, throws nothing and never aborts.
//
// Invariants, whatever bytes it was given:
//   1. open() either refuses, or every section lies inside the bytes, aligned, apart from the
//   others.
//   2. No accessor reads outside its section: numbers and offsets are checked where they are used,
//      with subtractions, because sums overflow.
//   3. Every loop ends after a bound that the reader, not the file, has chosen.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <burgee/checksum.hpp>
#include <burgee/fingerprint_set.hpp>
#include <burgee/rule_layout.hpp>
#include <burgee/snapshot_layout.hpp>
#include <burgee/view_error.hpp>

namespace burgee {

namespace detail {
inline constexpr SnapshotHeader kEmptyHeader{};
inline constexpr std::uint32_t kEmptyIndex[3] = {0, 0, 0};
}  // namespace detail

/// Sections start at multiples of this: one cache line, so that a FlagRecord never spans two.
inline constexpr std::uint64_t kSectionAlignment = 64;
/// Index buckets; 2 is the least whose shift is defined, 2^22 four for each of kFlagCountMax flags.
inline constexpr std::uint64_t kIndexBucketCountMin = 2;
inline constexpr std::uint64_t kIndexBucketCountMax = 1ULL << 22U;

/// Reads one snapshot. A default-constructed view is an empty set of flags.
///
/// Thread safety: immutable after open(); any number of threads may read. The bytes must outlive
/// the view and every pointer and text it hands out.
class SnapshotView {
public:
    SnapshotView() noexcept = default;

    /// Attaches to `size_bytes` bytes at `data` and, if they are a snapshot that this reader
    /// understands, writes the view to `out`; otherwise `out` stays as it was.
    ///
    /// @param data  aligned to 8 bytes; a mapping is.
    /// @return      kNone, or the first check that failed. Section bodies are not read, so that the
    ///              cost does not depend on the number of flags: see check_bodies().
    /// Cost: about 1 microsecond.
    static ViewError open(const std::byte* data, std::uint64_t size_bytes,
                          SnapshotView& out) noexcept;

    /// Reads everything: checksums, zero padding, order of flags and index, every reference.
    /// @return  kNone, or the first check that failed.
    /// Cost: linear; about 3 ms for 100 000 flags.
    ViewError check_bodies() const noexcept;

    /// The flag whose hash64(name) is `name_hash`, or null. Cost: about 6 ns when cached.
    const FlagRecord* find(std::uint64_t name_hash) const noexcept {
        const std::uint32_t* bucket = index_ + (name_hash >> index_shift_);
        const std::uint64_t first = bucket[0];
        // Most lookups end here, before anything about the bucket's end is asked.
        if (first < flag_count_ && flags_[first].name_hash == name_hash) {
            return flags_ + first;
        }
        std::uint64_t end = bucket[1];
        end = end < flag_count_ ? end : flag_count_;
        end = end < first + kIndexChainMax ? end : first + kIndexChainMax;
        for (std::uint64_t number = first + 1; number < end; ++number) {
            if (flags_[number].name_hash == name_hash) {
                return flags_ + number;
            }
        }
        return nullptr;
    }

    /// Elements by number, counted from 0; null when the section holds no such element. A record's
    /// field that is stored "plus one" must be reduced by the caller.
    const FlagRecord* flag(std::uint64_t number) const noexcept {
        return element(flags_, flag_count_, number);
    }
    const VariantRecord* variant(std::uint64_t number) const noexcept {
        return element(variants_, variant_count_, number);
    }
    const ConfigField* config_field(std::uint64_t number) const noexcept {
        return element(config_, config_count_, number);
    }
    const ExperimentRecord* experiment(std::uint64_t number) const noexcept {
        return element(experiments_, experiment_count_, number);
    }
    const TargetingRecord* targeting(std::uint64_t number) const noexcept {
        return element(targeting_, targeting_count_, number);
    }
    const TextRef* text_ref(std::uint64_t number) const noexcept {
        return element(text_refs_, text_ref_count_, number);
    }
    const std::uint64_t* set_entry(std::uint64_t number) const noexcept {
        return element(sets_, set_entry_count_, number);
    }
    const SegmentRecord* segment(std::uint64_t number) const noexcept {
        return element(segments_, segment_count_, number);
    }
    const ExpiryRecord* expiry(std::uint64_t number) const noexcept {
        return element(expiries_, expiry_count_, number);
    }

    /// `count` elements from number `first` on; null when they are not all inside, or none.
    const Instruction* program(std::uint64_t first, std::uint64_t count) const noexcept {
        return run_of(instructions_, instruction_count_, first, count);
    }
    const RuleRecord* rules(std::uint64_t first, std::uint64_t count) const noexcept {
        return run_of(rules_, rule_count_, first, count);
    }
    const RequirementRecord* requirements(std::uint64_t first, std::uint64_t count) const noexcept {
        return run_of(requirements_, requirement_count_, first, count);
    }
    const SlotRangeRecord* slot_ranges(std::uint64_t first, std::uint64_t count) const noexcept {
        return run_of(slot_ranges_, slot_range_count_, first, count);
    }
    const AttributeRecord* attributes(std::uint64_t first, std::uint64_t count) const noexcept {
        return run_of(attributes_, attribute_count_, first, count);
    }
    const std::uint64_t* set_entries(std::uint64_t first, std::uint64_t count) const noexcept {
        return run_of(sets_, set_entry_count_, first, count);
    }
    const std::uint16_t* table(std::uint64_t first, std::uint64_t count) const noexcept {
        return run_of(tables_, table_word_count_, first, count);
    }

    /// `size` bytes at `offset` of the strings; empty when they are not all inside.
    std::string_view text(std::uint64_t offset, std::uint64_t size) const noexcept {
        if (offset > strings_size_ || size > strings_size_ - offset) {
            return {};
        }
        return {strings_ + offset, static_cast<std::size_t>(size)};
    }
    std::string_view text(TextRef ref) const noexcept { return text(ref.offset, ref.size); }
    std::string_view name(const FlagRecord& flag) const noexcept {
        return text(flag.name_offset, flag.name_size);
    }
    std::string_view name(const VariantRecord& variant) const noexcept {
        return text(variant.name_offset, variant.name_size);
    }

    /// Whether `hash` is one of the `count` set entries from number `first` on. Entries beyond the
    /// section do not exist. Cost: see fingerprint_set.hpp.
    bool set_contains(std::uint64_t first, std::uint64_t count, std::uint64_t hash) const noexcept {
        if (first >= set_entry_count_) {
            return false;
        }
        const std::uint64_t room = set_entry_count_ - first;
        return detail::sorted_contains(sets_ + first, count < room ? count : room, hash);
    }

    const SnapshotHeader& header() const noexcept { return *header_; }
    std::uint64_t flag_count() const noexcept { return flag_count_; }
    std::uint64_t variant_count() const noexcept { return variant_count_; }
    std::uint64_t config_count() const noexcept { return config_count_; }
    std::uint64_t experiment_count() const noexcept { return experiment_count_; }
    std::uint64_t targeting_count() const noexcept { return targeting_count_; }
    std::uint64_t set_entry_count() const noexcept { return set_entry_count_; }
    std::uint64_t text_ref_count() const noexcept { return text_ref_count_; }
    std::uint64_t segment_count() const noexcept { return segment_count_; }
    std::uint64_t expiry_count() const noexcept { return expiry_count_; }
    std::uint64_t instruction_count() const noexcept { return instruction_count_; }
    std::uint64_t rule_count() const noexcept { return rule_count_; }
    std::uint64_t table_word_count() const noexcept { return table_word_count_; }
    std::uint64_t strings_size() const noexcept { return strings_size_; }
    std::uint64_t index_bucket_count() const noexcept { return 1ULL << (64U - index_shift_); }

    /// Entry of the section table, or null; for `burgee dump`.
    const SectionEntry* section(std::uint64_t number) const noexcept {
        return element(sections_, header_->section_count, number);
    }

private:
    friend class SnapshotBodyCheck;
    friend class TargetingBodyCheck;

    template <typename Record>
    static const Record* element(const Record* records, std::uint64_t count,
                                 std::uint64_t number) noexcept {
        return number < count ? records + number : nullptr;
    }

    template <typename Record>
    static const Record* run_of(const Record* records, std::uint64_t count, std::uint64_t first,
                                std::uint64_t wanted) noexcept {
        const bool is_inside = first < count && wanted <= count - first;
        return is_inside && wanted > 0 ? records + first : nullptr;
    }

    template <typename Record>
    static const Record* at(const std::byte* data, std::uint64_t offset) noexcept {
        return static_cast<const Record*>(static_cast<const void*>(data + offset));
    }

    ViewError check_header() const noexcept;
    ViewError take_sections(const std::byte* data) noexcept;
    ViewError take_section(const std::byte* data, const SectionEntry& entry) noexcept;
    ViewError take_index(const std::byte* data, const SectionEntry& entry) noexcept;

    template <typename Record>
    static ViewError take_records(const std::byte* data, const SectionEntry& entry,
                                  const Record*& records, std::uint64_t& count) noexcept {
        if (entry.size_bytes % sizeof(Record) != 0) {
            return ViewError::kElementSize;
        }
        records = at<Record>(data, entry.offset);
        count = entry.size_bytes / sizeof(Record);
        return ViewError::kNone;
    }

    // What a check reads comes first, so that it shares a cache line.
    const std::uint32_t* index_ = detail::kEmptyIndex;
    const FlagRecord* flags_ = nullptr;
    std::uint64_t flag_count_ = 0;
    std::uint64_t index_shift_ = 63;
    const VariantRecord* variants_ = nullptr;
    std::uint64_t variant_count_ = 0;
    const char* strings_ = nullptr;
    std::uint64_t strings_size_ = 0;
    const ConfigField* config_ = nullptr;
    std::uint64_t config_count_ = 0;
    const ExperimentRecord* experiments_ = nullptr;
    std::uint64_t experiment_count_ = 0;
    const TargetingRecord* targeting_ = nullptr;
    std::uint64_t targeting_count_ = 0;
    const std::uint64_t* sets_ = nullptr;
    std::uint64_t set_entry_count_ = 0;
    const Instruction* instructions_ = nullptr;
    std::uint64_t instruction_count_ = 0;
    const RuleRecord* rules_ = nullptr;
    std::uint64_t rule_count_ = 0;
    const SegmentRecord* segments_ = nullptr;
    std::uint64_t segment_count_ = 0;
    const ExpiryRecord* expiries_ = nullptr;
    std::uint64_t expiry_count_ = 0;
    const RequirementRecord* requirements_ = nullptr;
    std::uint64_t requirement_count_ = 0;
    const SlotRangeRecord* slot_ranges_ = nullptr;
    std::uint64_t slot_range_count_ = 0;
    const std::uint16_t* tables_ = nullptr;
    std::uint64_t table_word_count_ = 0;
    const AttributeRecord* attributes_ = nullptr;
    std::uint64_t attribute_count_ = 0;
    const TextRef* text_refs_ = nullptr;
    std::uint64_t text_ref_count_ = 0;
    const SectionEntry* sections_ = nullptr;
    const SnapshotHeader* header_ = &detail::kEmptyHeader;
};

/// The checksum that SnapshotHeader::header_checksum must hold.
/// @param sections  the section table, `header.section_count` entries of it.
inline std::uint64_t header_checksum(const SnapshotHeader& header,
                                     const SectionEntry* sections) noexcept {
    const std::uint64_t seed = hash64(&header, offsetof(SnapshotHeader, header_checksum));
    return hash64(sections, header.section_count * sizeof(SectionEntry), seed);
}

}  // namespace burgee

#include <burgee/detail/snapshot_attach.hpp>
#include <burgee/detail/snapshot_body_check.hpp>
