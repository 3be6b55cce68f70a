#pragma once

// The whole order of rules for one question. Relied on by evaluate.hpp alone; the short ways of
// split_evaluation.hpp answer what this answers, wherever the builder allows them.

#include <burgee/evaluation_trace.hpp>
#include <burgee/flag_draw.hpp>
#include <burgee/program_evaluation.hpp>
#include <burgee/rule_interpreter.hpp>
#include <burgee/split_evaluation.hpp>

#include <cstdint>
#include <string_view>

namespace burgee::detail {

/// A flag that another one requires, within what is left of that one's question.
Answer evaluate_required(const SnapshotView& view, const FlagRecord& flag, const Context& context,
                         QuestionBudget& budget) noexcept;

/// One question. Each rule is one member function or one `if` of decide(), in the order in which
/// they decide.
template <typename Trace>
class FullEvaluation {
public:
    FullEvaluation(const SnapshotView& view, const FlagRecord& flag, const Context& context,
                   QuestionBudget& budget, Trace& trace) noexcept
        : view_(view),
          flag_(flag),
          context_(context),
          targeting_(find_targeting(view, flag)),
          draw_(view, flag, targeting_, context),
          budget_(budget),
          trace_(trace) {}

    Answer decide() noexcept {
        if (status() == Status::kDisabled || flag_.status >= kStatusCount) {
            return decided(DecisionRule::kStatus, false, Reason::kDisabled);
        }
        passed(DecisionRule::kStatus);
        if (has_trait(kTraitExpired)) {
            return decided(DecisionRule::kExpiry, false, Reason::kExpired);
        }
        passed(DecisionRule::kExpiry);
        if (targeting_ != nullptr) {
            const Answer answer = decide_by_targeting();
            if (answer.reason != kUndecided) {
                return answer;
            }
        }
        if (status() == Status::kEnabled) {
            return decided(DecisionRule::kEnabled, true, Reason::kStatic);
        }
        if (needs_unit() && !draw_.has_unit()) {
            return decided(DecisionRule::kUnit, false, Reason::kTargetingKeyMissing);
        }
        passed(DecisionRule::kUnit);
        if (has_layer() && !is_slot_ours()) {
            return answer_of(false, Reason::kLayer);
        }
        return split(DecisionRule::kRollout, flag_.gate_end, Reason::kSplit);
    }

private:
    /// Stands for "no rule of the targeting record has decided"; never leaves this class.
    static constexpr Reason kUndecided = Reason::kNotReady;

    Status status() const noexcept { return static_cast<Status>(flag_.status); }
    bool is_ab_test() const noexcept { return detail::is_ab_test(flag_); }
    bool has_trait(FlagTrait trait) const noexcept { return (flag_.traits & trait) != 0; }
    bool has_layer() const noexcept { return targeting_ != nullptr && targeting_->has_layer != 0; }

    bool needs_unit() const noexcept {
        if (has_layer()) {
            return !has_trait(kTraitLegacy);
        }
        return draw_.draws_by_unit() && (is_ab_test() || !draw_.is_fixed(flag_.gate_end));
    }

    [[gnu::always_inline]] Answer decide_by_targeting() noexcept {
        const TargetingRecord& targeting = *targeting_;
        if (targeting.requirements_count != 0 && !are_requirements_met()) {
            return answer_of(false, Reason::kPrerequisiteFailed);
        }
        if (targeting.exclude_count != 0 && is_listed(DecisionRule::kExclude)) {
            return decided(DecisionRule::kExclude, false, Reason::kExcluded);
        }
        if (targeting.include_count != 0 && is_listed(DecisionRule::kInclude)) {
            return included();
        }
        if (targeting_->program_count == 0) {
            return answer_of(false, kUndecided);
        }
        const std::uint64_t outcome =
            RuleInterpreter<Trace>(view_, context_, budget_, trace_)
                .run(targeting_->program_first, targeting_->program_count);
        if (outcome == kOutcomeOutOfAudience || outcome == kOutcomeNone) {
            return decided(DecisionRule::kAudience, false, Reason::kOutOfAudience);
        }
        if (targeting_->audience_end != 0) {
            passed(DecisionRule::kAudience);
        }
        return outcome >= kOutcomeFirstRule ? serve(outcome - kOutcomeFirstRule)
                                            : answer_of(false, kUndecided);
    }

