#pragma once

// Buckets of one flag for one context: whose they are, how they are drawn, and what `burgee
// explain` shows of them. Relied on by full_evaluation.hpp alone.

#include <burgee/bucketing.hpp>
#include <burgee/evaluation_trace.hpp>
#include <burgee/random_bucket.hpp>
#include <burgee/snapshot_view.hpp>
#include <burgee/unit.hpp>

#include <cstdint>
#include <string_view>

namespace burgee::detail {

struct Drawn {
    std::uint64_t hash = 0;
    std::uint32_t bucket = 0;
    Draw how = Draw::kNone;
};

class FlagDraw {
public:
    /// @param targeting  that of the flag, or null
    FlagDraw(const SnapshotView& view, const FlagRecord& flag, const TargetingRecord* targeting,
             const Context& context) noexcept
        : view_(view),
          flag_(flag),
          targeting_(targeting),
          unit_(find_unit_attribute(view, targeting, context)) {}

    bool has_unit() const noexcept { return unit_ != nullptr; }
    /// Made anew each time: most questions are decided before anybody asks for its text.
    Unit unit() const noexcept { return Unit(unit_); }

    /// Whom a layer or a legacy flag buckets.
    static std::string_view text_or_anonymous(const Unit& unit) noexcept {
        return unit.exists() ? unit.text() : kLegacyAnonymous;
    }

    std::uint32_t bucket_count() const noexcept {
        return has_trait(kTraitLegacy) ? kLegacyBucketCount : kBucketCount;
    }

    /// Whether a bucket of this flag is one unit's. A legacy flag never misses its unit: everybody
    /// without one is "anonymous".
    bool draws_by_unit() const noexcept {
        return !has_trait(kTraitRandom) && !has_trait(kTraitLegacy);
    }

    /// Whether a gate that ends there lets nobody or everybody in.
    bool is_fixed(std::uint32_t gate_end) const noexcept {
        return gate_end == 0 || gate_end >= bucket_count();
    }

    Drawn draw(std::uint64_t seed) const noexcept {
        if (has_trait(kTraitRandom)) {
            return {0, random_bucket(bucket_count()), Draw::kRandom};
        }
        if (has_trait(kTraitLegacy)) {
            return {0, legacy_hundredths(legacy_salt(), text_or_anonymous(unit())),
                    Draw::kLegacyMd5};
        }
        const std::uint64_t hash = hash64(unit().text(), seed);
        return {hash, bucket_of_hash(hash), Draw::kXxh3};
    }

    /// @param unit  that of this flag; the step borrows its text
    TraceStep step_of(DecisionRule rule, const Unit& unit) const noexcept {
        TraceStep step;
        step.rule = rule;
        step.attribute = unit.attribute_name();
        step.unit = unit.text();
        if (rule == DecisionRule::kExclude || rule == DecisionRule::kInclude) {
            step.hash = hash64(unit.text());
        }
        return step;
    }

    TraceStep step_of(DecisionRule rule, const Unit& unit, const Drawn& drawn,
                      std::uint64_t seed) const noexcept {
        TraceStep step = step_of(rule, unit);
        step.draw = drawn.how;
        step.hash = drawn.hash;
        step.seed = drawn.how == Draw::kXxh3 ? seed : 0;
        step.bucket = drawn.bucket;
        step.bucket_count = bucket_count();
        if (drawn.how == Draw::kLegacyMd5) {
            step.salt = legacy_salt();
            step.unit = text_or_anonymous(unit);
        }
        return step;
    }

    /// The step that chose variant number + 1 `variant` of the snapshot.
    TraceStep variant_step(const Unit& unit, const Drawn& drawn,
                           std::uint32_t variant) const noexcept {
        TraceStep step = step_of(DecisionRule::kVariant, unit, drawn, flag_.variant_seed);
        step.has_decided = true;
        step.is_enabled = variant != 0;
        const VariantRecord* chosen = variant == 0 ? nullptr : view_.variant(variant - 1);
        if (chosen != nullptr) {
            const bool is_first = variant - 1 == flag_.variants_first;
            const VariantRecord* before = is_first ? nullptr : view_.variant(variant - 2);
            step.range_begin = before == nullptr ? 0 : before->range_end;
            step.range_end = chosen->range_end;
            step.variant = view_.name(*chosen);
        }
        return step;
    }

private:
    bool has_trait(FlagTrait trait) const noexcept { return (flag_.traits & trait) != 0; }

    std::string_view legacy_salt() const noexcept {
        return targeting_ == nullptr ? std::string_view() : view_.text(targeting_->salt);
    }

    const SnapshotView& view_;
    const FlagRecord& flag_;
    const TargetingRecord* targeting_;
    const Attribute* unit_;  ///< null: the context has none
};

}  // namespace burgee::detail
