#pragma once

// What `burgee explain` sees of an evaluation: one step per rule that was looked at. Services use
// NoTrace, for which the compiler removes every trace of tracing.

#include <cstdint>
#include <string_view>

namespace burgee {

/// The rules in the order in which they are asked; the first that decides wins.
enum class Rule : std::uint8_t {
    kStatus = 1,    ///< disabled?
    kExpiry = 2,    ///< expired on database time?
    kExclude = 4,   ///< unit named in `exclude`?
    kInclude = 5,   ///< unit named in `include`?
    kEnabled = 8,   ///< on for everybody?
    kUnit = 9,      ///< a unit is needed; is there one?
    kRollout = 11,  ///< inside the rollout?
    kVariant = 12,  ///< whose range holds the bucket?
};

constexpr std::string_view to_string(Rule rule) noexcept {
    switch (rule) {
        case Rule::kStatus:
            return "status";
        case Rule::kExpiry:
            return "expiry";
        case Rule::kExclude:
            return "exclude";
        case Rule::kInclude:
            return "include";
        case Rule::kEnabled:
            return "enabled";
        case Rule::kUnit:
            return "unit";
        case Rule::kRollout:
            return "rollout";
        case Rule::kVariant:
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
    Rule rule{};
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
    std::string_view variant;  ///< the variant that was chosen, for kVariant
};

/// Tracing off; costs nothing.
struct NoTrace {
    static constexpr bool kEnabled = false;
    void record(const TraceStep& /*step*/) noexcept {}
};

}  // namespace burgee
