#include "cli/plan_evaluation.hpp"

#include <algorithm>

#include <burgee/evaluate.hpp>

#include "cli/exit_code.hpp"
#include "cli/table.hpp"
#include "shm/snapshot_builder.hpp"
#include "sync/flag_check.hpp"

namespace burgee::cli {
namespace {

/// `set` with `flag` in place of the flag of this name.
FlagChanges with_flag(FlagChanges set, const FlagDefinition& flag) {
    std::erase_if(set.changed, [&](const FlagDefinition& each) { return each.name == flag.name; });
    std::erase(set.refused, flag.name);
    set.changed.push_back(flag);
    return set;
}

std::vector<std::byte> image_of(const FlagChanges& set, const FlagDefinition& flag) {
    SnapshotBuilder builder;
    builder.apply(with_flag(set, flag));
    for (const FlagProblem& problem : builder.problems()) {
        if (problem.is_refused && problem.flag == flag.name) {
            throw Failure(ExitCode::kFailed, printable(sync::shown_name(flag.name) + ": " +
                                                       problem.field + ": " + problem.message));
        }
    }
    return builder.build({1, set.database_unix_ms});
}

SnapshotView view_of(const std::vector<std::byte>& bytes) {
    SnapshotView view;
    const ViewError error = SnapshotView::open(bytes.data(), bytes.size(), view);
    if (error != ViewError::kNone) {
        throw Failure(ExitCode::kFailed,
                      "the planned snapshot cannot be read: " + std::string(describe(error)));
    }
    return view;
}

PlannedSide side_of(const SnapshotView& view, const std::string& name, const Context& context) {
    const FlagRecord* flag = view.find(hash64(std::string_view(name)));
    const Answer answer = flag == nullptr ? Answer{} : evaluate(view, *flag, context);
    const VariantRecord* variant = answer.variant == 0 ? nullptr : view.variant(answer.variant - 1);
    if (variant != nullptr) {
        return {true, std::string(view.name(*variant))};
    }
    return {answer.is_enabled, answer.is_enabled ? "on" : "off"};
}

}  // namespace

PlanEvaluation::PlanEvaluation(const FlagChanges& set, const FlagDefinition& before,
                               const FlagDefinition& after)
    : flag_(before.name),
      bytes_before_(image_of(set, before)),
      bytes_after_(image_of(set, after)),
      before_(view_of(bytes_before_)),
      after_(view_of(bytes_after_)) {}

std::pair<PlannedSide, PlannedSide> PlanEvaluation::ask(const Context& context) const {
    return {side_of(before_, flag_, context), side_of(after_, flag_, context)};
}

}  // namespace burgee::cli
