#pragma once

// What a flag answers: one pure function of the flag's bytes and the context. The client, the
// daemon's HTTP side and `burgee explain` all call it, so they cannot disagree. No clock, no I/O,
// no heap; the one impurity is strategy random.
//
// Invariants:
//   1. The short ways, chosen by the builder through FlagRecord::path, answer what the full way
//      answers; a traced evaluation takes the full way, and a test compares the two.
//   2. Hostile bytes give some answer: records are reached through the view's checks, loops are
//      bounded by the reader's constants.

#include <burgee/full_evaluation.hpp>
#include <burgee/split_evaluation.hpp>

#include <cstdint>

namespace burgee {

/// What `flag` of `view` answers for `context`.
/// Thread safety: pure but for strategy random, whose generator is the thread's own.
/// Cost: below 1 ns for a constant answer, about 4 ns for a rollout, 8 ns for a variant.
inline Answer evaluate(const SnapshotView& view, const FlagRecord& flag,
                       const Context& context) noexcept {
    return flag.path < static_cast<std::uint8_t>(EvaluationPath::kFull)
               ? detail::evaluate_short(view, flag, context)
               : detail::evaluate_targeted(view, flag, context);
}

/// The same answer, and every step to it handed to `trace`, whose type has a
/// `static constexpr bool kEnabled`, a `void record(const TraceStep&)` and a
/// `void record(const ConstraintStep&)`.
template <typename Trace>
Answer evaluate(const SnapshotView& view, const FlagRecord& flag, const Context& context,
                Trace& trace) noexcept {
    if constexpr (Trace::kEnabled) {
        detail::QuestionBudget budget;
        return detail::FullEvaluation<Trace>(view, flag, context, budget, trace).decide();
    } else {
        return evaluate(view, flag, context);
    }
}

}  // namespace burgee
