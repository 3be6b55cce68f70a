#pragma once

// The short way of a flag that has an audience or rules and nothing else that needs its targeting
// record: most flags with rules. It answers what full_evaluation.hpp answers; a test compares them.

#include <burgee/evaluation_trace.hpp>
#include <burgee/rule_interpreter.hpp>
#include <burgee/split_evaluation.hpp>

#include <cstdint>

namespace burgee::detail {

/// Whether evaluate_program() may answer for `flag`: no requirements, lists, bucket_by or layer,
/// and buckets that are xxh3's.
inline bool is_program_alone(const FlagRecord& flag, const TargetingRecord& targeting) noexcept {
    constexpr std::uint32_t kOtherWays = kTraitRandom | kTraitLegacy | kTraitExpired;
    const std::uint32_t others = targeting.requirements_count | targeting.exclude_count |
                                 targeting.include_count | targeting.bucket_by_count |
                                 targeting.has_layer | (flag.traits & kOtherWays);
    const bool is_on_for_some =
        flag.status != static_cast<std::uint8_t>(Status::kDisabled) && flag.status < kStatusCount;
    return others == 0 && targeting.program_count != 0 && is_on_for_some;
}

/// split_unit() out of line: a program's own way stays short.
[[gnu::noinline]] inline Answer split_after_program(const SnapshotView& view,
                                                    const FlagRecord& flag, const Context& context,
                                                    std::uint32_t gate_end,
                                                    Reason reason) noexcept {
    return split_unit(view, flag, context.unit(), gate_end, reason);
}

/// What rule number `number` of the flag gives to whom it matches.
[[gnu::noinline]] inline Answer serve_rule(const SnapshotView& view, const FlagRecord& flag,
                                           const TargetingRecord& targeting, const Context& context,
                                           std::uint64_t number) noexcept {
    const RuleRecord* rules = view.rules(targeting.rules_first, targeting.rules_count);
    if (rules == nullptr || number >= targeting.rules_count) {
        return answer_of(false, Reason::kRuleMatch);  // hostile bytes
    }
    const RuleRecord& rule = rules[number];
    switch (static_cast<ServeKind>(rule.serve)) {
        case ServeKind::kOn:
            return is_ab_test(flag) ? draw_variant(view, flag, context.unit(), Reason::kRuleMatch)
                                    : answer_of(true, Reason::kRuleMatch);
        case ServeKind::kRollout:
            return split_after_program(view, flag, context, rule.gate_end, Reason::kRuleMatch);
        case ServeKind::kVariant:
            return given_variant(view, flag, rule);
        case ServeKind::kOff:
            break;
    }
    return answer_of(false, Reason::kRuleMatch);
}

/// Precondition: is_program_alone().
[[gnu::noinline]] inline Answer evaluate_program(const SnapshotView& view, const FlagRecord& flag,
                                                 const TargetingRecord& targeting,
                                                 const Context& context) noexcept {
    NoTrace trace;
    QuestionBudget budget;
    const std::uint64_t outcome = RuleInterpreter<NoTrace>(view, context, budget, trace)
                                      .run(targeting.program_first, targeting.program_count);
    if (outcome == kOutcomeOutOfAudience || outcome == kOutcomeNone) {
        return answer_of(false, Reason::kOutOfAudience);
    }
    if (outcome >= kOutcomeFirstRule) {
        return serve_rule(view, flag, targeting, context, outcome - kOutcomeFirstRule);
    }
    if (flag.status == static_cast<std::uint8_t>(Status::kEnabled)) {
        return answer_of(true, Reason::kStatic);
    }
    const bool is_fixed = flag.gate_end == 0 || flag.gate_end >= kBucketCount;
    if (is_fixed && !is_ab_test(flag)) {
        return answer_of(flag.gate_end != 0, Reason::kSplit);
    }
    return split_after_program(view, flag, context, flag.gate_end, Reason::kSplit);
}

}  // namespace burgee::detail
