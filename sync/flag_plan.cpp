#include "sync/flag_plan.hpp"

#include <algorithm>

#include "shm/json_text.hpp"
#include "sync/flag_check.hpp"
#include "sync/flag_queries.hpp"
#include "sync/flag_set_reading.hpp"
#include "sync/flag_text.hpp"
#include "sync/migrations.hpp"

namespace burgee::sync {
namespace {

// As the column would hold it (of a key given twice the last), and whether its layer is there.
constexpr const char* kSegments =
    "SELECT j.value::text, EXISTS (SELECT FROM burgee.layers l"
    " WHERE l.name = j.value #>> '{layer,name}') FROM (SELECT $1::jsonb) AS j (value)";
constexpr const char* kJson = "SELECT $1::jsonb::text";
constexpr const char* kMoment =
    "SELECT CASE WHEN isfinite(t.moment) THEN floor(extract(epoch FROM t.moment) * 1000)::bigint"
    " WHEN t.moment = '-infinity' THEN 0 END FROM (SELECT $1::timestamptz) AS t (moment)";

/// The row as the change would leave it.
RawFlag edited(PgTransaction& open, RawFlag row, const FlagEdit& edit) {
    row.status = edit.status ? edit.status : row.status;
    if (edit.rollout_percentage) {
        row.rollout_percentage = json_number(*edit.rollout_percentage);
    }
    if (edit.segments_json) {
        const PgRows segments = open.query(kSegments, {*edit.segments_json});
        row.segments = segments.text(0, 0);
        row.has_named_layer = segments.boolean(0, 1);
    }
    if (edit.variants_json) {
        row.variants = open.query(kJson, {*edit.variants_json}).text(0, 0);
    }
    row.metadata = edit.metadata_json ? edit.metadata_json : row.metadata;
    if (edit.expires_at) {
        const bool is_never = edit.expires_at->empty() || *edit.expires_at == "never";
        row.expires_unix_ms.reset();
        if (!is_never) {
            const PgRows moment = open.query(kMoment, {*edit.expires_at});
            row.expires_unix_ms =
                moment.is_null(0, 0) ? std::nullopt : std::optional(moment.integer(0, 0));
        }
    }
    return row;
}

FlagVerdict verdict_of(const RawFlag& row, const FlagSettings& settings, const char* when) {
    FlagVerdict verdict = check_flag(row, settings);
    if (!verdict.flag) {
        std::erase_if(verdict.problems,
                      [](const FlagProblem& problem) { return !problem.is_refused; });
        throw SyncFailure(SyncErrorKind::kInvalid, when + to_line(verdict.problems));
    }
    return verdict;
}

bool runs_at(const ExperimentDefinition& experiment, std::int64_t unix_ms) {
    return experiment.start_unix_ms <= unix_ms &&
           (!experiment.end_unix_ms || unix_ms < *experiment.end_unix_ms);
}

}  // namespace

SyncResult<FlagPlan> plan_flag(PgSession& session, const std::string& name, const FlagEdit& edit) {
    return session.transaction(PgAccess::kReadOnly, [&](PgTransaction& open) {
        require_schema(open);
        const std::vector<RawFlag> rows = read_flags(open, std::vector{name});
        if (rows.empty()) {
            throw SyncFailure(SyncErrorKind::kNotFound,
                              "there is no flag \"" + shown_name(name) + "\"");
        }
        const FlagSettings settings = read_settings(open);
        FlagPlan plan;
        plan.set = read_flag_set(open);
        plan.database_unix_ms = plan.set.database_unix_ms;
        plan.before = *verdict_of(rows.front(), settings,
                                  "hosts refuse the row as it stands and answer from an older "
                                  "one, so nobody can say whom a change would move: ")
                           .flag;
        FlagVerdict after = verdict_of(edited(open, rows.front(), edit), settings, "");
        plan.after = *std::move(after.flag);
        plan.warnings = std::move(after.problems);
        if (is_random_with_experiment(plan.after, plan.set.experiments)) {
            throw SyncFailure(SyncErrorKind::kInvalid,
                              to_line({random_with_experiment(plan.after)}));
        }
        for (const ExperimentDefinition& experiment : plan.set.experiments) {
            if (experiment.flag_name == name && runs_at(experiment, plan.database_unix_ms)) {
                plan.experiments.push_back(experiment.name);
            }
        }
        return plan;
    });
}

}  // namespace burgee::sync