    [[gnu::noinline]] bool are_requirements_met() noexcept {
        const std::uint32_t count = targeting_->requirements_count;
        const RequirementRecord* requirements =
            view_.requirements(targeting_->requirements_first, count);
        if (requirements == nullptr) {
            return true;
        }
        for (std::uint32_t number = 0; number < count && number < kRequirementCountMax; ++number) {
            if (!is_met(requirements[number], number)) {
                return false;
            }
        }
        return true;
    }

    bool is_met(const RequirementRecord& requirement,
                [[maybe_unused]] std::uint32_t number) noexcept {
        const FlagRecord* required = view_.find(requirement.flag_name_hash);
        const bool can_ask = required != nullptr && budget_.take_step() &&
                             budget_.requirement_depth < kRequirementDepthMax;
        Answer answer;
        bool has_answer = false;
        if (can_ask) {
            ++budget_.requirement_depth;
            answer = evaluate_required(view_, *required, context_, budget_);
            // Off for want of steps is no answer: one that is wanted off is not met by it.
            has_answer = budget_.steps_left != 0;
            --budget_.requirement_depth;
        }
        const bool is_met = has_answer && fits(requirement, answer);
        if constexpr (Trace::kEnabled) {
            const Unit unit = draw_.unit();
            TraceStep step = draw_.step_of(DecisionRule::kRequires, unit);
            step.subject = view_.text(requirement.flag_offset, requirement.flag_size);
            step.number = number;
            step.is_met = is_met;
            step.is_missing = required == nullptr;
            step.has_answer = has_answer;
            step.answer = answer;
            step.has_decided = !is_met;
            step.variant = view_.text(requirement.variant_offset, requirement.variant_size);
            trace_.record(step);
        }
        return is_met;
    }

    bool fits(const RequirementRecord& requirement, Answer answer) const noexcept {
        switch (static_cast<RequirementKind>(requirement.kind)) {
            case RequirementKind::kOff:
                return !answer.is_enabled;
            case RequirementKind::kOn:
                return answer.is_enabled;
            case RequirementKind::kVariant:
                break;
        }
        const VariantRecord* variant =
            answer.variant == 0 ? nullptr : view_.variant(answer.variant - 1);
        return variant != nullptr && view_.name(*variant) == view_.text(requirement.variant_offset,
                                                                        requirement.variant_size);
    }

    /// Whether the unit is in the flag's list for `rule`. No unit is in no list.
    [[gnu::noinline]] bool is_listed(DecisionRule rule) noexcept {
        const bool is_exclude = rule == DecisionRule::kExclude;
        const std::uint32_t first =
            is_exclude ? targeting_->exclude_first : targeting_->include_first;
        const std::uint32_t count =
            is_exclude ? targeting_->exclude_count : targeting_->include_count;
        const Unit unit = draw_.unit();
        if (!unit.exists()) {
            return false;
        }
        const std::uint64_t fingerprint = hash64(unit.text());
        if (view_.set_contains(first, count, fingerprint)) {
            return true;
        }
        if constexpr (Trace::kEnabled) {
            TraceStep step = draw_.step_of(rule, unit);
            step.hash = fingerprint;
            trace_.record(step);
        }
        return false;
    }

    /// A unit let in by hand skips the gate; on an ab_test flag it takes the variant of its hash,
    /// and was not randomised all the same.
    Answer included() noexcept {
        if (!is_ab_test()) {
            return decided(DecisionRule::kInclude, true, Reason::kIncluded);
        }
        passed(DecisionRule::kInclude);
        Answer answer = choose_variant(draw_.draw(flag_.variant_seed), Reason::kIncluded);
        answer.in_experiment = false;
        return answer;
    }

