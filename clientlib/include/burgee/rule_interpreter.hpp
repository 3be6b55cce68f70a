#pragma once

// Runs the programs that the daemon compiled from audiences, rules and segments: see
// rule_layout.hpp for what an instruction is. Relied on by program_evaluation.hpp and
// full_evaluation.hpp alone.
//
// Invariants, whatever bytes the snapshot holds:
//   1. A program ends: every step goes forward, segments nest at most kSegmentDepthMax deep, and a
//      question takes at most kStepCountMax steps in all.
//   2. Nothing outside the snapshot's sections is read; a step that refers outside does not hold.

#include <burgee/attribute_question.hpp>
#include <burgee/context.hpp>
#include <burgee/evaluation_trace.hpp>
#include <burgee/rule_layout.hpp>
#include <burgee/snapshot_view.hpp>

#include <cstdint>

namespace burgee::detail {

/// What one question may still spend; shared by a flag and all that it requires.
struct QuestionBudget {
    std::uint32_t steps_left = kStepCountMax;
    std::uint32_t requirement_depth = 0;

    /// False when nothing is left.
    bool take_step() noexcept {
        if (steps_left == 0) {
            return false;
        }
        --steps_left;
        return true;
    }
};

/// A question that programs are asked. A plain value, copied for each segment, so that the compiler
/// may keep it in registers: nothing ever holds its address.
template <typename Trace>
class RuleInterpreter {
public:
    RuleInterpreter(const SnapshotView& view, const Context& context, QuestionBudget& budget,
                    Trace& trace) noexcept
        : view_(view), context_(context), budget_(budget), trace_(trace) {}

    /// The outcome of the `count` instructions from number `first` on; kOutcomeNone when they are
    /// not there, lead nowhere or take too long.
    [[gnu::always_inline]] std::uint64_t run(std::uint32_t first,
                                             std::uint32_t count) const noexcept {
        const Instruction* step = view_.program(first, count);
        std::uint64_t left = step == nullptr ? 0 : count;  // instructions from `step` on
        std::uint32_t steps_left = budget_.steps_left;
        std::uint64_t outcome = kOutcomeNone;
        while (left != 0 && steps_left != 0) {
            --steps_left;
            if (step->operation == static_cast<std::uint8_t>(Operation::kOutcome)) {
                outcome = step->operand;
                break;
            }
            const bool answer = step->operation == static_cast<std::uint8_t>(Operation::kSegment)
                                    ? ask_segment(*step, count - left, steps_left)
                                    : ask_attribute(*step, count - left);
            std::uint64_t distance = step->on_false;
            if (answer) {
                distance = step->on_true;
                // A jump, not a selection: most people answer a question alike, and a jump that is
                // foreseen lets the next step begin before this one's answer is there.
                __asm__("" : "+r"(distance));
            }
            if (distance - 1 >= left) {
                break;  // hostile bytes
            }
            step += distance;
            left -= distance;
        }
        budget_.steps_left = steps_left;
        return outcome;
    }

private:
    [[gnu::always_inline]] bool ask_attribute(const Instruction& step,
                                              [[maybe_unused]] std::uint64_t place) const noexcept {
        const Attribute* attribute = context_.find_key(step.attribute);
        Finding finding = Finding::kNo;
        if (attribute != nullptr) {
            finding = AttributeQuestion::ask(view_, step, *attribute);
        }
        const bool answer = (finding == Finding::kYes) != is_inverted(step);
        if constexpr (Trace::kEnabled) {
            ConstraintStep traced;
            traced.instruction = &step;
            traced.place = place;
            traced.attribute = attribute;
            traced.is_mistyped = finding == Finding::kMistyped;
            traced.holds = answer;
            traced.segment_depth = segment_depth_;
            trace_.record(traced);
        }
        return answer;
    }

    bool ask_segment(const Instruction& step, std::uint64_t place,
                     std::uint32_t& steps_left) const noexcept {
        budget_.steps_left = steps_left;
        const bool answer = holds_segment(*this, step, place) != is_inverted(step);
        steps_left = budget_.steps_left;
        return answer;
    }

    static bool is_inverted(const Instruction& step) noexcept {
        return (step.traits & kTraitInverted) != 0;
    }

    [[gnu::noinline]] static bool holds_segment(RuleInterpreter interpreter,
                                                const Instruction& step,
                                                [[maybe_unused]] std::uint64_t place) noexcept {
        const SegmentRecord* segment = interpreter.view_.segment(step.operand);
        if (segment == nullptr || interpreter.segment_depth_ >= kSegmentDepthMax) {
            return false;
        }
        [[maybe_unused]] const std::uint32_t depth = interpreter.segment_depth_++;
        const bool answer =
            interpreter.run(segment->program_first, segment->program_count) == kOutcomeTrue;
        if constexpr (Trace::kEnabled) {
            ConstraintStep traced;
            traced.instruction = &step;
            traced.place = place;
            traced.segment = segment;
            traced.holds = answer != is_inverted(step);
            traced.segment_depth = depth;
            interpreter.trace_.record(traced);
        }
        return answer;
    }

    const SnapshotView& view_;
    const Context& context_;
    QuestionBudget& budget_;
    Trace& trace_;
    std::uint32_t segment_depth_ = 0;
};

}  // namespace burgee::detail
