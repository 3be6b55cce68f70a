// Promise: rows of the former system are counted exactly as the uploader would have counted them,
// each once, whoever dies in between and however often it is asked for.
// Method: real servers; the same rows through the metric writer on a fresh database, and processes
// and servers killed in the middle.
#include "sync/metric_backfill.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <burgee/checksum.hpp>

#include "sync/metric_writer.hpp"
#include "sync/migrations.hpp"
#include "tests/support/former_system.hpp"
#include "tests/sync/memory_source.hpp"
#include "tests/sync/migrated_cluster.hpp"

namespace burgee::sync {
namespace {

using test::PostgresCluster;

constexpr Uuid kExperiment{0xE1};
constexpr const char* kExperimentId = "e1000000-0000-0000-0000-000000000000";
constexpr const char* kState =
    "SELECT coalesce(string_agg(concat_ws(' ', c.experiment_id, c.phase, c.variant, c.metric,"
    " c.randomised, u.unit, u.n, u.sum, u.sum_of_squares, u.min, u.max,"
    " extract(epoch FROM u.first_at), extract(epoch FROM u.last_at)), E'\n'"
    " ORDER BY c.variant, c.metric, u.unit), '')"
    " FROM burgee.unit_metrics u JOIN burgee.cells c USING (cell)";
constexpr const char* kFlags =
    "INSERT INTO feature_flags (id, name, status, variants) VALUES"
    " ('f1000000-0000-0000-0000-000000000000', 'models', 'ab_test',"
    "  '[{\"name\":\"control\",\"weight\":50},{\"name\":\"treatment\",\"weight\":50}]');"
    "INSERT INTO ab_test_experiments (id, feature_flag_id, name, start_date, end_date, status) "
    "VALUES"
    " ('e1000000-0000-0000-0000-000000000000', 'f1000000-0000-0000-0000-000000000000', 'models',"
    "  '2024-01-01', '2024-02-01', 'completed')";
// Half values add up exactly in whatever order. Every unit has several rows, spread over the month.
constexpr const char* kRows =
    "INSERT INTO ab_test_metrics (experiment_id, variant_name, user_id, session_id, metric_type,"
    " metric_value, created_at) SELECT 'e1000000-0000-0000-0000-000000000000',"
    " CASE WHEN n % 3 = 0 THEN 'treatment' ELSE 'control' END,"
    " CASE WHEN n % 7 > 0 THEN 'user-' || n % 700 END,"
    " CASE WHEN n % 2 = 0 THEN 'session-' || n % 300 END,"
    " (ARRAY['impression', 'conversion', 'quality_score'])[1 + n % 3], (n % 11) / 2.0,"
    " timestamptz '2023-12-30' + n * interval '3 minutes' FROM generate_series(1, 20000) n";

class MetricBackfillTest : public ::testing::Test {
protected:
    MetricBackfillTest() {
        cluster_.execute(test::kFormerTables);
        cluster_.execute(kFlags);
    }

    void migrate_schema() { ASSERT_TRUE(migrate(session_)); }
    void execute(const std::string& sql) { cluster_.execute(sql); }
    std::string value(const std::string& sql) { return cluster_.value(sql); }
    std::string state() { return value(kState); }

    /// Opens what is due and works to its end.
    BackfillState complete(BackfillOptions options = {}) {
        MetricBackfill backfill(session_, options);
        BackfillState state = backfill.open().value();
        while (!state.is_complete) {
            state = backfill.step().value();
        }
        return state;
    }

    /// What the metric writer makes of the same rows on a fresh database.
    std::string uploaded_state() {
        test::MigratedCluster fresh;
        fresh.execute(kFlags);
        test::MemorySource source;
        for (const test::PostgresRow& row : cluster_.rows(
                 "SELECT variant_name, metric_type, coalesce(user_id, ''), coalesce(session_id, "
                 "''),"
                 " metric_value, floor(extract(epoch FROM created_at) * 1000)::bigint"
                 " FROM ab_test_metrics WHERE experiment_id IS NOT NULL ORDER BY created_at, id")) {
            MetricEvent event;
            event.experiment = kExperiment;
            event.phase = 1;
            event.variant = *row[0];
            event.metric = *row[1];
            event.user_id = *row[2];
            event.session_id = *row[3];
            event.value = std::stod(*row[4]);
            event.created_unix_ms = std::stoll(*row[5]);
            const std::string& unit = !row[2]->empty() ? *row[2] : *row[3];
            event.unit_source = unit.empty()      ? UnitSource::kNone
                                : row[2]->empty() ? UnitSource::kSessionId
                                                  : UnitSource::kUserId;
            event.unit = hash64(unit);
            source.add(event);
        }
        MetricWriter writer({.dsn = fresh.dsn()}, {.stores_raw_rows = false});
        constexpr Uuid kSpool{0x50};
        std::uint64_t lsn = writer.open_cursor(kSpool, 1).next_lsn;
        while (lsn < source.end_lsn()) {  // a batch may end early
            const WriteReport report = writer.write({kSpool, lsn, source.end_lsn()}, source);
            EXPECT_EQ(report.status, WriteStatus::kCommitted) << report.error.message;
            lsn = report.next_lsn;
        }
        return fresh.value(kState);
    }

