#pragma once

// The short ways to an answer: a bucket against a gate, a bucket among variants. Most flags need no
// more; the whole order of rules, full_evaluation.hpp, uses the same pieces.

#include <burgee/bucketing.hpp>
#include <burgee/context.hpp>
#include <burgee/snapshot_view.hpp>
#include <burgee/unit.hpp>

#include <cstdint>

namespace burgee {

/// An answer, small enough for a register.
struct Answer {
    std::uint32_t variant = 0;  ///< number + 1 of the VariantRecord; 0 = none
    Reason reason = Reason::kFlagNotFound;
    bool is_enabled = false;
    bool in_experiment = false;  ///< the variant was drawn by chance, not given by hand
};
static_assert(sizeof(Answer) == 8);

namespace detail {

constexpr Answer answer_of(bool is_enabled, Reason reason) noexcept {
    return Answer{0, reason, is_enabled, false};
}

/// Number + 1 of the variant of `flag` whose range holds `bucket`; the last one if none does, which
/// is what the Python system did; 0 if the flag has no variants. Ranges ascend, so counting those
/// that end at or before the bucket finds it without a branch that chance would mispredict.
inline std::uint32_t variant_at(const SnapshotView& view, const FlagRecord& flag,
                                std::uint32_t bucket) noexcept {
    const std::uint64_t first = flag.variants_first;
    const std::uint32_t count =
        flag.variant_count < kVariantCountMax ? flag.variant_count : kVariantCountMax;
    if (count == 0 || view.variant(first + count - 1) == nullptr) {
        return 0;
    }
    const VariantRecord* variants = view.variant(first);
    std::uint32_t before = 0;
    for (std::uint32_t number = 0; number + 1 < count; ++number) {
        before += variants[number].range_end <= bucket ? 1U : 0U;
    }
    return flag.variants_first + before + 1;
}

constexpr bool is_ab_test(const FlagRecord& flag) noexcept {
    return flag.status == static_cast<std::uint8_t>(Status::kAbTest);
}

/// The variant whose range holds the unit's variant bucket.
/// @param unit  null: the context has none
inline Answer draw_variant(const SnapshotView& view, const FlagRecord& flag, const Attribute* unit,
                           Reason reason) noexcept {
    if (unit == nullptr) {
        return answer_of(false, Reason::kTargetingKeyMissing);
    }
    const std::uint32_t variant = variant_at(view, flag, bucket_of(*unit, flag.variant_seed));
    return Answer{variant, reason, variant != 0, variant != 0};
}

/// A variant by hand: nothing was drawn, so it does not count for the experiment.
inline Answer given_variant(const SnapshotView& view, const FlagRecord& flag,
                            const RuleRecord& rule) noexcept {
    const std::uint64_t number = std::uint64_t{flag.variants_first} + rule.variant;
    const bool is_ours = rule.variant < flag.variant_count && view.variant(number) != nullptr;
    const auto variant = is_ours ? static_cast<std::uint32_t>(number + 1) : 0U;
    return Answer{variant, Reason::kRuleMatch, is_ours, false};
}

/// The unit's xxh3 rollout bucket against `gate_end`, then, on an ab_test flag, its variant.
/// @param unit  null: the context has none
[[gnu::always_inline]] inline Answer split_unit(const SnapshotView& view, const FlagRecord& flag,
                                                const Attribute* unit, std::uint32_t gate_end,
                                                Reason reason) noexcept {
    if (unit == nullptr) {
        return answer_of(false, Reason::kTargetingKeyMissing);
    }
    if (!is_ab_test(flag)) {
        // No branch on the outcome: chance decides it, so it would be mispredicted.
        return answer_of(bucket_of(*unit, flag.rollout_seed) < gate_end, reason);
    }
    // A gate that is wide open needs no bucket.
    if (gate_end < kBucketCount && bucket_of(*unit, flag.rollout_seed) >= gate_end) {
        return answer_of(false, reason);
    }
    return draw_variant(view, flag, unit, reason);
}

/// Every path but EvaluationPath::kFull. Precondition: flag.path is one of them.
inline Answer evaluate_short(const SnapshotView& view, const FlagRecord& flag,
                             const Context& context) noexcept {
    if (flag.path == static_cast<std::uint8_t>(EvaluationPath::kConstant)) {
        return answer_of((flag.traits & kTraitConstantEnabled) != 0,
                         static_cast<Reason>(flag.constant_reason));
    }
    return split_unit(view, flag, context.unit(), flag.gate_end, Reason::kSplit);
}

}  // namespace detail
}  // namespace burgee
