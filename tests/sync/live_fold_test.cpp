// Promise: where it is asked for, rows that others write count at their commit, each once, beside
// our own uploads and beside the rounds of the adoption; and nothing that goes wrong with that
// fails their statement or is forgotten. Method: real servers, a login with rights on the three
// tables alone, the real metric writer, and the comparison with the raw rows.

#include <gmock/gmock.h>

#include <burgee/checksum.hpp>
#include <chrono>
#include <thread>

#include "sync/database_health.hpp"
#include "sync/metric_backfill.hpp"
#include "sync/metric_writer.hpp"
#include "sync/unit_state_check.hpp"
#include "tests/support/former_system.hpp"
#include "tests/sync/memory_source.hpp"
#include "tests/sync/migrated_cluster.hpp"

namespace burgee::sync {
namespace {

using testing::HasSubstr;

constexpr Uuid kExperiment{0xE1};
constexpr const char* kFlags =
    "INSERT INTO public.feature_flags (id, name, status, variants) VALUES"
    " ('f1000000-0000-0000-0000-000000000000', 'models', 'ab_test',"
    "  '[{\"name\":\"control\",\"weight\":50},{\"name\":\"new\",\"weight\":50}]');"
    "INSERT INTO public.ab_test_experiments (id, feature_flag_id, name, start_date, end_date) "
    "VALUES"
    " ('e1000000-0000-0000-0000-000000000000', 'f1000000-0000-0000-0000-000000000000', 'models',"
    "  '2024-01-01', '2024-02-01')";
constexpr const char* kForeignRights =
    "CREATE ROLE python LOGIN; GRANT SELECT, INSERT ON public.feature_flags,"
    " public.ab_test_experiments, public.ab_test_metrics TO python";

/// `count` rows, every one countable, of `units` users.
std::string rows_of(int count, int units, const char* more = "") {
    return "INSERT INTO public.ab_test_metrics (experiment_id, variant_name, user_id, metric_type,"
           " metric_value, created_at) SELECT 'e1000000-0000-0000-0000-000000000000',"
           " (ARRAY['control', 'new'])[1 + n % 2], 'user-' || n % " +
           std::to_string(units) +
           ", (ARRAY['impression', 'revenue'])[1 + n / 2 % 2], n / 7.0,"
           " timestamptz '2024-01-02 00:00:00.0001' + n * interval '1 second'"
           " FROM generate_series(1, " +
           std::to_string(count) + ") n" + more;
}

class LiveFoldTest : public testing::Test {
protected:
    /// The table of the former system, adopted with `--live on` unless a case does it by itself.
    void adopt() {
        cluster_.execute(test::kFormerTables);
        begin();
    }
    void begin() {
        ASSERT_TRUE(migrate(session_));
        cluster_.execute(kFlags);
        cluster_.execute(kForeignRights);
        switch_to(true);
    }

    BackfillState switch_to(std::optional<bool> folds_later_rows) {
        MetricBackfill backfill(session_, {.folds_later_rows = folds_later_rows});
        SyncResult<BackfillState> state = backfill.open();
        while (state && !state->is_complete) {
            state = backfill.step();
        }
        EXPECT_TRUE(state) << state.error().message;
        return state.value();
    }

    /// One transaction of the former system; false when anything in it failed.
    bool write(const std::string& sql) { return write_as(python_, sql); }
    static bool write_as(PgSession& session, const std::string& sql) {
        const auto done = session.transaction(PgAccess::kReadWrite,
                                              [&](PgTransaction& open) { open.script(sql); });
        EXPECT_TRUE(done) << done.error().message;
        return done.has_value();
    }

    void execute(const std::string& sql) { cluster_.execute(sql); }
    std::string value(const std::string& sql) { return cluster_.value(sql); }
    std::string counted() { return value("SELECT coalesce(sum(n), 0) FROM burgee.unit_metrics"); }
    std::string waiting() { return value("SELECT count(*) FROM burgee.waiting_units"); }

