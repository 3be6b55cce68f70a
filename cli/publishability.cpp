#include "cli/publishability.hpp"

#include <algorithm>
#include <utility>

#include "cli/database.hpp"
#include "shm/json_text.hpp"
#include "shm/rule_program.hpp"
#include "shm/snapshot_builder.hpp"
#include "sync/flag_check.hpp"
#include "sync/flag_problems.hpp"
#include "sync/flag_queries.hpp"
#include "sync/flag_reader.hpp"
#include "sync/flag_set_reading.hpp"
#include "sync/migrations.hpp"
#include "sync/segment_rows.hpp"

namespace burgee::cli {
namespace {

[[noreturn]] void throw_refused(std::vector<FlagProblem> problems) {
    std::erase_if(problems, [](const FlagProblem& problem) { return !problem.is_refused; });
    throw Failure(ExitCode::kFailed, sync::to_line(problems));
}

/// As the check reads it. The slots of layers are left out: they refuse nothing.
sync::RawFlag raw_of(const sync::FlagRow& row) {
    sync::RawFlag raw;
    raw.name = row.name;
    raw.status = row.status;
    raw.rollout_percentage = json_number(row.rollout_percentage);
    raw.segments = row.segments_json;
    raw.variants = row.variants_json;
    raw.metadata = row.metadata_json;
    raw.revision = UINT64_MAX;  // newer than what is stored
    return raw;
}

struct Surroundings {
    sync::FlagSettings settings;
    FlagChanges changes;  ///< all segments and active experiments, and no flags
};

Surroundings read_surroundings(sync::PgSession& session) {
    return take(session.transaction(sync::PgAccess::kReadOnly, [](sync::PgTransaction& open) {
        sync::require_schema(open);
        Surroundings around;
        around.settings = sync::read_settings(open);
        around.changes.is_full = true;
        around.changes.experiments = sync::read_experiments(open).experiments;
        sync::check_segments(sync::read_segment_rows(open, std::nullopt), around.changes);
        return around;
    }));
}

/// Puts `change` beside `present`, as a poll would, and throws what the builder says of `name`.
void require_buildable(const FlagChanges& present, const FlagChanges& change,
                       const std::string& name) {
    SnapshotBuilder builder;
    builder.apply(present);
    builder.apply(change);
    std::vector<FlagProblem> problems = builder.problems();
    std::erase_if(problems, [&](const FlagProblem& problem) {
        return problem.flag != name || !problem.is_refused;
    });
    if (!problems.empty()) {
        throw_refused(std::move(problems));
    }
}

/// Throws what hosts would say of `row`; of one that `is_measured`, as if its experiment were
/// active.
void require_row(sync::PgSession& session, const sync::FlagRow& row, bool is_measured) {
    const Surroundings around = read_surroundings(session);
    sync::FlagVerdict verdict = sync::check_flag(raw_of(row), around.settings);
    if (!verdict.flag) {
        throw_refused(std::move(verdict.problems));
    }
    // Of a disabled flag, too, no experiment begins that would refuse it once it is on again.
    const bool is_measured_at_random = is_measured && verdict.flag->strategy == Strategy::kRandom;
    if (is_measured_at_random ||
        sync::is_random_with_experiment(*verdict.flag, around.changes.experiments)) {
        throw_refused({sync::random_with_experiment(*verdict.flag)});
    }
    // Only a flag that requires others can close a circle or lengthen a chain.
    const bool needs_flags = !verdict.flag->requirements.empty();
    const FlagChanges present = needs_flags ? read_publication(session) : around.changes;
    FlagChanges change;
    change.changed.push_back(*std::move(verdict.flag));
    require_buildable(present, change, row.name);
}

}  // namespace

FlagChanges read_publication(sync::PgSession& session) {
    return take(sync::FlagReader(session).poll());
}

std::vector<FlagProblem> publishing_faults(const FlagChanges& changes) {
    SnapshotBuilder builder;
    builder.apply(changes);
    return builder.problems();
}

std::vector<FlagProblem> publication_problems(const FlagChanges& changes) {
    std::vector<FlagProblem> problems = changes.problems;
    for (FlagProblem& problem : publishing_faults(changes)) {
        problem.flag = sync::shown_name(problem.flag);  // as the check names it
        problems.push_back(std::move(problem));
    }
    sort_problems(problems);
    return problems;
}

void sort_problems(std::vector<FlagProblem>& problems) {
    std::ranges::stable_sort(problems, [](const FlagProblem& one, const FlagProblem& other) {
        return one.flag != other.flag ? one.flag < other.flag : one.is_refused && !other.is_refused;
    });
}

void require_publishable(sync::PgSession& session, const sync::FlagRow& row) {
    require_row(session, row, false);
}

void require_measurable(sync::PgSession& session, const sync::FlagRow& row) {
    require_row(session, row, true);
}

void require_publishable(sync::PgSession& session, const sync::SegmentRow& row) {
    sync::SegmentVerdict verdict =
        sync::check_segment({row.name, row.constraints_json, UINT64_MAX});
    if (!verdict.segment) {
        throw_refused(std::move(verdict.problems));
    }
    FlagChanges set = read_publication(session);
    const std::vector<FlagProblem> faults = publishing_faults(set);
    const sync::ProblemSet before(faults.begin(), faults.end());
    std::erase_if(set.segments,
                  [&](const SegmentDefinition& each) { return each.name == row.name; });
    std::erase(set.refused_segments, row.name);
    set.segments.push_back(*std::move(verdict.segment));
    std::vector<FlagProblem> problems = publishing_faults(set);
    // What was refused already and still is says nothing against this row.
    std::erase_if(problems, [&](const FlagProblem& problem) {
        return !problem.is_refused ||
               (problem.flag != segment_label(row.name) && before.contains(problem));
    });
    if (!problems.empty()) {
        throw_refused(std::move(problems));
    }
}

}  // namespace burgee::cli
