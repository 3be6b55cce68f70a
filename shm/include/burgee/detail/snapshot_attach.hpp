#pragma once

// How SnapshotView attaches: the checks of header and section table, in constant time. Included by
// snapshot_view.hpp alone.

#include <burgee/snapshot_view.hpp>

namespace burgee {

inline ViewError SnapshotView::open(const std::byte* data, std::uint64_t size_bytes,
                                    SnapshotView& out) noexcept {
    if (data == nullptr || size_bytes < sizeof(SnapshotHeader)) {
        return ViewError::kTooShort;
    }
    if (reinterpret_cast<std::uintptr_t>(data) % alignof(SnapshotHeader) != 0) {
        return ViewError::kMisaligned;
    }
    SnapshotView view;
    view.header_ = at<SnapshotHeader>(data, 0);
    view.sections_ = at<SectionEntry>(data, sizeof(SnapshotHeader));
    if (const ViewError error = view.check_header(); error != ViewError::kNone) {
        return error;
    }
    const SnapshotHeader& header = *view.header_;
    if (header.size_bytes > size_bytes ||
        header.section_count * sizeof(SectionEntry) > size_bytes - sizeof(SnapshotHeader)) {
        return ViewError::kTooShort;
    }
    if (header.size_bytes < size_bytes || size_bytes > kSnapshotSizeMax) {
        return ViewError::kTooLarge;
    }
    if (header.header_checksum != header_checksum(header, view.sections_)) {
        return ViewError::kHeaderChecksum;
    }
    if (const ViewError error = view.take_sections(data); error != ViewError::kNone) {
        return error;
    }
    out = view;
    return ViewError::kNone;
}

/// What can be said about the header alone, in the order that gives the most helpful answer: a
/// foreign or newer file is named as such before its checksum, whose place we would only guess.
inline ViewError SnapshotView::check_header() const noexcept {
    if (header_->magic != kSnapshotMagic) {
        return ViewError::kNotASnapshot;
    }
    if (header_->endian_tag != kEndianTag) {
        return ViewError::kOtherEndian;
    }
    if (header_->layout_major != kLayoutMajor) {
        return ViewError::kOtherLayout;
    }
    if (header_->section_count > kSectionCountMax) {
        return ViewError::kSectionCount;
    }
    if (header_->section_count == 0 || header_->generation == 0) {
        return ViewError::kHeaderField;
    }
    return ViewError::kNone;
}

inline ViewError SnapshotView::take_sections(const std::byte* data) noexcept {
    std::uint64_t end = sizeof(SnapshotHeader) + header_->section_count * sizeof(SectionEntry);
    std::uint32_t types_seen = 0;  // bit n: section type n
    for (std::uint32_t number = 0; number < header_->section_count; ++number) {
        const SectionEntry& entry = sections_[number];
        if (entry.offset % kSectionAlignment != 0) {
            return ViewError::kSectionAlignment;
        }
        if (entry.offset < end || entry.offset > header_->size_bytes ||
            entry.size_bytes > header_->size_bytes - entry.offset) {
            return ViewError::kSectionBounds;
        }
        end = entry.offset + entry.size_bytes;
        const std::uint32_t bit = entry.type < 32U ? 1U << entry.type : 0U;
        if ((types_seen & bit) != 0) {
            return ViewError::kSectionRepeated;
        }
        types_seen |= bit;
        if (const ViewError error = take_section(data, entry); error != ViewError::kNone) {
            return error;
        }
    }
    constexpr std::uint32_t kNeeded = 1U << static_cast<std::uint32_t>(SectionType::kIndex) |
                                      1U << static_cast<std::uint32_t>(SectionType::kFlags) |
                                      1U << static_cast<std::uint32_t>(SectionType::kStrings);
    if ((types_seen & kNeeded) != kNeeded) {
        return ViewError::kSectionMissing;
    }
    if (flag_count_ != header_->flag_count || flag_count_ > kFlagCountMax ||
        experiment_count_ != header_->experiment_count) {
        return ViewError::kCounts;
    }
    return ViewError::kNone;
}

inline ViewError SnapshotView::take_section(const std::byte* data,
                                            const SectionEntry& entry) noexcept {
    switch (static_cast<SectionType>(entry.type)) {
        case SectionType::kIndex:
            return take_index(data, entry);
        case SectionType::kFlags:
            return take_records(data, entry, flags_, flag_count_);
        case SectionType::kVariants:
            return take_records(data, entry, variants_, variant_count_);
        case SectionType::kConfig:
            return take_records(data, entry, config_, config_count_);
        case SectionType::kExperiments:
            return take_records(data, entry, experiments_, experiment_count_);
        case SectionType::kTargeting:
            return take_records(data, entry, targeting_, targeting_count_);
        case SectionType::kSets:
            return take_records(data, entry, sets_, set_entry_count_);
        case SectionType::kTextRefs:
            return take_records(data, entry, text_refs_, text_ref_count_);
        case SectionType::kStrings:
            return take_records(data, entry, strings_, strings_size_);
        case SectionType::kInstructions:
            return take_records(data, entry, instructions_, instruction_count_);
        case SectionType::kRules:
            return take_records(data, entry, rules_, rule_count_);
        case SectionType::kRequirements:
            return take_records(data, entry, requirements_, requirement_count_);
        case SectionType::kSlotRanges:
            return take_records(data, entry, slot_ranges_, slot_range_count_);
        case SectionType::kAttributes:
            return take_records(data, entry, attributes_, attribute_count_);
        case SectionType::kTables:
            return take_records(data, entry, tables_, table_word_count_);
        case SectionType::kSegments:
            return take_records(data, entry, segments_, segment_count_);
        case SectionType::kExpiries:
            return take_records(data, entry, expiries_, expiry_count_);
    }
    return (entry.flags & kSectionMustUnderstand) != 0 ? ViewError::kMustUnderstand
                                                       : ViewError::kNone;
}

inline ViewError SnapshotView::take_index(const std::byte* data,
                                          const SectionEntry& entry) noexcept {
    std::uint64_t entry_count = 0;
    const std::uint32_t* first = nullptr;
    if (const ViewError error = take_records(data, entry, first, entry_count);
        error != ViewError::kNone) {
        return error;
    }
    const std::uint64_t bucket_count = entry_count - 1;  // wraps to a refused value when empty
    if (bucket_count < kIndexBucketCountMin || bucket_count > kIndexBucketCountMax ||
        (bucket_count & (bucket_count - 1)) != 0) {
        return ViewError::kIndexShape;
    }
    std::uint64_t shift = 64;
    for (std::uint64_t rest = bucket_count; rest > 1; rest >>= 1U) {
        --shift;
    }
    index_ = first;
    index_shift_ = shift;
    return ViewError::kNone;
}

}  // namespace burgee