    PostgresCluster cluster_;
    PgSession session_{{.dsn = cluster_.dsn()}};
};

TEST_F(MetricBackfillTest, CountsAsTheUploaderWouldHave) {
    execute(kRows);
    execute(
        "INSERT INTO ab_test_metrics (experiment_id, variant_name, user_id, session_id, "
        "metric_type,"
        " metric_value, created_at) VALUES ('" +
        std::string(kExperimentId) +
        "', 'control', '', 'by-session', 'impression', 1, '2024-01-01 00:00:00'),"
        "('e1000000-0000-0000-0000-000000000000', 'control', 'late', NULL, 'impression', 1, "
        "'2024-02-01 00:00:00'),"
        "('e1000000-0000-0000-0000-000000000000', 'no such', 'u', NULL, 'impression', 1, "
        "'2024-01-02'),"
        "('e1000000-0000-0000-0000-000000000000', 'control', 'u', NULL, 'impression', 1e200, "
        "'2024-01-02'),"
        "('e1000000-0000-0000-0000-000000000000', 'control', NULL, '', 'impression', 1, "
        "'2024-01-02')");
    migrate_schema();
    const std::string before = value(
        "SELECT md5(string_agg(m::text, '' ORDER BY id)) FROM"
        " ab_test_metrics m");
    complete({.rows_per_transaction = 3'000});
    const std::string expected = uploaded_state();
    ASSERT_FALSE(expected.empty());
    EXPECT_TRUE(state() == expected);  // thousands of lines: no use printing them
    EXPECT_EQ(before,
              value("SELECT md5(string_agg(m::text, '' ORDER BY id)) FROM ab_test_metrics m"));
}

TEST_F(MetricBackfillTest, SaysWhatBecameOfEveryRow) {
    execute(
        "INSERT INTO ab_test_metrics (experiment_id, variant_name, user_id, metric_type,"
        " metric_value, created_at) VALUES"
        " ('e1000000-0000-0000-0000-000000000000', 'control', 'u', 'error', 1, '2024-01-05'),"
        " ('e1000000-0000-0000-0000-000000000000', 'control', NULL, 'error', 1, '2024-01-05'),"
        " ('e1000000-0000-0000-0000-000000000000', 'control', 'u', 'error', 1, '2023-01-05'),"
        " ('e1000000-0000-0000-0000-000000000000', 'control', 'u', 'error', 1, NULL),"
        " ('e1000000-0000-0000-0000-000000000000', 'control', 'u', 'error', 1, 'infinity'),"
        " ('e1000000-0000-0000-0000-000000000000', 'typo', 'u', 'error', 1, '2024-01-05'),"
        " (NULL, 'control', 'u', 'error', 1, '2024-01-05'),"
        " ('e1000000-0000-0000-0000-000000000000', 'control', 'u', 'error', 'NaN', '2024-01-05'),"
        " ('e1000000-0000-0000-0000-000000000000', 'control', repeat('u', 513), 'error', 1,"
        "  '2024-01-05'),"
        " ('e1000000-0000-0000-0000-000000000000', 'control', 'u', repeat('m', 3000), 1,"
        "  '2024-01-05')");
    // As texts these stand in another order than as times.
    execute(
        "INSERT INTO ab_test_metrics (experiment_id, variant_name, user_id, metric_type,"
        " metric_value, created_at) VALUES"
        " ('e1000000-0000-0000-0000-000000000000', 'control', 'u', 'error', 1, '12000-01-01'),"
        " ('e1000000-0000-0000-0000-000000000000', 'control', 'u', 'error', 1, '0044-03-15 BC')");
    migrate_schema();
    const BackfillState done = complete({.rows_per_transaction = 1});
    EXPECT_EQ(done.counts, (BackfillCounts{12, 1, 2, 1, 5, 3}));
    EXPECT_EQ(value("SELECT sum(n) FROM burgee.unit_metrics"), "1");
}

TEST_F(MetricBackfillTest, TakesNoRowTwiceAndLaterOnesInALaterRound) {
    execute(kRows);
    migrate_schema();
    const BackfillState first = complete();
    EXPECT_EQ(first.round, 1);
    EXPECT_EQ(first.counts.row_count, 20'000U);
    const std::string once = state();
    EXPECT_EQ(complete().round, 1);
    EXPECT_TRUE(state() == once);

    // The former system writes on, with rights on its three tables alone.
    execute(
        "CREATE ROLE python LOGIN; GRANT SELECT, INSERT, UPDATE ON feature_flags,"
        " ab_test_experiments, ab_test_metrics TO python");
    PgSession python({.dsn = cluster_.dsn("python")});
    ASSERT_TRUE(python.transaction(PgAccess::kReadWrite, [](PgTransaction& open) {
        open.query(
            "INSERT INTO public.ab_test_metrics (experiment_id, variant_name, user_id, metric_type,"
            " metric_value, created_at) VALUES ('e1000000-0000-0000-0000-000000000000', 'control',"
            " 'newcomer', 'impression', 1, '2024-01-03')");
        open.query("UPDATE public.feature_flags SET rollout_percentage = 30");
        open.query("UPDATE public.ab_test_experiments SET status = 'paused'");
    }));
    EXPECT_EQ(value("SELECT count(*) FROM ab_test_metrics WHERE spool_id IS NULL AND lsn = -1"),
              "1");
    const BackfillState second = complete();
    EXPECT_EQ(second.round, 2);
    EXPECT_EQ(second.counts, (BackfillCounts{1, 1, 0, 0, 0, 0}));
    EXPECT_EQ(
        value("SELECT n FROM burgee.unit_metrics WHERE unit = " +
              std::to_string(static_cast<std::int64_t>(hash64(std::string_view("newcomer"))))),
        "1");
    EXPECT_EQ(complete().round, 2);
}

TEST_F(MetricBackfillTest, SurvivesItsOwnDeathAndTheServers) {
    execute(kRows);
    migrate_schema();
    int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    session_.disconnect();
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        PgSession own({.dsn = cluster_.dsn()});
        MetricBackfill backfill(own, {.rows_per_transaction = 500});
        backfill.open().value();
        while (backfill.step()) {
            [[maybe_unused]] const auto written = ::write(pipe_ends[1], ".", 1);
        }
        ::_exit(1);
    }
    char progress[3];
    for (char& each : progress) {
        ASSERT_EQ(::read(pipe_ends[0], &each, 1), 1);
    }
    ASSERT_EQ(::kill(child, SIGKILL), 0);  // most likely inside the fourth transaction
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);

    MetricBackfill backfill(session_, {.rows_per_transaction = 1'000});
    ASSERT_FALSE(backfill.open().value().is_complete);
    ASSERT_TRUE(backfill.step());
    EXPECT_GE(std::stoi(value("SELECT row_count FROM burgee.metric_backfill")), 2'500);
    cluster_.kill9();
    cluster_.start();
    EXPECT_FALSE(backfill.step());  // the connection is gone
    BackfillState last;
    while (!last.is_complete || last.round == 0) {
        last = backfill.step().value();
    }
    EXPECT_EQ(last.counts.row_count, 20'000U);
    EXPECT_TRUE(state() == uploaded_state());
}

TEST_F(MetricBackfillTest, TwoAtOnceCountOnce) {
    execute(kRows);
    migrate_schema();
    PgSession other_session({.dsn = cluster_.dsn()});
    MetricBackfill one(session_, {.rows_per_transaction = 700});
    MetricBackfill other(other_session, {.rows_per_transaction = 1'100});
    ASSERT_FALSE(one.open().value().is_complete);
    ASSERT_FALSE(other.open().value().is_complete);
    for (bool is_complete = false; !is_complete;) {
        ASSERT_TRUE(one.step());
        is_complete = other.step().value().is_complete;
    }
    EXPECT_TRUE(state() == uploaded_state());
}

TEST_F(MetricBackfillTest, GivesWayToWhoeverUsesTheTable) {
    execute(kRows);
    migrate_schema();
    PgSession reader({.dsn = cluster_.dsn()});
    ASSERT_TRUE(reader.transaction(PgAccess::kReadOnly, [&](PgTransaction& open) {
        open.query("SELECT FROM public.ab_test_metrics LIMIT 1");
        const auto opened = MetricBackfill(session_).open();
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().kind, SyncErrorKind::kBusy);
    }));
    EXPECT_FALSE(MetricBackfill(session_).open().value().is_complete);
}

}  // namespace
}  // namespace burgee::sync
