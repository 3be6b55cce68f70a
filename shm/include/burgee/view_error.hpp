#pragma once

// Why a reader refuses a snapshot, each cause once. Numbers are shown by tools, never stored.

#include <cstdint>

namespace burgee {

enum class ViewError : std::uint8_t {
    kNone = 0,
    kTooShort,          ///< the bytes end before the header, the table or the announced size
    kMisaligned,        ///< the bytes do not start at a multiple of 8
    kNotASnapshot,      ///< other magic
    kOtherLayout,       ///< written for another layout_major
    kOtherEndian,       ///< written on a machine of other byte order
    kTooLarge,          ///< over kSnapshotSizeMax, or bytes behind the announced size
    kHeaderChecksum,    ///< header or section table were damaged
    kHeaderField,       ///< generation 0, or no section
    kSectionCount,      ///< over kSectionCountMax
    kSectionBounds,     ///< a section leaves the file, overlaps another or is out of order
    kSectionAlignment,  ///< a section does not start at a multiple of kSectionAlignment
    kSectionRepeated,   ///< two sections of one type
    kSectionMissing,    ///< index, flags or strings are not there
    kMustUnderstand,    ///< an unknown section that forbids being skipped
    kElementSize,       ///< a section is no whole number of elements
    kIndexShape,        ///< index buckets are no power of two, or too many
    kCounts,            ///< header and sections disagree, or over kFlagCountMax
    kBodyChecksum,      ///< a section's bytes were damaged
    kContentHash,       ///< the content hash is not that of the section checksums
    kPadding,           ///< bytes between sections are not zero
    kFlagOrder,         ///< flags are not strictly ascending by name_hash
    kIndexOrder,        ///< the index misses a flag, or a bucket is over kIndexChainMax
    kFlagRecord,        ///< a flag's field is out of range or refers to nothing
    kVariantRecord,     ///< likewise of a variant; or its ranges leave a gap
    kConfigRecord,      ///< likewise of a config field; or paths are not ascending
    kExperimentRecord,  ///< likewise of an experiment
    kTargetingRecord,   ///< likewise of a targeting record; or its sets are not ascending
    kRuleRecord,        ///< a rule, requirement or slot is out of range, or a program does not end
    kSegmentRecord,     ///< likewise of a segment; or segments are not ascending
    kExpiryRecord,      ///< an expiry is of no flag; or they are not ascending by flag
};
inline constexpr std::uint8_t kViewErrorCount = 31;

/// One line for people, without a full stop.
inline const char* describe(ViewError error) noexcept {
    switch (error) {
        case ViewError::kNone:
            return "no error";
        case ViewError::kTooShort:
            return "the snapshot is cut short";
        case ViewError::kMisaligned:
            return "the snapshot's bytes are not aligned to 8";
        case ViewError::kNotASnapshot:
            return "this is not a burgee snapshot";
        case ViewError::kOtherLayout:
            return "the snapshot has another layout version";
        case ViewError::kOtherEndian:
            return "the snapshot has another byte order";
        case ViewError::kTooLarge:
            return "the snapshot is larger than it says or than is allowed";
        case ViewError::kHeaderChecksum:
            return "the snapshot's header is damaged";
        case ViewError::kHeaderField:
            return "the snapshot's header holds an impossible value";
        case ViewError::kSectionCount:
            return "the snapshot has too many sections";
        case ViewError::kSectionBounds:
            return "a section lies outside the file or over another";
        case ViewError::kSectionAlignment:
            return "a section is not aligned to 64 bytes";
        case ViewError::kSectionRepeated:
            return "a section appears twice";
        case ViewError::kSectionMissing:
            return "a necessary section is missing";
        case ViewError::kMustUnderstand:
            return "the snapshot needs a newer reader";
        case ViewError::kElementSize:
            return "a section holds a broken number of elements";
        case ViewError::kIndexShape:
            return "the index is no power of two";
        case ViewError::kCounts:
            return "the header's counts disagree with the sections";
        case ViewError::kBodyChecksum:
            return "a section is damaged";
        case ViewError::kContentHash:
            return "the content hash disagrees with the sections";
        case ViewError::kPadding:
            return "bytes between sections are not zero";
        case ViewError::kFlagOrder:
            return "flags are out of order";
        case ViewError::kIndexOrder:
            return "the index does not lead to every flag";
        case ViewError::kFlagRecord:
            return "a flag refers outside its section";
        case ViewError::kVariantRecord:
            return "a variant is out of range";
        case ViewError::kConfigRecord:
            return "a configuration field is out of range";
        case ViewError::kExperimentRecord:
            return "an experiment is out of range";
        case ViewError::kTargetingRecord:
            return "a targeting record is out of range";
        case ViewError::kRuleRecord:
            return "a rule is out of range or leads nowhere";
        case ViewError::kSegmentRecord:
            return "a segment is out of range or leads nowhere";
        case ViewError::kExpiryRecord:
            return "an expiry is of no flag";
    }
    return "unknown error";
}

}  // namespace burgee
