#include "sync/unit_state_check.hpp"

#include <algorithm>

#include "sync/migrations.hpp"

namespace burgee::sync {
namespace {

// row_security off: an error instead of rows that silently are not there. No nested loops: unit
// state that was merged a moment ago has no statistics yet, and a planner that takes it for empty
// joins row by row. No sorting: the keys begin with texts, and hashing, which goes to disk beyond
// work_mem too, took half the time.
constexpr const char* kSettings =
    "SET LOCAL row_security = off; SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD';"
    "SET LOCAL enable_nestloop = off; SET LOCAL enable_sort = off; SET LOCAL jit = off; SET LOCAL "
    "work_mem = '64MB'";

// Which raw rows count, as the metric writer and the backfill decide; see docs/event_storage.md.
//
// Dates are cut to milliseconds as those two do. Besides today's there are the narrowest and the
// widest that an experiment ever had: events were judged by the dates of their day.
// Rows of others count as far as their round has come, or when they were written where a trigger
// folds them, those that still wait for it included; and as a unit is only told by its text, they
// are grouped by it before it is hashed. A variant that never got a cell counted for nothing when
// its rows were looked at.
// The square of a value below 1.6e-162 is 0, which PostgreSQL calls an underflow, an error.
constexpr const char* kCompare = R"sql(
WITH dates AS (
    SELECT id, start_date, end_date FROM public.ab_test_experiments
    UNION ALL
    SELECT (h.before ->> 'id')::uuid, (h.before ->> 'start_date')::timestamptz,
           (h.before ->> 'end_date')::timestamptz
    FROM burgee.flag_history h WHERE h.kind = 'experiment' AND h.before IS NOT NULL
), range AS (
    SELECT id, date_trunc('milliseconds', coalesce(start_date, '-infinity')) AS start_at,
           date_trunc('milliseconds', coalesce(end_date, 'infinity')) AS end_at FROM dates
), bound AS (
    SELECT id, min(start_at) AS widest_start, max(end_at) AS widest_end,
           max(start_at) AS narrowest_start, min(end_at) AS narrowest_end FROM range GROUP BY id
), experiment AS MATERIALIZED (
    SELECT e.id, e.name, b.*,
           date_trunc('milliseconds', coalesce(e.start_date, '-infinity')) AS start_at,
           date_trunc('milliseconds', coalesce(e.end_date, 'infinity')) AS end_at
    FROM public.ab_test_experiments e
    JOIN (SELECT id AS bound_id, widest_start, widest_end, narrowest_start, narrowest_end
          FROM bound) b ON b.bound_id = e.id
    WHERE nullif($1, '') IS NULL OR e.id = nullif($1, '')::uuid
), known AS (
    SELECT experiment_id, variant FROM burgee.cells
    UNION SELECT u.experiment_id, u.variant
    FROM burgee.waiting_units w CROSS JOIN LATERAL unnest(w.units) u
), event AS (
    SELECT m.experiment_id, m.variant_name AS variant, m.metric_type AS metric,
           CASE WHEN m.spool_id IS NOT NULL THEN m.unit END AS unit,
           CASE WHEN m.spool_id IS NULL
                THEN coalesce(nullif(m.user_id, ''), nullif(m.session_id, '')) END AS unit_text,
           m.metric_value AS value, t.at, t.at >= e.start_at AND t.at < e.end_at AS is_counted,
           t.at >= e.narrowest_start AND t.at < e.narrowest_end AS was_always_counted
    FROM public.ab_test_metrics m
    JOIN experiment e ON e.id = m.experiment_id
    CROSS JOIN LATERAL (SELECT date_trunc('milliseconds', m.created_at) AS at) t
    LEFT JOIN burgee.metric_backfill b
           ON m.spool_id IS NULL AND b.round = 1 - coalesce(m.lsn, 0)
          AND coalesce(m.lsn, -1) BETWEEN -1000000 AND -1
    LEFT JOIN burgee.metric_backfill l
           ON m.spool_id IS NULL AND l.round = -m.lsn AND m.lsn BETWEEN -1000000 AND -1
          AND l.folds_later_rows
    WHERE isfinite(t.at) AND t.at >= e.widest_start AND t.at < e.widest_end
      AND abs(m.metric_value) <= 1e100
      AND CASE WHEN m.spool_id IS NOT NULL THEN m.unit IS NOT NULL
          ELSE (b.completed_at IS NOT NULL OR l.round IS NOT NULL
                OR (m.created_at, m.id) <= (b.last_created_at, b.last_id))
               AND octet_length(coalesce(nullif(m.user_id, ''), nullif(m.session_id, ''))) <= 512
               AND octet_length(m.variant_name) <= 512
               AND octet_length(m.metric_type) BETWEEN 1 AND 512
               AND (m.experiment_id, m.variant_name)
                   IN (SELECT k.experiment_id, k.variant FROM known k) END
), grouped AS (
    SELECT experiment_id, variant, metric, unit, unit_text,
           count(*) FILTER (WHERE is_counted) AS n,
           count(*) FILTER (WHERE was_always_counted) AS n_least, count(*) AS n_most,
           sum(value) FILTER (WHERE is_counted) AS sum,
           sum(abs(value)) FILTER (WHERE is_counted) AS sum_of_sizes,
           sum(CASE WHEN abs(value) < 1.6e-162 THEN 0 ELSE value * value END)
               FILTER (WHERE is_counted) AS sum_of_squares,
           min(value) FILTER (WHERE is_counted) AS min,
           max(value) FILTER (WHERE is_counted) AS max,
           min(at) FILTER (WHERE is_counted) AS first_at,
           max(at) FILTER (WHERE is_counted) AS last_at
    FROM event GROUP BY 1, 2, 3, 4, 5
), raw AS (
    SELECT experiment_id, variant, metric, coalesce(unit, burgee.unit_hash(unit_text)) AS unit,
           sum(n)::bigint AS n, sum(n_least)::bigint AS n_least, sum(n_most)::bigint AS n_most,
           sum(sum) AS sum, sum(sum_of_sizes) AS sum_of_sizes,
           sum(sum_of_squares) AS sum_of_squares, min(min) AS min, max(max) AS max,
           min(first_at) AS first_at, max(last_at) AS last_at
    FROM grouped GROUP BY 1, 2, 3, 4
), folded AS (
    SELECT c.experiment_id, c.variant, c.metric, u.unit, u.n, u.sum, u.sum_of_squares, u.min, u.max,
           u.first_at, u.last_at
    FROM burgee.unit_metrics u JOIN burgee.cells c USING (cell)
    UNION ALL
    SELECT u.experiment_id, u.variant, u.metric, burgee.unit_hash(u.unit), u.n, u.sum,
           u.sum_of_squares, u.min, u.max, u.first_at, u.last_at
    FROM burgee.waiting_units w CROSS JOIN LATERAL unnest(w.units) u
), state AS (
    SELECT experiment_id, variant, metric, unit, sum(n)::bigint AS n, sum(sum) AS sum,
           sum(sum_of_squares) AS sum_of_squares, min(min) AS min, max(max) AS max,
           min(first_at) AS first_at, max(last_at) AS last_at
    FROM folded
    WHERE nullif($1, '') IS NULL OR experiment_id = nullif($1, '')::uuid
    GROUP BY 1, 2, 3, 4
), gap AS (
    SELECT experiment_id, string_agg(reason || ' since ' || to_char(noted_at, 'YYYY-MM-DD'), ', '
                                     ORDER BY reason) AS reasons
    FROM burgee.raw_row_gaps GROUP BY experiment_id
), paired AS (
    SELECT experiment_id, variant, metric, unit, coalesce(s.n, 0) AS counted,
           coalesce(r.n, 0) AS raw, coalesce(r.n_least, 0) AS n_least,
           coalesce(r.n_most, 0) AS n_most,
           coalesce(s.n, 0) = coalesce(r.n, 0)
           AND (s.n IS NULL
                OR (s.min, s.max, s.first_at, s.last_at)
                   IS NOT DISTINCT FROM (r.min, r.max, r.first_at, r.last_at)
                   AND abs(s.sum - r.sum) <= 1e-9 * r.sum_of_sizes + 1e-300
                   AND abs(s.sum_of_squares - r.sum_of_squares)
                       <= 1e-9 * r.sum_of_squares + 1e-300) AS is_equal
    FROM state s FULL JOIN raw r USING (experiment_id, variant, metric, unit)
), judged AS (
    SELECT p.experiment_id, p.variant, p.metric, p.unit, p.counted, p.raw, e.name,
           e.id IS NOT NULL AS has_experiment, g.reasons,
           CASE WHEN p.is_equal THEN 'equal'
                WHEN p.n_least < p.n_most AND p.counted BETWEEN p.n_least AND p.n_most
                THEN 'dates'
                WHEN (e.id IS NULL OR g.reasons IS NOT NULL) AND p.counted >= p.n_least
                     AND p.counted > 0 AND p.raw < p.counted THEN 'gap'
                ELSE 'different' END AS outcome
    FROM paired p LEFT JOIN experiment e ON e.id = p.experiment_id
    LEFT JOIN gap g ON g.experiment_id = p.experiment_id
    WHERE p.counted > 0 OR p.raw > 0
), summed AS (
    SELECT experiment_id, min(name) AS name, bool_or(has_experiment) AS has_experiment,
           min(reasons) AS reasons, grouping(variant) AS is_whole, variant, metric,
           count(*) AS units, count(*) FILTER (WHERE outcome = 'different') AS different,
           count(*) FILTER (WHERE outcome = 'different' AND counted = 0) AS missing,
           count(*) FILTER (WHERE outcome = 'different' AND raw = 0) AS surplus,
           count(*) FILTER (WHERE outcome = 'dates') AS by_dates,
           count(*) FILTER (WHERE outcome = 'gap') AS by_gap, sum(counted)::bigint AS counted,
           sum(raw)::bigint AS raw, min(unit) FILTER (WHERE outcome <> 'equal') AS example
    FROM judged GROUP BY GROUPING SETS ((experiment_id), (experiment_id, variant, metric))
), numbered AS (
    SELECT *, row_number() OVER (PARTITION BY is_whole
                                 ORDER BY different DESC, experiment_id, variant, metric) AS place,
           count(*) OVER (PARTITION BY is_whole) AS places
    FROM summed WHERE is_whole = 1 OR different + by_dates + by_gap > 0
)
SELECT experiment_id::text, name, has_experiment, reasons, is_whole = 1, variant, metric, units,
       different, missing, surplus, by_dates, by_gap, counted, raw, example, places
FROM numbered WHERE is_whole = 1 OR place <= $2::bigint
ORDER BY name, experiment_id, is_whole DESC, variant, metric)sql";

UnitComparison units_at(const PgRows& rows, std::size_t row) {
    const auto count = [&](std::size_t column) {
        return static_cast<std::uint64_t>(rows.integer(row, column));
    };
    return {count(7), count(8), count(9), count(10), count(11), count(12), count(13), count(14)};
}

CheckedExperiment experiment_at(const PgRows& rows, std::size_t row) {
    CheckedExperiment experiment;
    experiment.id = rows.text(row, 0);
    experiment.units = units_at(rows, row);
    const UnitComparison& units = experiment.units;
    const std::optional<std::string> gaps = rows.value(row, 3);
    if (rows.boolean(row, 2)) {
        experiment.name = rows.value(row, 1).value_or("");
    } else {
        experiment.reasons.emplace_back("the experiment was deleted, and with it its dates");
    }
    if (gaps && units.by_gap > 0) {
        experiment.reasons.push_back("raw rows are missing: " + *gaps);
    }
    if (units.by_dates > 0) {
        experiment.reasons.emplace_back(
            "its dates were changed: events were judged by the dates of their day");
    }
    if (units.different > 0) {
        experiment.verdict = StateVerdict::kDiffers;
    } else if (units.by_gap + units.by_dates > 0) {
        experiment.verdict = StateVerdict::kNotComparable;
    }
    return experiment;
}

StateCheck check_of(const PgRows& rows) {
    StateCheck check;
    for (std::size_t row = 0; row < rows.size(); ++row) {
        if (rows.boolean(row, 4)) {
            check.experiments.push_back(experiment_at(rows, row));
            continue;
        }
        const auto cells = static_cast<std::uint64_t>(rows.integer(row, 16));
        check.cells_omitted = cells > kDifferingCellsMax ? cells - kDifferingCellsMax : 0;
        check.experiments.back().cells.push_back({std::string(rows.text(row, 5)),
                                                  std::string(rows.text(row, 6)),
                                                  units_at(rows, row), rows.integer(row, 15)});
    }
    return check;
}

}  // namespace

std::string_view to_string(StateVerdict verdict) {
    switch (verdict) {
        case StateVerdict::kEqual:
            return "equal";
        case StateVerdict::kDiffers:
            return "differs";
        case StateVerdict::kNotComparable:
            return "not comparable";
    }
    return "differs";
}

bool StateCheck::has_differences() const {
    return std::any_of(experiments.begin(), experiments.end(), [](const auto& experiment) {
        return experiment.verdict == StateVerdict::kDiffers;
    });
}

SyncResult<StateCheck> check_unit_state(PgSession& session, const std::string& experiment) {
    return session.transaction(PgAccess::kReadOnly, [&](PgTransaction& open) {
        require_schema(open);
        open.script(kSettings);
        return check_of(open.query(kCompare, {experiment, std::to_string(kDifferingCellsMax)}));
    });
}

}  // namespace burgee::sync