    /// State, with what waits, is what the raw rows say, and as many as `rows`.
    void expect_equal(std::uint64_t rows) {
        const SyncResult<StateCheck> check = check_unit_state(session_);
        ASSERT_TRUE(check) << check.error().message;
        ASSERT_EQ(check->experiments.size(), 1U);
        EXPECT_EQ(check->experiments[0].verdict, StateVerdict::kEqual);
        EXPECT_EQ(check->experiments[0].units.events_raw, rows);
        EXPECT_EQ(check->experiments[0].units.events_counted, rows);
    }

    std::string waiting_finding() {
        std::string text;
        for (const Finding& finding : check_database(session_).value().findings) {
            text += finding.subject == "waiting rows"
                        ? std::string(to_string(finding.severity)) + " " + finding.message
                        : "";
        }
        return text;
    }

    test::PostgresCluster cluster_;
    PgSession session_{{.dsn = cluster_.dsn()}};
    PgSession python_{{.dsn = cluster_.dsn("python")}};
};

TEST_F(LiveFoldTest, CountsAtTheCommitAndOnlyWhatCounts) {
    adopt();
    EXPECT_TRUE(write(rows_of(1'000, 50)));
    EXPECT_EQ(counted(), "1000");
    EXPECT_EQ(waiting(), "0");
    // Nothing of this counts: no unit, another time, another variant, no experiment, too large.
    EXPECT_TRUE(write(
        "INSERT INTO public.ab_test_metrics (experiment_id, variant_name, user_id, metric_type,"
        " metric_value, created_at) VALUES"
        " ('e1000000-0000-0000-0000-000000000000', 'new', '', 'error', 1, '2024-01-05'),"
        " ('e1000000-0000-0000-0000-000000000000', 'new', 'u', 'error', 1, '2024-02-01'),"
        " ('e1000000-0000-0000-0000-000000000000', 'new', 'u', 'error', 1, NULL),"
        " ('e1000000-0000-0000-0000-000000000000', 'new', 'u', 'error', 1, 'infinity'),"
        " ('e1000000-0000-0000-0000-000000000000', 'typo', 'u', 'error', 1, '2024-01-05'),"
        " (NULL, 'new', 'u', 'error', 1, '2024-01-05'),"
        " ('e1000000-0000-0000-0000-000000000000', 'new', 'u', 'error', 'NaN', '2024-01-05'),"
        " ('e1000000-0000-0000-0000-000000000000', 'new', 'u', 'error', 1e101, '2024-01-05'),"
        " ('e1000000-0000-0000-0000-000000000000', 'new', repeat('u', 513), 'error', 1,"
        "  '2024-01-05')"));
    // And this does: a session, a value whose square is nothing.
    EXPECT_TRUE(
        write("INSERT INTO public.ab_test_metrics (experiment_id, variant_name, session_id,"
              " metric_type, metric_value, created_at) VALUES"
              " ('e1000000-0000-0000-0000-000000000000', 'new', 's', 'error', 1e-200,"
              "  '2024-01-01')"));
    expect_equal(1'001);
    EXPECT_EQ(value("SELECT n || ' ' || sum FROM burgee.unit_metrics WHERE unit = " +
                    std::to_string(static_cast<std::int64_t>(hash64(std::string_view("s"))))),
              "1 1e-200");
    EXPECT_EQ(waiting_finding(), "");
}

TEST_F(LiveFoldTest, WhatIsRolledBackNeverCounts) {
    adopt();
    EXPECT_TRUE(write(rows_of(10, 5) + "; SAVEPOINT s; " + rows_of(20, 5) +
                      "; ROLLBACK TO SAVEPOINT s; " + rows_of(5, 5)));
    expect_equal(15);
    const auto failed = python_.transaction(PgAccess::kReadWrite, [](PgTransaction& open) {
        open.script(rows_of(10, 5));
        throw SyncFailure(SyncErrorKind::kInvalid, "given up");
    });
    EXPECT_FALSE(failed);
    expect_equal(15);
    EXPECT_EQ(waiting(), "0");
}

TEST_F(LiveFoldTest, IsCountedOnceBesideRoundsInEveryOrderOfSwitching) {
    cluster_.execute(test::kFormerTables);
    cluster_.execute(kFlags);
    execute(rows_of(100, 20));  // before there was a schema of ours
    ASSERT_TRUE(migrate(session_));
    execute(kForeignRights);
    EXPECT_TRUE(switch_to(true).folds_later_rows);
    expect_equal(100);
    EXPECT_TRUE(write(rows_of(200, 20)));
    expect_equal(300);
    EXPECT_EQ(switch_to(std::nullopt).round, 1);  // adopting again finds nothing to count
    EXPECT_EQ(switch_to(false).round, 2);
    EXPECT_TRUE(write(rows_of(400, 20)));
    expect_equal(300);  // until the next round
    EXPECT_EQ(switch_to(std::nullopt).counts.folded, 400U);
    expect_equal(700);
    EXPECT_TRUE(write(rows_of(800, 20)));
    EXPECT_TRUE(switch_to(true).folds_later_rows);  // counts those first
    EXPECT_TRUE(write(rows_of(1'600, 20)));
    expect_equal(3'100);
    EXPECT_EQ(counted(), "3100");
}

TEST_F(LiveFoldTest, OurUploadsAreNotCountedTwiceWhoeverElseWrites) {
    for (const bool is_partitioned : {false, true}) {
        test::PostgresCluster cluster;
        if (!is_partitioned) {
            cluster.execute(test::kFormerTables);
        }
        PgSession session({.dsn = cluster.dsn()});
        ASSERT_TRUE(migrate(session));
        cluster.execute(kFlags);
        cluster.execute(kForeignRights);
        MetricBackfill backfill(session, {.folds_later_rows = true});
        ASSERT_TRUE(backfill.open());
        ASSERT_TRUE(backfill.step());

        constexpr int kWriters = 3;
        constexpr int kStatements = 40;
        constexpr int kEvents = 6'000;
        std::vector<std::thread> writers;
        for (int writer = 0; writer < kWriters; ++writer) {
            writers.emplace_back([&] {
                PgSession python({.dsn = cluster.dsn("python")});
                for (int statement = 0; statement < kStatements; ++statement) {
                    write_as(python, rows_of(25, 10) + ";" + rows_of(25, 30));
                }
            });
        }
        test::MemorySource source;
        for (int event = 0; event < kEvents; ++event) {
            source.add(kExperiment, event % 2 == 0 ? "control" : "new", "impression",
                       "user-" + std::to_string(event % 30), event / 7.0,
                       1'704'153'600'000 + event);
        }
        MetricWriter writer({.dsn = cluster.dsn()}, {});
        std::uint64_t lsn = writer.open_cursor(Uuid{0x50}, 1).next_lsn;
        while (lsn < source.end_lsn()) {
            const WriteReport report =
                writer.write({Uuid{0x50}, lsn, std::min(lsn + 200, source.end_lsn())}, source);
            ASSERT_EQ(report.status, WriteStatus::kCommitted) << report.error.message;
            lsn = report.next_lsn;
        }
        for (std::thread& thread : writers) {
            thread.join();
        }
        ASSERT_TRUE(writer.fold_waiting_units(1'000));
        EXPECT_EQ(cluster.value("SELECT count(*) FROM burgee.waiting_units"), "0");
        const CheckedExperiment checked = check_unit_state(session).value().experiments.at(0);
        EXPECT_EQ(checked.verdict, StateVerdict::kEqual) << is_partitioned;
        EXPECT_EQ(checked.units.events_counted, kEvents + kWriters * kStatements * 50U);
        EXPECT_EQ(checked.units.events_raw, checked.units.events_counted);
    }
}

TEST_F(LiveFoldTest, GivesWayToWhoHoldsTheUnitsAndCountsLater) {
    adopt();
    EXPECT_TRUE(write(rows_of(10, 5)));
    PgSession holder({.dsn = cluster_.dsn()});
    ASSERT_TRUE(holder.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        open.script("UPDATE burgee.unit_metrics SET n = n");
        const auto start = std::chrono::steady_clock::now();
        EXPECT_TRUE(write(rows_of(20, 5)));
        EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
        EXPECT_EQ(waiting(), "1");
        MetricWriter writer({.dsn = cluster_.dsn()}, {});
        EXPECT_TRUE(writer.fold_waiting_units(10));  // no use yet, and no harm
        EXPECT_EQ(value("SELECT attempts FROM burgee.waiting_units"), "1");
        EXPECT_THAT(waiting_finding(), HasSubstr("warn rows of 1 statements"));
        EXPECT_THAT(waiting_finding(), HasSubstr("lock timeout"));
        expect_equal(30);  // what waits is part of the comparison
    }));
    EXPECT_EQ(counted(), "10");
    execute("CREATE ROLE host LOGIN IN ROLE burgee_reader, burgee_writer");
    MetricWriter host({.dsn = cluster_.dsn("host")}, {});
    ASSERT_TRUE(host.fold_waiting_units(10));
    EXPECT_EQ(counted(), "30");
    EXPECT_EQ(waiting(), "0");
    expect_equal(30);
}

// Who writes and does not commit holds up no upload.
TEST_F(LiveFoldTest, HoldsNoUnitBeforeTheCommit) {
    adopt();
    EXPECT_TRUE(write(rows_of(10, 5)));
    ASSERT_TRUE(python_.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        open.script(rows_of(20, 5));
        execute("SET lock_timeout = 1; UPDATE burgee.unit_metrics SET n = n; RESET lock_timeout");
    }));
    expect_equal(30);
}

TEST_F(LiveFoldTest, NothingThatIsBrokenFailsTheirStatement) {
    adopt();
    execute("ALTER TABLE burgee.unit_metrics RENAME TO gone");
    EXPECT_TRUE(write(rows_of(10, 5)));
    execute("ALTER TABLE burgee.gone RENAME TO unit_metrics");
    EXPECT_EQ(waiting(), "1");
    execute("SELECT burgee.fold_waiting_units(10)");
    expect_equal(10);
    execute("ALTER TABLE burgee.cells RENAME COLUMN variant TO gone");
    EXPECT_TRUE(write(rows_of(10, 5)));
    execute("ALTER TABLE burgee.cells RENAME COLUMN gone TO variant");
    EXPECT_THAT(waiting_finding(),
                HasSubstr("FAIL 1 statements of other writers were not counted"));
    EXPECT_TRUE(check_unit_state(session_).value().has_differences());
    execute("DROP TABLE burgee.waiting_units CASCADE");
    EXPECT_TRUE(write(rows_of(10, 5)));
    EXPECT_EQ(value("SELECT count(*) FROM public.ab_test_metrics"), "30");
}

TEST_F(LiveFoldTest, ManyUnitsAtOnceAreFoldedInPieces) {
    adopt();
    EXPECT_TRUE(write(rows_of(25'000, 12'000)));
    EXPECT_EQ(counted(), "0");
    expect_equal(25'000);
    EXPECT_EQ(value("SELECT max(cardinality(units)) FROM burgee.waiting_units"), "10000");
    EXPECT_THAT(waiting_finding(), HasSubstr("many units at once"));
    MetricWriter writer({.dsn = cluster_.dsn()}, {});
    ASSERT_TRUE(writer.fold_waiting_units(1));
    EXPECT_NE(waiting(), "0");
    expect_equal(25'000);
    ASSERT_TRUE(writer.fold_waiting_units(100));
    EXPECT_EQ(counted(), "25000");
    EXPECT_EQ(waiting(), "0");
    expect_equal(25'000);
}

}  // namespace
}  // namespace burgee::sync
