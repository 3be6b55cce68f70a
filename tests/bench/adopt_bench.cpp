// How long it takes to adopt a database of the former system with 10 000 flags, 100 experiments and
// 1 000 000 metric rows: schema, settings, counting every row, and the report. The server is a
// private one with its stock settings and fsync on; command and server share the machine. Making
// the rows up is not timed.

#include <benchmark/benchmark.h>

#include <chrono>
#include <stdexcept>
#include <string>

#include "sync/adoption.hpp"
#include "sync/database_audit.hpp"
#include "tests/support/former_system.hpp"
#include "tests/support/postgres_cluster.hpp"

namespace burgee::test {
namespace {

// A tenth of the flags are ab_tests at 50 %, the worst case of the report; the units of an
// experiment are drawn from 100 000 users. The rows lie in the table in the order of their times,
// as a system that only inserts leaves them.
constexpr const char* kFlags =
    "INSERT INTO feature_flags (name, status, rollout_percentage, segments, variants)"
    " SELECT 'flag.' || n, CASE WHEN n % 10 = 0 THEN 'ab_test' ELSE 'gradual_rollout' END, 50,"
    " '{\"type\": \"hash_based\"}', CASE WHEN n % 10 = 0 THEN"
    " '[{\"name\":\"control\",\"weight\":50},{\"name\":\"treatment\",\"weight\":50}]'::jsonb"
    " ELSE '[]' END FROM generate_series(1, 10000) n;"
    "INSERT INTO ab_test_experiments (feature_flag_id, name, start_date)"
    " SELECT id, name, '2024-01-01' FROM feature_flags WHERE status = 'ab_test' ORDER BY name"
    " LIMIT 100";
constexpr const char* kRows =
    "INSERT INTO ab_test_metrics (experiment_id, variant_name, user_id, metric_type, metric_value,"
    " created_at) SELECT e.ids[1 + u % 100], CASE WHEN u % 2 = 0 THEN 'control' ELSE 'treatment' "
    "END,"
    " 'user-' || u, (ARRAY['impression', 'conversion', 'response_time_ms', 'quality_score'])"
    " [1 + floor(random() * 4)::int], random() * 100, timestamptz '2024-01-02' + n * interval '1 s'"
    " FROM (SELECT n, floor(random() * 100000)::int AS u FROM generate_series(1, 1000000) n"
    "       OFFSET 0) r, (SELECT array_agg(id) AS ids FROM ab_test_experiments) e";

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void adopt_former_database(benchmark::State& state) {
    for (auto _ : state) {
        PostgresCluster cluster({.is_durable = true, .settings = {}});
        cluster.execute(kFormerTables);
        cluster.execute(kFlags);
        cluster.execute(kRows);
        cluster.execute("ANALYZE");
        const auto start = std::chrono::steady_clock::now();
        const auto report = sync::adopt({.dsn = cluster.dsn()});
        const double adopt_seconds = seconds_since(start);
        sync::PgSession session({.dsn = cluster.dsn()});
        const auto findings = sync::audit_flags(session);
        state.SetIterationTime(seconds_since(start));
        if (!report || !findings || report->backfill.counts.folded != 1'000'000) {
            state.SkipWithError(report ? "not every row was counted"
                                       : report.error().message.c_str());
            break;
        }
        state.counters["adopt_seconds"] = adopt_seconds;
        state.counters["rows_per_second"] = 1e6 / adopt_seconds;
        state.counters["unit_rows"] =
            std::stod(cluster.value("SELECT count(*) FROM burgee.unit_metrics"));
        const auto census_start = std::chrono::steady_clock::now();
        if (!sync::count_metric_rows(session, std::chrono::minutes(1))) {
            state.SkipWithError("the rows could not be counted");
        }
        state.counters["census_seconds"] = seconds_since(census_start);
    }
}

BENCHMARK(adopt_former_database)->Iterations(1)->UseManualTime()->Unit(benchmark::kSecond);

}  // namespace
}  // namespace burgee::test
