#pragma once

// What `burgee explain` sees of an evaluation: one step per rule that was looked at. Services use
// NoTrace, for which the compiler removes every trace of tracing.

#include <burgee/context.hpp>
#include <burgee/rule_layout.hpp>
#include <burgee/split_evaluation.hpp>

#include <cstdint>
#include <string_view>

namespace burgee {

/// The rules in the order in which they are asked; the first that decides wins.
enum class DecisionRule : std::uint8_t {
    kStatus = 1,    ///< disabled?
    kExpiry = 2,    ///< expired on database time?
    kRequires = 3,  ///< does another flag answer as wanted?
    kExclude = 4,   ///< unit named in `exclude`?
    kInclude = 5,   ///< unit named in `include`?
    kAudience = 6,  ///< in the audience?
    kRules = 7,     ///< the first rule that matches
    kEnabled = 8,   ///< on for everybody?
    kUnit = 9,      ///< a unit is needed; is there one?
    kLayer = 10,    ///< is the unit's slot of the layer ours?
    kRollout = 11,  ///< inside the rollout?
    kVariant = 12,  ///< whose range holds the bucket?
};

constexpr std::string_view to_string(DecisionRule rule) noexcept {
    switch (rule) {
        case DecisionRule::kStatus:
            return "status";
        case DecisionRule::kExpiry:
            return "expiry";
        case DecisionRule::kRequires:
            return "requires";
        case DecisionRule::kExclude:
            return "exclude";
        case DecisionRule::kInclude:
            return "include";
        case DecisionRule::kAudience:
            return "audience";
        case DecisionRule::kRules:
            return "rules";
        case DecisionRule::kEnabled:
            return "enabled";
        case DecisionRule::kUnit:
            return "unit";
        case DecisionRule::kLayer:
            return "layer";
        case DecisionRule::kRollout:
            return "rollout";
        case DecisionRule::kVariant:
            return "variant";
    }
    return "unknown";
}

/// How a bucket was found.
enum class Draw : std::uint8_t {
    kNone,       ///< none was needed
    kXxh3,       ///< `bucket` = hash64(unit, seed) scaled to [0, bucket_count)
    kLegacyMd5,  ///< `bucket` = MD5("salt:unit") mod bucket_count
    kRandom,     ///< drawn anew for this question
};

/// One rule and its outcome. Texts live only for the call that hands the step over.
struct TraceStep {
    DecisionRule rule{};
    bool has_decided = false;    ///< this rule gave the answer
    bool is_enabled = false;     ///< the answer, if it has decided
    std::string_view attribute;  ///< whose value is the unit; empty when there is none
    std::string_view unit;       ///< who is bucketed
    Draw draw = Draw::kNone;
    std::uint64_t seed = 0;          ///< of kXxh3
    std::uint64_t hash = 0;          ///< hash64(unit, seed); the set fingerprint for the lists
    std::uint32_t bucket = 0;        ///< 0 .. bucket_count - 1
    std::uint32_t bucket_count = 0;  ///< kBucketCount or kLegacyBucketCount
    std::uint32_t range_begin = 0;   ///< the range that was asked for: [begin, end)
    std::uint32_t range_end = 0;
    std::string_view salt;     ///< of kLegacyMd5
    std::string_view variant;  ///< the variant that was chosen; the one kRequires wants
    std::string_view subject;  ///< name of the rule, the layer or the required flag
    std::uint32_t number = 0;  ///< of the rule or requirement, from 0
    bool is_met = false;       ///< kRequires: the flag answers as wanted
    bool is_missing = false;   ///< kRequires: the flag is not in the snapshot
    bool has_answer = false;   ///< kRequires: it answered within the steps of this question
    Answer answer;             ///< kRequires: what it answered, if it did
};

/// One constraint, or one segment, that a program asked. Everything lives only for the call.
struct ConstraintStep {
    const Instruction* instruction = nullptr;
    std::uint64_t place = 0;               ///< of the instruction in its program, from 0
    const Attribute* attribute = nullptr;  ///< null: the context has none, or it is a segment
    const SegmentRecord* segment =
        nullptr;                      ///< of Operation::kSegment, handed over after its parts
    std::uint32_t segment_depth = 0;  ///< 0: of the flag itself; n: of n segments inside
    bool is_mistyped = false;         ///< the attribute has a type that never matches
    bool holds = false;
};

/// Tracing off; costs nothing.
struct NoTrace {
    static constexpr bool kEnabled = false;
    void record(const TraceStep& /*step*/) noexcept {}
    void record(const ConstraintStep& /*step*/) noexcept {}
};

}  // namespace burgee
