#pragma once

// How a snapshot stores who a flag is meant for: conditions compiled to a program of jumps that
// only go forward, the rules it chooses between, prerequisites, slots of layers and segments. Part
// of the layout of snapshot_layout.hpp, whose rules hold here too; docs/snapshot_format.md tells
// the story.
//
// A program is a run of Instructions. It starts at its first one; each instruction either ends it
// with an outcome or asks one thing of the context and goes on `on_true` or `on_false` instructions
// further. Distances are at least 1, so that every program ends.

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace burgee {

// Bounds. The builder refuses what exceeds them, naming the limit; the reader trusts nothing
// larger.
inline constexpr std::uint32_t kRuleCountMax = 1'024;          // of one flag
inline constexpr std::uint32_t kConditionDepthMax = 16;        // any, all and not inside each other
inline constexpr std::uint32_t kInstructionCountMax = 65'536;  // of one flag or segment
inline constexpr std::uint32_t kRequirementCountMax = 64;      // of one flag
inline constexpr std::uint32_t kRequirementDepthMax = 8;     // flags that need flags that need ...
inline constexpr std::uint32_t kSegmentDepthMax = 8;         // segments that name segments ...
inline constexpr std::uint32_t kSegmentCountMax = 65'536;    // of one snapshot
inline constexpr std::uint32_t kSegmentNameSizeMax = 256;    // bytes of strict UTF-8
inline constexpr std::uint32_t kAttributeNameSizeMax = 256;  // bytes of strict UTF-8
inline constexpr std::uint32_t kListedTextSizeMax = 4'096;   // bytes of a value of IN; by feel
inline constexpr std::uint32_t kSlotRangeCountMax = 5'000;   // every second slot of a layer
inline constexpr std::uint32_t kLayerSlotCount = 10'000;     // slot = bucket / 100
/// Instructions that one question may take, prerequisites and segments included. The builder
/// refuses programs that could take more by themselves; a question that does all the same (through
/// what it requires, or a segment that grew) answers off.
inline constexpr std::uint32_t kStepCountMax = 1U << 18U;

/// What a constraint asks, under the name that people write. Not stored: see Operation.
enum class Operator : std::uint8_t {
    kIn,
    kNotIn,
    kStrContains,
    kStrStartsWith,
    kStrEndsWith,
    kNumEq,
    kNumGt,
    kNumGte,
    kNumLt,
    kNumLte,
    kDateAfter,
    kDateBefore,
    kSemverEq,
    kSemverGt,
    kSemverGte,
    kSemverLt,
    kSemverLte,
    kExists,
    kRegex,
};
inline constexpr std::uint8_t kOperatorCount = 19;

/// What kind of value a flag has for OFREP. Stored in snapshots.
enum class ValueType : std::uint8_t {
    kUnspecified = 0,
    kBoolean = 1,
    kString = 2,
    kNumber = 3,
    kObject = 4,
};

/// What an instruction does. Numbers are stored in snapshots and never reused. A missing attribute,
/// or one of a type that is not named here, makes the question false; kTraitInverted comes after.
enum class Operation : std::uint8_t {
    kOutcome = 0,   ///< ends the program; `operand` is its outcome
    kSegment = 1,   ///< does segment number `operand` hold?
    kExists = 2,    ///< any type
    kTextIs = 3,    ///< text or decimal text of an integer or true/false = text `operand`
    kTextIn = 4,    ///< hash64 of that text is among `count` entries of kSets from `operand`
    kContains = 5,  ///< strings only, from here to kRegex; text `operand`
    kStartsWith = 6,
    kEndsWith = 7,
    kRegex = 8,     ///< `count` words of kTables from `operand`: see regex_match.hpp
    kNumberIs = 9,  ///< numbers only; `operand` holds the constant, Instruction::constant its type
    kNumberAbove = 10,
    kNumberAtLeast = 11,
    kNumberBelow = 12,
    kNumberAtMost = 13,
    kDateAfter = 14,  ///< RFC 3339 text or integer ms; `operand` is ms since 1970, an int64
    kDateBefore = 15,
    kSemverIs = 16,  ///< strings only; text `operand` is a valid version
    kSemverAbove = 17,
    kSemverAtLeast = 18,
    kSemverBelow = 19,
    kSemverAtMost = 20,
    kShortTextIs = 21,  ///< as kTextIs, but `operand` is packed_text() of a text that has one
    kShortTextIn = 22,  ///< packed_text() of that text is among `count` entries of kSets
};
inline constexpr std::uint8_t kOperationCount = 23;

/// Texts of up to this many bytes have a packed_text().
inline constexpr std::uint32_t kPackedTextSizeMax = 7;
/// Most values of kShortTextIn; longer lists are fingerprints, which are searched faster.
inline constexpr std::uint32_t kShortTextCountMax = 8;

/// Bits of Instruction::traits.
enum InstructionTrait : std::uint8_t {
    kTraitInverted = 1U << 0U,         ///< the answer is negated, also for a missing attribute
    kTraitCaseInsensitive = 1U << 1U,  ///< ASCII; the constant is stored in lower case
};

/// Instruction::constant: the type of a number that is the operand.
enum class ConstantType : std::uint8_t { kInteger = 0, kUnsigned = 1, kDouble = 2 };

/// Outcomes of a flag's program. Further ones are kOutcomeFirstRule + number of the rule.
inline constexpr std::uint64_t kOutcomeContinue = 0;       ///< in the audience, no rule matches
inline constexpr std::uint64_t kOutcomeOutOfAudience = 1;  ///< the audience does not match
inline constexpr std::uint64_t kOutcomeFirstRule = 2;
/// No outcome: the steps led nowhere, or there were too many. Never stored.
inline constexpr std::uint64_t kOutcomeNone = UINT64_MAX;
/// Outcomes of a segment's program.
inline constexpr std::uint64_t kOutcomeFalse = 0;
inline constexpr std::uint64_t kOutcomeTrue = 1;

/// One step of a program.
///
///   offset size field      meaning
///   ------ ---- ---------- ------------------------------------------------------------------
///        0    8 attribute  attribute_key() of the attribute's name; 0 for kOutcome and kSegment
///        8    8 operand    by Operation; a text is offset into kStrings | size << 32
///       16    4 count      elements, for kTextIn and kRegex
///       20    4 on_true    go this many instructions forward, at least 1
///       24    4 on_false   likewise
///       28    1 operation  Operation
///       29    1 traits     InstructionTrait bits
///       30    1 constant   ConstantType, for numbers
///       31    1 operator_  Operator + 1 as written by people, for `burgee explain`; 0 = none
struct Instruction {
    std::uint64_t attribute;
    std::uint64_t operand;
    std::uint32_t count;
    std::uint32_t on_true;
    std::uint32_t on_false;
    std::uint8_t operation;
    std::uint8_t traits;
    std::uint8_t constant;
    std::uint8_t operator_;
};

enum class ServeKind : std::uint8_t {
    kOff = 0,
    kOn = 1,       ///< of an ab_test flag: with the variant of the unit's bucket
    kRollout = 2,  ///< the flag's rollout bucket against `gate_end`
    kVariant = 3,  ///< variant number `variant` of the flag
};

/// What a rule serves.
///
///   offset size field        meaning
///   ------ ---- ------------ ----------------------------------------------------------------
///        0    4 name_offset  into kStrings
///        4    2 name_size    bytes; 0 = it has none
///        6    1 serve        ServeKind
///        7    1 variant      number of the flag's variant, from 0
///        8    4 gate_end     as FlagRecord::gate_end
///       12    4 program_end  its instructions are those from the end of the audience, or of the
///       rule
///                            before, up to this many from the program's first; for people
struct RuleRecord {
    std::uint32_t name_offset;
    std::uint16_t name_size;
    std::uint8_t serve;
    std::uint8_t variant;
    std::uint32_t gate_end;
    std::uint32_t program_end;
};

enum class RequirementKind : std::uint8_t { kOff = 0, kOn = 1, kVariant = 2 };

/// Another flag that must answer as wanted.
///
///   offset size field           meaning
///   ------ ---- --------------- -------------------------------------------------------------
///        0    8 flag_name_hash  FlagRecord::name_hash; a flag that is not here is not met
///        8    4 flag_offset     the flag's name, into kStrings
///       12    2 flag_size       bytes
///       14    1 kind            RequirementKind
///       15    1 reserved        zero
///       16    4 variant_offset  name of the variant of kVariant, into kStrings
///       20    4 variant_size    bytes
struct RequirementRecord {
    std::uint64_t flag_name_hash;
    std::uint32_t flag_offset;
    std::uint16_t flag_size;
    std::uint8_t kind;
    std::uint8_t reserved;
    std::uint32_t variant_offset;
    std::uint32_t variant_size;
};

/// Slots [first, last] of a layer; ascending and apart within one flag.
struct SlotRangeRecord {
    std::uint16_t first;
    std::uint16_t last;
};

/// The name behind an attribute's key, for people; ascending by key within a flag or segment.
///
///   offset size field        meaning
///   ------ ---- ------------ ----------------------------------------------------------------
///        0    8 key          attribute_key(name)
///        8    4 name_offset  into kStrings
///       12    4 name_size    bytes
struct AttributeRecord {
    std::uint64_t key;
    std::uint32_t name_offset;
    std::uint32_t name_size;
};

/// A named audience that programs ask for by number.
///
///   offset size field              meaning
///   ------ ---- ------------------ ----------------------------------------------------------
///        0    8 name_hash          hash64(name); segments ascend by it
///        8    8 revision           the change in Postgres that last touched it
///       16    4 program_first      number of its first Instruction
///       20    4 program_count      instructions
///       24    4 attributes_first   number of its first AttributeRecord
///       28    4 attributes_count
///       32    4 name_offset        into kStrings
///       36    4 name_size          bytes
struct SegmentRecord {
    std::uint64_t name_hash;
    std::uint64_t revision;
    std::uint32_t program_first;
    std::uint32_t program_count;
    std::uint32_t attributes_first;
    std::uint32_t attributes_count;
    std::uint32_t name_offset;
    std::uint32_t name_size;
};

static_assert(sizeof(Instruction) == 32);
static_assert(offsetof(Instruction, count) == 16);
static_assert(offsetof(Instruction, operation) == 28);
static_assert(sizeof(RuleRecord) == 16);
static_assert(offsetof(RuleRecord, gate_end) == 8);
static_assert(sizeof(RequirementRecord) == 24);
static_assert(offsetof(RequirementRecord, variant_offset) == 16);
static_assert(sizeof(SlotRangeRecord) == 4);
static_assert(sizeof(AttributeRecord) == 16);
static_assert(sizeof(SegmentRecord) == 40);
static_assert(offsetof(SegmentRecord, name_offset) == 32);
static_assert(std::has_unique_object_representations_v<Instruction>);
static_assert(std::has_unique_object_representations_v<RuleRecord>);
static_assert(std::has_unique_object_representations_v<RequirementRecord>);
static_assert(std::has_unique_object_representations_v<SlotRangeRecord>);
static_assert(std::has_unique_object_representations_v<AttributeRecord>);
static_assert(std::has_unique_object_representations_v<SegmentRecord>);

}  // namespace burgee
