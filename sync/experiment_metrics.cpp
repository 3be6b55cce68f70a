#include "sync/experiment_metrics.hpp"

#include <simdjson.h>
#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>

#include "sync/experiment_store.hpp"

namespace burgee::sync {
namespace {

constexpr std::string_view kControlName = "control";

// Every query below joins whole sets. Unit state that was merged a moment ago has no statistics yet,
// and a planner that takes it for empty joins row by row: minutes instead of milliseconds.
constexpr const char* kPlanForSets =
    "SET LOCAL enable_nestloop = off; SET LOCAL jit = off; SET LOCAL work_mem = '64MB'";

// One row a unit: in how many variants it had an impression, and in which. Units that were met by
// hand are not here. Everything below is set-wise over it, inside one snapshot of the database.
#define BURGEE_UNITS                                                          \
    "WITH cell AS MATERIALIZED ("                                             \
    "  SELECT cell, variant, metric FROM burgee.cells"                        \
    "  WHERE experiment_id = $1 AND phase = $2 AND randomised),"              \
    "state AS MATERIALIZED ("                                                 \
    "  SELECT u.unit, c.variant, c.metric, u.n, u.sum, u.min, u.max"          \
    "  FROM burgee.unit_metrics u JOIN cell c USING (cell)),"                 \
    "unit AS MATERIALIZED ("                                                  \
    "  SELECT unit, count(*) AS variants, min(variant) AS variant FROM state" \
    "  WHERE metric = 'impression' GROUP BY unit)"

// Counts of units by variant; a crossover belongs to none.
constexpr const char* kSelectUnits = BURGEE_UNITS
    " SELECT x.variant, count(*),"
    "   count(*) FILTER (WHERE x.converted), count(*) FILTER (WHERE x.failed) "
    "FROM (SELECT t.unit, t.variant,"
    "        bool_or(s.metric = 'conversion' AND s.sum > 0) AS converted,"
    "        bool_or(s.metric = 'error' AND s.sum > 0) AS failed"
    "      FROM unit t JOIN state s ON s.unit = t.unit AND s.variant = t.variant"
    "      WHERE t.variants = 1 GROUP BY t.unit, t.variant) x GROUP BY x.variant";
constexpr const char* kSelectCrossovers = BURGEE_UNITS
    " SELECT count(DISTINCT t.unit), coalesce(sum(s.n), 0)::bigint"
    " FROM unit t JOIN state s USING (unit) WHERE t.variants > 1";
constexpr const char* kSelectUnexposed = BURGEE_UNITS
    " SELECT s.variant, count(DISTINCT s.unit) FROM state s"
    " WHERE NOT EXISTS (SELECT FROM unit t WHERE t.unit = s.unit) GROUP BY s.variant";
constexpr const char* kSelectEvents = BURGEE_UNITS
    " SELECT variant, metric, sum(n)::bigint FROM state"
    " WHERE metric IN ('impression', 'conversion', 'error') GROUP BY variant, metric";
// The regression aggregates update centred sums by the method of Youngs and Cramer (float.c), so
// values far from zero lose nothing. $3: metrics declared as totals, where a unit without events
// counts as 0.
constexpr const char* kSelectMoments = BURGEE_UNITS
    ", wanted AS (SELECT DISTINCT metric, metric = ANY ($3::text[]) AS is_total FROM cell"
    "   WHERE metric NOT IN ('impression', 'conversion', 'error')),"
    "pair AS ("
    "  SELECT t.variant, w.metric, w.is_total, s.sum AS m, s.n::float8 AS d, s.min, s.max"
    "  FROM state s JOIN unit t ON t.unit = s.unit AND t.variant = s.variant AND t.variants = 1"
    "  JOIN wanted w ON w.metric = s.metric"
    " UNION ALL"
    "  SELECT t.variant, w.metric, true, 0, 0, NULL, NULL"
    "  FROM unit t CROSS JOIN wanted w WHERE t.variants = 1 AND w.is_total"
    "   AND NOT EXISTS (SELECT FROM state s WHERE s.unit = t.unit AND s.variant = t.variant"
    "                   AND s.metric = w.metric))"
    " SELECT variant, metric, bool_or(is_total), count(*), sum(m), sum(d),"
    "   regr_sxx(m, m), regr_sxx(d, d), regr_sxy(m, d),"
    "   coalesce(min(min), 0), coalesce(max(max), 0) FROM pair GROUP BY variant, metric"
    " ORDER BY metric COLLATE \"C\"";
#undef BURGEE_UNITS

constexpr const char* kSelectByHand =
    "SELECT c.variant, count(DISTINCT u.unit), sum(u.n)::bigint"
    " FROM burgee.unit_metrics u JOIN burgee.cells c USING (cell)"
    " WHERE c.experiment_id = $1 AND c.phase = $2 AND NOT c.randomised GROUP BY c.variant";
// Raw rows do not know their phase: the dates of the phase stand in for it.
constexpr const char* kSelectNoUnit =
    "SELECT count(*) FROM public.ab_test_metrics m WHERE m.experiment_id = $1 AND m.unit IS NULL"
    " AND m.spool_id IS NOT NULL"
    " AND m.created_at >= coalesce((SELECT p.started_at FROM burgee.experiment_phases p"
    "    WHERE p.experiment_id = $1 AND p.phase = $2), '-infinity')"
    " AND m.created_at < coalesce((SELECT p.started_at FROM burgee.experiment_phases p"
    "    WHERE p.experiment_id = $1 AND p.phase = $2 + 1), 'infinity')";
constexpr const char* kSelectVariants =
    "SELECT v ->> 'name', coalesce(CASE WHEN jsonb_typeof(v -> 'weight') = 'number'"
    "                                   THEN (v ->> 'weight')::float8 END, 0)"
    " FROM public.ab_test_experiments e JOIN public.feature_flags f ON f.id = e.feature_flag_id"
    " CROSS JOIN LATERAL jsonb_array_elements(CASE WHEN jsonb_typeof(f.variants) = 'array'"
    "                                              THEN f.variants ELSE '[]' END)"
    "   WITH ORDINALITY AS listed(v, place)"
    " WHERE e.id = $1 AND v ->> 'name' IS NOT NULL ORDER BY place";
constexpr const char* kSelectSeenVariants =
    "SELECT DISTINCT variant FROM burgee.cells WHERE experiment_id = $1 AND phase = $2"
    " ORDER BY variant";
// Ending by hand moves end_date to that moment; the history still knows the one that was planned.
constexpr const char* kSelectStoppedEarly =
    "SELECT EXISTS (SELECT FROM burgee.flag_history h WHERE h.kind = 'experiment'"
    " AND h.after ->> 'id' = $1 AND h.after ->> 'status' IN ('completed', 'cancelled')"
    " AND coalesce((h.before ->> 'end_date')::timestamptz, 'infinity')"
    "     > (h.after ->> 'end_date')::timestamptz)";
constexpr const char* kSelectNow = "SELECT (extract(epoch FROM now()) * 1000)::bigint";
constexpr const char* kKeepResults =
    "INSERT INTO burgee.experiment_results (experiment_id, phase, computed_at, results)"
    " VALUES ($1, $2, clock_timestamp(), $3::jsonb)";
constexpr const char* kShowResults =
    "UPDATE public.ab_test_experiments SET results = $2::jsonb WHERE id = $1";

/// Reads one experiment's data inside one transaction.
class DataReader {
public:
    DataReader(PgTransaction& open, ExperimentData& data)
        : open_(open), data_(data), key_{to_text(data.id), std::to_string(data.phase)} {}