    /// What the flag's rule `number` gives to whom it matches.
    Answer serve(std::uint64_t number) noexcept {
        const RuleRecord* rules = view_.rules(targeting_->rules_first, targeting_->rules_count);
        if (rules == nullptr || number >= targeting_->rules_count) {
            return answer_of(false, Reason::kRuleMatch);  // hostile bytes
        }
        const RuleRecord rule = rules[number];
        const auto kind = static_cast<ServeKind>(rule.serve);
        const bool is_drawn =
            kind == ServeKind::kRollout || (kind == ServeKind::kOn && is_ab_test());
        if (is_drawn && draw_.draws_by_unit() && !draw_.has_unit()) {
            matched(rule, number, false);
            return decided(DecisionRule::kUnit, false, Reason::kTargetingKeyMissing);
        }
        matched(rule, number, !is_drawn);
        switch (kind) {
            case ServeKind::kOn:
                return is_ab_test()
                           ? choose_variant(draw_.draw(flag_.variant_seed), Reason::kRuleMatch)
                           : answer_of(true, Reason::kRuleMatch);
            case ServeKind::kRollout:
                return split(DecisionRule::kRollout, rule.gate_end, Reason::kRuleMatch);
            case ServeKind::kVariant:
                return given_variant(view_, flag_, rule);
            case ServeKind::kOff:
                break;
        }
        return answer_of(false, Reason::kRuleMatch);
    }

    void matched([[maybe_unused]] const RuleRecord& rule, [[maybe_unused]] std::uint64_t number,
                 [[maybe_unused]] bool has_decided) noexcept {
        if constexpr (Trace::kEnabled) {
            const Unit unit = draw_.unit();
            TraceStep step = draw_.step_of(DecisionRule::kRules, unit);
            step.subject = view_.text(rule.name_offset, rule.name_size);
            step.number = static_cast<std::uint32_t>(number);
            step.has_decided = has_decided;
            step.is_enabled =
                has_decided && rule.serve != static_cast<std::uint8_t>(ServeKind::kOff);
            trace_.record(step);
        }
    }

    bool is_slot_ours() noexcept {
        constexpr std::uint32_t kBucketsPerSlot = kBucketCount / kLayerSlotCount;
        const Unit unit = draw_.unit();
        const std::uint64_t hash =
            hash64(FlagDraw::text_or_anonymous(unit), targeting_->layer_seed);
        const std::uint32_t slot = bucket_of_hash(hash) / kBucketsPerSlot;
        const bool is_ours = has_slot(slot);
        if constexpr (Trace::kEnabled) {
            TraceStep step = draw_.step_of(DecisionRule::kLayer, unit);
            step.subject = view_.text(targeting_->layer_name);
            step.draw = Draw::kXxh3;
            step.seed = targeting_->layer_seed;
            step.hash = hash;
            step.bucket = slot;
            step.bucket_count = kLayerSlotCount;
            step.is_met = is_ours;
            step.has_decided = !is_ours;
            trace_.record(step);
        }
        return is_ours;
    }

    bool has_slot(std::uint32_t slot) const noexcept {
        const std::uint32_t count = targeting_->slots_count;
        const SlotRangeRecord* ranges = view_.slot_ranges(targeting_->slots_first, count);
        if (ranges == nullptr) {
            return false;
        }
        std::uint32_t begin = 0;  // halves each time: at most 32 rounds
        for (std::uint32_t left = count; left > 1;) {
            const std::uint32_t half = left / 2;
            begin += ranges[begin + half].first <= slot ? half : 0;
            left -= half;
        }
        return ranges[begin].first <= slot && slot <= ranges[begin].last;
    }

