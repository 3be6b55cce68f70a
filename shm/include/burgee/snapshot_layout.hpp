#pragma once

// A snapshot's bytes: one immutable file `snap.L<major>.G<16 hex digits>` per generation.
// The builder writes it, the view reads it, `burgee dump` prints it; docs/snapshot_format.md tells
// the whole story. Tables, structs and proofs move together with kLayoutMajor.
//
// Rules: little endian, fixed width, offsets and never pointers, no padding, no bool. A text is
// (offset, size) into the strings section. A "number" is an index into a section's array, stored
// plus one where 0 must mean "none". Hostile bytes may give wrong answers, never a crash: every
// offset is checked where it is used and every loop has a bound from this page.

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace burgee {

inline constexpr std::array<char, 8> kSnapshotMagic{'B', 'U', 'R', 'G', 'E', 'E', 'S', '1'};
inline constexpr std::uint32_t kLayoutMajor = 1;
inline constexpr std::uint32_t kLayoutMinor = 0;
inline constexpr std::uint32_t kEndianTag = 0x01020304;

// Bounds. The builder refuses what exceeds them, naming the limit; the view trusts nothing larger.
inline constexpr std::uint32_t kFlagCountMax = 1'048'576;      // 2^20: "a million flags" with room
inline constexpr std::uint32_t kSectionCountMax = 32;          // chosen by feel: 8 exist today
inline constexpr std::uint32_t kFlagNameSizeMax = 256;         // bytes of strict UTF-8
inline constexpr std::uint32_t kVariantCountMax = 64;          // per flag
inline constexpr std::uint32_t kBucketByCountMax = 8;          // attributes tried for the unit
inline constexpr std::uint32_t kIndexChainMax = 64;            // flags in one index bucket
inline constexpr std::uint64_t kSnapshotSizeMax = 1ULL << 32;  // text offsets are 32 bits

inline constexpr std::uint32_t kBucketCount = 1'000'000;     // buckets of an xxh3 flag
inline constexpr std::uint32_t kLegacyBucketCount = 10'000;  // hundredths of a legacy_md5 flag

/// Why an answer is what it is, in the order in which evaluation decides. Stored in snapshots and
/// shown to people: numbers are never reused.
enum class Reason : std::uint8_t {
    kNotReady = 0,
    kFlagNotFound = 1,
    kDisabled = 2,
    kExpired = 3,
    kPrerequisiteFailed = 4,
    kExcluded = 5,
    kIncluded = 6,
    kOutOfAudience = 7,
    kRuleMatch = 8,
    kStatic = 9,
    kTargetingKeyMissing = 10,
    kLayer = 11,
    kSplit = 12,
};
inline constexpr std::uint8_t kReasonCount = 13;

/// Status of a flag, as its row says it. Numbers are stored in snapshots.
enum class Status : std::uint8_t {
    kDisabled = 0,
    kEnabled = 1,
    kGradualRollout = 2,
    kCanary = 3,
    kAbTest = 4,
};
inline constexpr std::uint8_t kStatusCount = 5;

/// The shortest way to a flag's answer, chosen by the builder so that a check need not look
/// further.
enum class EvaluationPath : std::uint8_t {
    kConstant = 0,      ///< `constant_enabled` and `constant_reason`, whatever the context
    kSplit = 1,         ///< xxh3 rollout on user_id, else session_id; no targeting record
    kVariantSplit = 2,  ///< the same gate, then the variant whose range holds the variant bucket
    kFull = 3,          ///< everything else: the targeting record decides the order of steps
};

enum class SectionType : std::uint32_t {
    kIndex = 1,  ///< u32 first[bucket_count + 1]; bucket = name_hash >> (64 - log2(bucket_count))
    kFlags = 2,  ///< FlagRecord[], ascending by name_hash, names unique by name_hash
    kVariants = 3,     ///< VariantRecord[]
    kConfig = 4,       ///< ConfigField[], per variant ascending by path
    kExperiments = 5,  ///< ExperimentRecord[]
    kTargeting = 6,    ///< TargetingRecord[]
    kSets = 7,         ///< u64 hash64(unit)[], ascending within one set
    kTextRefs = 8,     ///< TextRef[]
    kStrings = 9,      ///< bytes; texts overlap freely
    // From here on a section that would be empty is left out; rule_layout.hpp has the records.
    kInstructions = 10,  ///< Instruction[]
    kRules = 11,         ///< RuleRecord[]
    kRequirements = 12,  ///< RequirementRecord[]
    kSlotRanges = 13,    ///< SlotRangeRecord[]
    kAttributes = 14,    ///< AttributeRecord[]
    kTables = 15,        ///< u16 words of regular expressions: see regex_match.hpp
    kSegments = 16,      ///< SegmentRecord[], ascending by name_hash
    kExpiries = 17,      ///< ExpiryRecord[], ascending by flag: flags that will expire
};

/// Bits of SectionEntry::flags.
inline constexpr std::uint32_t kSectionMustUnderstand = 1U << 0U;

/// Where a section lies.
///
///   offset size field        meaning
///   ------ ---- ------------ ----------------------------------------------------------------
///        0    4 type         SectionType; an unknown one is skipped unless it must be understood
///        4    4 flags        kSectionMustUnderstand
///        8    8 offset       bytes from the start, a multiple of 64
///       16    8 size_bytes   without padding
///       24    8 checksum     hash64 of the section's bytes
struct SectionEntry {
    std::uint32_t type;
    std::uint32_t flags;
    std::uint64_t offset;
    std::uint64_t size_bytes;
    std::uint64_t checksum;
};

/// First 128 bytes of a snapshot; the section table follows at once.
///
///   offset size field             meaning
///   ------ ---- ----------------- -----------------------------------------------------------
///        0    8 magic             kSnapshotMagic
///        8    4 layout_major      a reader refuses every value but its own
///       12    4 layout_minor      grows with new sections only
///       16    4 endian_tag        kEndianTag
///       20    4 section_count     1 .. kSectionCountMax
///       24    8 size_bytes        the whole file
///       32    8 generation        1, 2, 3, ...
///       40    8 revision          the committed change in Postgres that is contained
///       48    8 database_unix_ms  database time for which expiry and experiments were decided
///       56    8 content_hash      hash64 of the section checksums: equal content, equal hash
///       64    4 flag_count        entries of kFlags
///       68    4 experiment_count  entries of kExperiments
///       72    8 source_id         which database this came from; 0 = unknown
///       80   40 reserved          zero
///      120    8 header_checksum   hash64 of bytes [0, 120), then of the section table with that
///                                 first hash as seed
struct SnapshotHeader {
    std::array<char, 8> magic;
    std::uint32_t layout_major;
    std::uint32_t layout_minor;
    std::uint32_t endian_tag;
    std::uint32_t section_count;
    std::uint64_t size_bytes;
    std::uint64_t generation;
    std::uint64_t revision;
    std::int64_t database_unix_ms;
    std::uint64_t content_hash;
    std::uint32_t flag_count;
    std::uint32_t experiment_count;
    std::uint64_t source_id;
    std::array<std::uint64_t, 5> reserved;
    std::uint64_t header_checksum;
};

struct TextRef {
    std::uint32_t offset;  ///< into kStrings
    std::uint32_t size;    ///< bytes
};

/// Bits of FlagRecord::traits.
enum FlagTrait : std::uint8_t {
    kTraitConstantEnabled = 1U << 0U,  ///< the answer of EvaluationPath::kConstant is "on"
    kTraitRandom = 1U << 1U,           ///< strategy random: every question draws anew
    kTraitLegacy = 1U << 2U,           ///< buckets are legacy_md5 hundredths
    kTraitExpired = 1U << 3U,          ///< expires_at has passed on database time
};

/// One flag: what a check reads, in one cache line.
///
///   offset size field            meaning
///   ------ ---- ---------------- ------------------------------------------------------------
///        0    8 name_hash        hash64(name); a flag's identity inside a snapshot
///        8    8 rollout_seed     hash64("rollout\0" + salt)
///       16    8 variant_seed     hash64("variant\0" + salt)
///       24    4 gate_end         first bucket outside the rollout: 0 .. kBucketCount, or
///                                0 .. kLegacyBucketCount with kTraitLegacy
///       28    1 status           Status
///       29    1 path             EvaluationPath
///       30    1 constant_reason  Reason of EvaluationPath::kConstant
///       31    1 traits           FlagTrait bits
///       32    4 variants_first   number of the first VariantRecord
///       36    2 variant_count    0 .. kVariantCountMax
///       38    2 name_size        1 .. kFlagNameSizeMax
///       40    4 name_offset      into kStrings
///       44    4 experiment       number + 1 of the active ExperimentRecord; 0 = none
///       48    4 targeting        number + 1 of the TargetingRecord; 0 = none
///       52    1 value_type       ValueType, for OFREP
///       53    3 reserved         zero
///       56    8 revision         the change in Postgres that last touched this flag
struct FlagRecord {
    std::uint64_t name_hash;
    std::uint64_t rollout_seed;
    std::uint64_t variant_seed;
    std::uint32_t gate_end;
    std::uint8_t status;
    std::uint8_t path;
    std::uint8_t constant_reason;
    std::uint8_t traits;
    std::uint32_t variants_first;
    std::uint16_t variant_count;
    std::uint16_t name_size;
    std::uint32_t name_offset;
    std::uint32_t experiment;
    std::uint32_t targeting;
    std::uint8_t value_type;
    std::array<std::uint8_t, 3> reserved;
    std::uint64_t revision;
};

/// One variant of one flag.
///
///   offset size field         meaning
///   ------ ---- ------------- ---------------------------------------------------------------
///        0    4 range_end     first bucket behind this variant's range; ranges follow each other
///                             from 0 and the last ends at kBucketCount (kLegacyBucketCount)
///        4    4 name_offset   into kStrings
///        8    2 name_size     bytes
///       10    2 reserved      zero
///       12    4 config_first  number of the first ConfigField
///       16    4 config_count  fields
///       20    4 json_offset   config_overrides as PostgreSQL's jsonb text, into kStrings
///       24    4 json_size     bytes
///       28    4 weight_ppm    the weight asked for, x 10 000; shown to people
struct VariantRecord {
    std::uint32_t range_end;
    std::uint32_t name_offset;
    std::uint16_t name_size;
    std::uint16_t reserved;
    std::uint32_t config_first;
    std::uint32_t config_count;
    std::uint32_t json_offset;
    std::uint32_t json_size;
    std::uint32_t weight_ppm;
};

enum class ConfigType : std::uint8_t { kBoolean = 1, kInteger = 2, kNumber = 3, kString = 4 };

/// One scalar of config_overrides, nested objects flattened to dotted paths; null and arrays have
/// no field. Ascending by path bytes within a variant, so a reader may search by halves.
///
///   offset size field        meaning
///   ------ ---- ------------ ----------------------------------------------------------------
///        0    8 path_prefix  first 8 bytes of the path, zero filled, as a big endian number:
///                            comparing prefixes compares paths of up to 8 bytes
///        8    8 value        kBoolean 0/1; kInteger int64; kNumber the double's bits;
///                            kString offset into kStrings | size << 32
///       16    4 path_offset  into kStrings
///       20    2 path_size    bytes
///       22    1 type         ConfigType
///       23    1 reserved     zero
struct ConfigField {
    std::uint64_t path_prefix;
    std::uint64_t value;
    std::uint32_t path_offset;
    std::uint16_t path_size;
    std::uint8_t type;
    std::uint8_t reserved;
};

/// One active experiment.
///
///   offset size field            meaning
///   ------ ---- ---------------- ------------------------------------------------------------
///        0   16 id               uuid, bytes in text order
///       16    8 start_unix_ms    counted from here
///       24    8 end_unix_ms      to before here; INT64_MAX = open
///       32    8 flag_name_hash   FlagRecord::name_hash
///       40    4 name_offset      into kStrings
///       44    4 name_size        bytes
///       48    4 phase            1, 2, ...: a new one whenever units change sides
///       52   12 reserved         zero
struct ExperimentRecord {
    std::array<std::uint8_t, 16> id;
    std::int64_t start_unix_ms;
    std::int64_t end_unix_ms;
    std::uint64_t flag_name_hash;
    std::uint32_t name_offset;
    std::uint32_t name_size;
    std::uint32_t phase;
    std::array<std::uint32_t, 3> reserved;
};

/// What a flag of EvaluationPath::kFull needs beyond its record.
///
///   offset size field             meaning
///   ------ ---- ----------------- -----------------------------------------------------------
///        0    4 include_first     number of the first entry in kSets
///        4    4 include_count     units
///        8    4 exclude_first     likewise
///       12    4 exclude_count
///       16    4 bucket_by_first   number of the first TextRef; names of attributes in order
///       20    4 bucket_by_count   0 = user_id, then session_id
///       24    8 salt              TextRef of the salt (legacy_md5 hashes its text)
///       32    4 program_first     number of the first Instruction of audience and rules
///       36    4 program_count     0 = neither audience nor rules
///       40    4 rules_first       number of the first RuleRecord
///       44    4 rules_count       0 .. kRuleCountMax
///       48    4 requirements_first  number of the first RequirementRecord
///       52    4 requirements_count  0 .. kRequirementCountMax
///       56    4 slots_first       number of the first SlotRangeRecord
///       60    4 slots_count       0 .. kSlotRangeCountMax
///       64    8 layer_seed        hash64("layer\0" + name of the layer)
///       72    8 layer_name        TextRef
///       80    4 attributes_first  number of the first AttributeRecord
///       84    4 attributes_count
///       88    4 has_layer         1: only units of our slots take part
///       92    4 audience_end      how many of its first instructions are the audience; 0 = none
struct TargetingRecord {
    std::uint32_t include_first;
    std::uint32_t include_count;
    std::uint32_t exclude_first;
    std::uint32_t exclude_count;
    std::uint32_t bucket_by_first;
    std::uint32_t bucket_by_count;
    TextRef salt;
    std::uint32_t program_first;
    std::uint32_t program_count;
    std::uint32_t rules_first;
    std::uint32_t rules_count;
    std::uint32_t requirements_first;
    std::uint32_t requirements_count;
    std::uint32_t slots_first;
    std::uint32_t slots_count;
    std::uint64_t layer_seed;
    TextRef layer_name;
    std::uint32_t attributes_first;
    std::uint32_t attributes_count;
    std::uint32_t has_layer;
    std::uint32_t audience_end;
};

/// When a flag expires that has not yet; those without a record have, or never will. For whoever
/// publishes next: a burgeed that starts while PostgreSQL is away. No question reads it.
///
///   offset size name             meaning
///        0    4 flag             number of the FlagRecord
///        4    4 zero
///        8    8 expires_unix_ms  database time
struct ExpiryRecord {
    std::uint32_t flag;
    std::uint32_t zero;
    std::int64_t expires_unix_ms;
};

static_assert(sizeof(SectionEntry) == 32);
static_assert(sizeof(ExpiryRecord) == 16);
static_assert(sizeof(SnapshotHeader) == 128);
static_assert(offsetof(SnapshotHeader, size_bytes) == 24);
static_assert(offsetof(SnapshotHeader, database_unix_ms) == 48);
static_assert(offsetof(SnapshotHeader, flag_count) == 64);
static_assert(offsetof(SnapshotHeader, source_id) == 72);
static_assert(offsetof(SnapshotHeader, header_checksum) == 120);
static_assert(sizeof(FlagRecord) == 64);
static_assert(offsetof(FlagRecord, gate_end) == 24);
static_assert(offsetof(FlagRecord, traits) == 31);
static_assert(offsetof(FlagRecord, name_offset) == 40);
static_assert(offsetof(FlagRecord, targeting) == 48);
static_assert(offsetof(FlagRecord, revision) == 56);
static_assert(sizeof(VariantRecord) == 32);
static_assert(offsetof(VariantRecord, json_offset) == 20);
static_assert(sizeof(ConfigField) == 24);
static_assert(offsetof(ConfigField, type) == 22);
static_assert(sizeof(ExperimentRecord) == 64);
static_assert(offsetof(ExperimentRecord, phase) == 48);
static_assert(sizeof(TargetingRecord) == 96);
static_assert(offsetof(TargetingRecord, program_first) == 32);
static_assert(offsetof(TargetingRecord, layer_seed) == 64);
static_assert(offsetof(TargetingRecord, has_layer) == 88);
static_assert(std::has_unique_object_representations_v<SectionEntry>);
static_assert(std::has_unique_object_representations_v<ExpiryRecord>);
static_assert(std::has_unique_object_representations_v<SnapshotHeader>);
static_assert(std::has_unique_object_representations_v<FlagRecord>);
static_assert(std::has_unique_object_representations_v<VariantRecord>);
static_assert(std::has_unique_object_representations_v<ConfigField>);
static_assert(std::has_unique_object_representations_v<ExperimentRecord>);
static_assert(std::has_unique_object_representations_v<TargetingRecord>);

}  // namespace burgee