    void read() {
        read_variants();
        read_units();
        read_events();
        read_moments();
        data_.no_unit_events =
            static_cast<std::uint64_t>(open_.query(kSelectNoUnit, key_).integer(0, 0));
        data_.was_stopped_early = open_.query(kSelectStoppedEarly, {key_[0]}).boolean(0, 0);
        data_.computed_unix_ms = open_.query(kSelectNow).integer(0, 0);
        mark_control();
    }

private:
    static std::uint64_t count_at(const PgRows& rows, std::size_t row, std::size_t column) {
        return static_cast<std::uint64_t>(rows.integer(row, column));
    }

    VariantData& variant(std::string_view name) {
        const auto found =
            std::find_if(data_.variants.begin(), data_.variants.end(),
                         [&](const VariantData& known) { return known.name == name; });
        if (found != data_.variants.end()) {
            return *found;
        }
        VariantData& added = data_.variants.emplace_back();
        added.name = name;
        return added;
    }

    // Those the flag lists, in its order, then those that only events know.
    void read_variants() {
        const PgRows listed = open_.query(kSelectVariants, {key_[0]});
        for (std::size_t row = 0; row < listed.size(); ++row) {
            variant(listed.text(row, 0)).weight = listed.number(row, 1);
        }
        const PgRows seen = open_.query(kSelectSeenVariants, key_);
        for (std::size_t row = 0; row < seen.size(); ++row) {
            variant(seen.text(row, 0));
        }
    }

    void read_units() {
        const PgRows units = open_.query(kSelectUnits, key_);
        for (std::size_t row = 0; row < units.size(); ++row) {
            VariantData& arm = variant(units.text(row, 0));
            arm.exposed_units = count_at(units, row, 1);
            arm.converted_units = count_at(units, row, 2);
            arm.error_units = count_at(units, row, 3);
        }
        const PgRows unexposed = open_.query(kSelectUnexposed, key_);
        for (std::size_t row = 0; row < unexposed.size(); ++row) {
            variant(unexposed.text(row, 0)).unexposed_units = count_at(unexposed, row, 1);
        }
        const PgRows by_hand = open_.query(kSelectByHand, key_);
        for (std::size_t row = 0; row < by_hand.size(); ++row) {
            VariantData& arm = variant(by_hand.text(row, 0));
            arm.by_hand_units = count_at(by_hand, row, 1);
            arm.by_hand_events = count_at(by_hand, row, 2);
        }
        const PgRows crossovers = open_.query(kSelectCrossovers, key_);
        data_.crossover_units = count_at(crossovers, 0, 0);
        data_.crossover_events = count_at(crossovers, 0, 1);
    }