    /// The rollout bucket against `gate_end`, then, on an ab_test flag, the variant.
    Answer split(DecisionRule rule, std::uint32_t gate_end, Reason reason) noexcept {
        const bool is_test = is_ab_test();
        const bool is_drawn = is_test || !draw_.is_fixed(gate_end);
        const Drawn drawn = is_drawn ? draw_.draw(flag_.rollout_seed) : Drawn{};
        const bool is_inside = is_drawn ? drawn.bucket < gate_end : gate_end != 0;
        if constexpr (Trace::kEnabled) {
            const Unit unit = draw_.unit();
            TraceStep step = draw_.step_of(rule, unit, drawn, flag_.rollout_seed);
            step.has_decided = !is_test || !is_inside;
            step.is_enabled = is_inside;
            step.range_end = gate_end;
            trace_.record(step);
        }
        if (!is_test) {  // and no branch on the outcome: chance decides it
            return answer_of(is_inside, reason);
        }
        if (!is_inside) {
            return answer_of(false, reason);
        }
        // The Python system used one bucket for both questions; that is one of its flaws.
        const bool is_reused = drawn.how == Draw::kLegacyMd5;
        return choose_variant(is_reused ? drawn : draw_.draw(flag_.variant_seed), reason);
    }

    Answer choose_variant(const Drawn& drawn, Reason reason) noexcept {
        const std::uint32_t variant = variant_at(view_, flag_, drawn.bucket);
        if constexpr (Trace::kEnabled) {
            const Unit unit = draw_.unit();
            trace_.record(draw_.variant_step(unit, drawn, variant));
        }
        return Answer{variant, reason, variant != 0, variant != 0};
    }

    Answer decided(DecisionRule rule, bool is_enabled, Reason reason) noexcept {
        if constexpr (Trace::kEnabled) {
            const Unit unit = draw_.unit();
            TraceStep step = draw_.step_of(rule, unit);
            step.has_decided = true;
            step.is_enabled = is_enabled;
            trace_.record(step);
        }
        return answer_of(is_enabled, reason);
    }

    void passed([[maybe_unused]] DecisionRule rule) noexcept {
        if constexpr (Trace::kEnabled) {
            const Unit unit = draw_.unit();
            trace_.record(draw_.step_of(rule, unit));
        }
    }

    const SnapshotView& view_;
    const FlagRecord& flag_;
    const Context& context_;
    const TargetingRecord* targeting_;
    FlagDraw draw_;
    QuestionBudget& budget_;
    Trace& trace_;
};

/// The whole order of rules, untraced. Out of line, so that whoever needs less of it pays for less.
[[gnu::noinline]] inline Answer evaluate_full(const SnapshotView& view, const FlagRecord& flag,
                                              const Context& context,
                                              QuestionBudget& budget) noexcept {
    NoTrace trace;
    return FullEvaluation<NoTrace>(view, flag, context, budget, trace).decide();
}

/// A whole question. Precondition: the flag's path is EvaluationPath::kFull.
[[gnu::noinline]] inline Answer ask_full(const SnapshotView& view, const FlagRecord& flag,
                                         const Context& context) noexcept {
    QuestionBudget budget;
    return evaluate_full(view, flag, context, budget);
}

inline Answer evaluate_required(const SnapshotView& view, const FlagRecord& flag,
                                const Context& context, QuestionBudget& budget) noexcept {
    return flag.path < static_cast<std::uint8_t>(EvaluationPath::kFull)
               ? evaluate_short(view, flag, context)
               : evaluate_full(view, flag, context, budget);
}

/// Out of line: it keeps the short ways of evaluate() small enough to inline where they are asked.
[[gnu::noinline]] inline Answer evaluate_targeted(const SnapshotView& view, const FlagRecord& flag,
                                                  const Context& context) noexcept {
    const TargetingRecord* targeting = find_targeting(view, flag);
    return targeting != nullptr && is_program_alone(flag, *targeting)
               ? evaluate_program(view, flag, *targeting, context)
               : ask_full(view, flag, context);
}

}  // namespace burgee::detail