    void read_events() {
        const PgRows events = open_.query(kSelectEvents, key_);
        for (std::size_t row = 0; row < events.size(); ++row) {
            VariantData& arm = variant(events.text(row, 0));
            const std::string_view metric = events.text(row, 1);
            std::uint64_t& count = metric == "impression"   ? arm.impressions
                                   : metric == "conversion" ? arm.conversions
                                                            : arm.errors;
            count = count_at(events, row, 2);
        }
    }

    void read_moments() {
        const PgRows rows = open_.query(kSelectMoments, {key_[0], key_[1], declared_totals()});
        for (std::size_t row = 0; row < rows.size(); ++row) {
            MetricMoments moments;
            moments.metric = rows.text(row, 1);
            moments.is_total = rows.boolean(row, 2);
            moments.units = count_at(rows, row, 3);
            moments.sum_m = rows.number(row, 4);
            moments.sum_d = rows.number(row, 5);
            moments.centred_mm = rows.number(row, 6);
            moments.centred_dd = rows.number(row, 7);
            moments.centred_md = rows.number(row, 8);
            moments.value_min = rows.number(row, 9);
            moments.value_max = rows.number(row, 10);
            variant(rows.text(row, 0)).metrics.push_back(std::move(moments));
        }
    }

    // A success metric is a name, or an object {"name": ..., "aggregation": "total"}.
    std::string declared_totals() const {
        std::string array = "{";
        simdjson::dom::parser parser;
        simdjson::dom::array metrics;
        if (parser.parse(simdjson::padded_string(data_.success_metrics_json)).get(metrics) !=
            simdjson::SUCCESS) {
            return "{}";
        }
        for (const simdjson::dom::element metric : metrics) {
            std::string_view name;
            std::string_view aggregation;
            if (metric["name"].get(name) != simdjson::SUCCESS ||
                metric["aggregation"].get(aggregation) != simdjson::SUCCESS ||
                aggregation != "total") {
                continue;
            }
            array += array.size() > 1 ? ",\"" : "\"";
            for (const char symbol : name) {
                array += symbol == '"' || symbol == '\\' ? "\\" : "";
                array += symbol;
            }
            array += '"';
        }
        return array + "}";
    }

    // The variant called so, else the first listed; never whichever event came first.
    void mark_control() {
        const auto named =
            std::find_if(data_.variants.begin(), data_.variants.end(),
                         [](const VariantData& arm) { return arm.name == kControlName; });
        if (named != data_.variants.end()) {
            std::rotate(data_.variants.begin(), named, named + 1);
        }
        if (!data_.variants.empty()) {
            data_.variants.front().is_control = true;
        }
    }

    PgTransaction& open_;
    ExperimentData& data_;
    PgValues key_;  // experiment, phase
};

}  // namespace

SyncResult<ExperimentData> load_experiment_data(PgSession& session, const std::string& experiment,
                                                std::uint32_t phase) {
    const SyncResult<ExperimentRow> row = find_experiment(session, experiment);
    if (row.has_error()) {
        return row.error();
    }
    if (phase > row->phase) {
        return SyncError{SyncErrorKind::kNotFound, "",
                         "the experiment '" + row->name + "' is in phase " +
                             std::to_string(row->phase) + "; there is no phase " +
                             std::to_string(phase)};
    }
    return session.transaction(PgAccess::kReadOnly, [&](PgTransaction& open) {
        open.script(kPlanForSets);
        ExperimentData data;
        data.id = row->id;
        data.name = row->name;
        data.flag_name = row->flag_name;
        data.hypothesis = row->hypothesis;
        data.status = row->status;
        data.success_metrics_json = row->success_metrics_json;
        data.phase = phase == 0 ? row->phase : phase;
        data.start_unix_ms = row->start_unix_ms;
        data.end_unix_ms = row->end_unix_ms;
        DataReader(open, data).read();
        return data;
    });
}

SyncResult<void> store_results(PgSession& session, const Uuid& experiment, std::uint32_t phase,
                               const std::string& results_json) {
    return session.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        const std::string id = to_text(experiment);
        open.query(kKeepResults, {id, std::to_string(phase), results_json});
        if (open.query(kShowResults, {id, results_json}).affected() == 0) {
            throw SyncFailure(SyncErrorKind::kNotFound, "there is no experiment " + id);
        }
    });
}

}  // namespace burgee::sync
