// Promise: every event is stored exactly once or kept as a dead letter with its reason, and the
// state of the units equals what the raw rows say. Method: a real server, events made up in memory,
// and SQL that computes everything a second time.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "sync/experiment_store.hpp"
#include "sync/metric_rows.hpp"
#include "sync/metric_writer.hpp"
#include "tests/sync/memory_source.hpp"
#include "tests/sync/migrated_cluster.hpp"

namespace burgee::test {
namespace {

using sync::MetricEvent;
using sync::MetricWriter;
using sync::MetricWriterOptions;
using sync::WriteReport;
using sync::WriteStatus;

constexpr Uuid kExperiment{0xE1, 1, 2, 3};
constexpr Uuid kUnknownExperiment{0xEE};

// The spool's cursor, dead letters and raw rows agree: n events, each once.
constexpr const char* kAudit =
    "SELECT count(*) || ' ' || count(DISTINCT (spool_id, lsn)) || ' ' || count(DISTINCT id)"
    " FROM public.ab_test_metrics";

// Rows of unit_metrics that differ from a recomputation out of the raw rows: whole numbers exactly,
// sums to 1e-9 of their size.
constexpr const char* kFoldDifferences = R"sql(
SELECT count(*) FROM (
    SELECT m.unit, c.cell, count(*) AS n, sum(metric_value) AS sum,
           sum(metric_value * metric_value) AS sum_of_squares, min(metric_value) AS min,
           max(metric_value) AS max, min(created_at) AS first_at, max(created_at) AS last_at
    FROM public.ab_test_metrics m
    JOIN burgee.cells c ON c.experiment_id = m.experiment_id AND c.variant = m.variant_name
                       AND c.metric = m.metric_type
    WHERE m.unit IS NOT NULL GROUP BY 1, 2) r
FULL JOIN burgee.unit_metrics u ON u.unit = r.unit AND u.cell = r.cell
WHERE (u.n, u.min, u.max, u.first_at, u.last_at)
      IS DISTINCT FROM (r.n, r.min, r.max, r.first_at, r.last_at)
   OR abs(u.sum - r.sum) > 1e-9 * (1 + abs(r.sum))
   OR abs(u.sum_of_squares - r.sum_of_squares) > 1e-9 * (1 + abs(r.sum_of_squares)))sql";

std::int64_t now_unix_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

class MetricWriterTest : public PostgresTest {
protected:
    MetricWriterTest() {
        execute(
            "INSERT INTO public.feature_flags (name, status, rollout_percentage, variants) VALUES"
            " ('model', 'ab_test', 100,"
            "  '[{\"name\":\"control\",\"weight\":50},{\"name\":\"new\",\"weight\":50}]');"
            "INSERT INTO public.ab_test_experiments (id, feature_flag_id, name, start_date, "
            "end_date)"
            " SELECT '" +
            sync::to_text(kExperiment) +
            "', id, 'model test', now() - interval '1 day',"
            " now() + interval '1 day' FROM public.feature_flags");
    }

    MetricWriter writer(MetricWriterOptions options = {}, const std::string& user = "") {
        return MetricWriter({.dsn = user.empty() ? cluster_.dsn() : cluster_.dsn(user)}, options);
    }

    /// Users user-<n> with random metrics, values and variants.
    void add_random_events(int count, unsigned seed, int users = 50) {
        std::mt19937 random(seed);
        const std::vector<std::string> metrics = {"impression", "conversion", "response_time_ms"};
        for (int index = 0; index < count; ++index) {
            const auto user = static_cast<int>(random() % static_cast<unsigned>(users));
            source_.add(kExperiment, user % 2 == 0 ? "control" : "new", metrics[random() % 3],
                        "user-" + std::to_string(user), static_cast<double>(random() % 10'000) / 7,
                        now_ - static_cast<std::int64_t>(random() % 3'600'000));
        }
    }

    WriteReport write_all(MetricWriter& writer) {
        const WriteReport opened = writer.open_cursor(spool_, 1);
        EXPECT_EQ(opened.status, WriteStatus::kCommitted) << opened.error.message;
        WriteReport total;
        total.next_lsn = opened.next_lsn;
        while (total.next_lsn < source_.end_lsn()) {
            const WriteReport part =
                writer.write({spool_, total.next_lsn, source_.end_lsn()}, source_);
            EXPECT_EQ(part.status, WriteStatus::kCommitted) << part.error.message;
            if (part.status != WriteStatus::kCommitted) {
                return part;
            }
            total.next_lsn = part.next_lsn;
            total.status = part.status;
            total.delivered += part.delivered;
            total.dead_lettered += part.dead_lettered;
            total.folded += part.folded;
            total.folded_rows += part.folded_rows;
            total.without_unit += part.without_unit;
            total.outside_dates += part.outside_dates;
            total.too_large += part.too_large;
            total.transactions += part.transactions;
        }
        return total;
    }

    void expect_stored_once(std::size_t count) {
        const std::string n = std::to_string(count);
        EXPECT_EQ(value(kAudit), n + " " + n + " " + n);
        EXPECT_EQ(value(kFoldDifferences), "0");
    }

    const Uuid spool_{0x50, 0x50};
    const std::int64_t now_ = now_unix_ms();
    MemorySource source_;
};

TEST_F(MetricWriterTest, StoresEveryColumnAsItCame) {
    MetricEvent event;
    event.experiment = kExperiment;
    event.variant = "new";
    event.metric = "quality \\ \t score \n";
    event.user_id = "user \"1\" \\N";
    event.session_id = "\\.";
    event.unit_source = sync::UnitSource::kOther;
    event.unit = 0xFFFF'FFFF'FFFF'FFFE;
    event.unit_text = "tenant \"x\"";
    event.metadata_json = " {\"query_type\": \"technical\"}";
    event.created_unix_ms = now_;
    event.value = -0.1;
    source_.add(event);
    MetricWriter writer = this->writer();
    EXPECT_EQ(write_all(writer).delivered, 1U);
    const auto rows = cluster_.rows(
        "SELECT variant_name, metric_type, user_id, session_id, metric_value, unit, lsn,"
        " metadata ->> 'burgee.unit', metadata ->> 'query_type',"
        " (extract(epoch FROM created_at) * 1000)::bigint FROM public.ab_test_metrics");
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_THAT(rows[0],
                ::testing::ElementsAre("new", event.metric, event.user_id, "\\.", "-0.1", "-2", "1",
                                       "tenant \"x\"", "technical", std::to_string(now_)));
}

TEST_F(MetricWriterTest, InfiniteDatesAreForEverOrNever) {
    source_.add(kExperiment, "new", "impression", "user", 1, now_);
    const auto outside = [&](const std::string& start, const std::string& end, std::uint8_t id) {
        execute("UPDATE public.ab_test_experiments SET start_date = '" + start + "', end_date = '" +
                end + "'");
        MetricWriter writer = this->writer();
        EXPECT_EQ(writer.open_cursor(Uuid{id}, 1).status, WriteStatus::kCommitted);
        const WriteReport report = writer.write({Uuid{id}, 1, source_.end_lsn()}, source_);
        EXPECT_EQ(report.status, WriteStatus::kCommitted) << report.error.message;
        EXPECT_EQ(report.dead_lettered, 0U) << start << " to " << end;
        return report.outside_dates;
    };
    EXPECT_EQ(outside("-infinity", "infinity", 1), 0U);
    EXPECT_EQ(outside("infinity", "infinity", 2), 1U) << "it never starts";
    EXPECT_EQ(outside("-infinity", "-infinity", 3), 1U) << "it ended long ago";
}

TEST_F(MetricWriterTest, FoldsToWhatTheRawRowsSay) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    add_random_events(20'000, seed);
    MetricWriter writer = this->writer({.folded_rows_max = 100});  // many batches
    const WriteReport report = write_all(writer);
    EXPECT_EQ(report.delivered, 20'000U);
    EXPECT_EQ(report.folded, 20'000U);
    EXPECT_GT(report.transactions, 10U) << "a batch ends at folded_rows_max";
    expect_stored_once(20'000);
}

TEST_F(MetricWriterTest, RefusesABatchWhoseCursorIsElsewhere) {
    add_random_events(100, 1);
    MetricWriter first = writer();
    MetricWriter second = writer();
    ASSERT_EQ(first.open_cursor(spool_, 1).next_lsn, 1U);
    EXPECT_EQ(first.write({spool_, 1, 101}, source_).status, WriteStatus::kCommitted);
    const WriteReport again = second.write({spool_, 1, 101}, source_);
    EXPECT_EQ(again.status, WriteStatus::kCursorMoved);
    EXPECT_EQ(again.next_lsn, 101U);
    EXPECT_EQ(second.write({Uuid{9}, 1, 101}, source_).status, WriteStatus::kForeignCursor);
    expect_stored_once(100);
}

TEST_F(MetricWriterTest, NumbersCellsAnewForADatabaseThatWentBack) {
    add_random_events(500, 11);
    MetricWriter writer = this->writer();
    EXPECT_EQ(write_all(writer).delivered, 500U);
    execute(
        "TRUNCATE public.ab_test_metrics, burgee.unit_metrics; DELETE FROM burgee.cells;"
        "UPDATE burgee.spool_cursor SET next_lsn = 1");
    EXPECT_EQ(write_all(writer).delivered, 500U);
    expect_stored_once(500);
}

TEST_F(MetricWriterTest, ForgetsCellNumbersWhenTheCursorIsElsewhere) {
    add_random_events(500, 12);
    MetricWriter writer = this->writer();
    ASSERT_EQ(writer.open_cursor(spool_, 1).status, WriteStatus::kCommitted);
    ASSERT_EQ(writer.write({spool_, 1, 251}, source_).next_lsn, 251U);
    execute(
        "TRUNCATE public.ab_test_metrics, burgee.unit_metrics; DELETE FROM burgee.cells;"
        "UPDATE burgee.spool_cursor SET next_lsn = 1");
    EXPECT_EQ(writer.write({spool_, 251, 501}, source_).status, WriteStatus::kCursorMoved);
    EXPECT_EQ(writer.write({spool_, 1, 501}, source_).delivered, 500U);
    expect_stored_once(500);
}

TEST_F(MetricWriterTest, KeepsUnknownExperimentsVariantsAndPhasesAsDeadLetters) {
    source_.add(kExperiment, "control", "impression", "a", 1, now_);
    source_.add(kUnknownExperiment, "control", "impression", "a", 1, now_);
    source_.add(kExperiment, "misspelt", "impression", "a", 1, now_);
    source_.add(kExperiment, "control", "impression", "a", 1, now_).phase = 7;
    MetricWriter writer = this->writer();
    const WriteReport report = write_all(writer);
    EXPECT_EQ(report.delivered, 1U);
    EXPECT_EQ(report.dead_lettered, 3U);
    EXPECT_EQ(
        value("SELECT string_agg(lsn || ':' || reason, ',' ORDER BY lsn) FROM burgee.dead_letter"),
        "2:unknown experiment,3:unknown variant,4:unknown phase");
    EXPECT_EQ(value("SELECT event ->> 'variant' FROM burgee.dead_letter WHERE lsn = 3"),
              "misspelt");
}

TEST_F(MetricWriterTest, LearnsAboutAnExperimentThatStartedAfterItsLastLook) {
    source_.add(kExperiment, "control", "impression", "a", 1, now_);
    source_.add(kUnknownExperiment, "control", "impression", "a", 1, now_);
    MetricWriter writer = this->writer();
    ASSERT_EQ(writer.open_cursor(spool_, 1).status, WriteStatus::kCommitted);
    EXPECT_EQ(writer.write({spool_, 1, 2}, source_).delivered, 1U);
    execute(
        "INSERT INTO public.ab_test_experiments (id, feature_flag_id, name, status, start_date)"
        " SELECT '" +
        sync::to_text(kUnknownExperiment) +
        "', id, 'late', 'completed',"
        " now() - interval '1 hour' FROM public.feature_flags");
    EXPECT_EQ(writer.write({spool_, 2, 3}, source_).delivered, 1U);
    expect_stored_once(2);
}

TEST_F(MetricWriterTest, FindsPoisonByBisectionAndDeliversTheRest) {
    add_random_events(4'000, 2);
    source_.events()[1'234].metadata_json = "{\"not\": json}";
    source_.events()[3'999].user_id = "\xFF\xFE";
    MetricWriter writer = this->writer();
    const WriteReport report = write_all(writer);
    EXPECT_EQ(report.delivered, 3'998U);
    EXPECT_EQ(report.dead_lettered, 2U);
    EXPECT_LE(report.transactions, 2U * 13U) << "log2(4000) is 12";
    expect_stored_once(3'998);
    EXPECT_EQ(value("SELECT string_agg(lsn || ':' || left(reason, 5), ' ' ORDER BY lsn)"
                    " FROM burgee.dead_letter"),
              "1235:22P02 4000:22021");
    EXPECT_EQ(value("SELECT next_lsn FROM burgee.spool_cursor"), "4001");
}

// Between two calls the caller keeps its other duties: heartbeat, release, a stop.
TEST_F(MetricWriterTest, ComesBackEarlyFromABatchOfPoison) {
    add_random_events(200, 3);
    for (MetricEvent& event : source_.events()) {
        event.metadata_json = "{\"not\": json}";
    }
    MetricWriter writer = this->writer();
    ASSERT_EQ(writer.open_cursor(spool_, 1).status, WriteStatus::kCommitted);
    const WriteReport report = writer.write({spool_, 1, 201}, source_);
    EXPECT_EQ(report.status, WriteStatus::kCommitted);
    EXPECT_EQ(report.next_lsn, 65U);
    EXPECT_EQ(report.dead_lettered, 64U);
    EXPECT_EQ(write_all(writer).dead_lettered, 200U - 64U);
}

TEST_F(MetricWriterTest, KeepsADeadLetterOnceThoughItIsSentAgain) {
    source_.add(kUnknownExperiment, "control", "conversion", "user-1", 1, now_);
    add_random_events(10, 4);
    MetricWriter writer = this->writer();
    EXPECT_EQ(write_all(writer).dead_lettered, 1U);
    execute("TRUNCATE public.ab_test_metrics, burgee.unit_metrics;"
            "UPDATE burgee.spool_cursor SET next_lsn = 1");
    EXPECT_EQ(write_all(writer).delivered, 10U);
    expect_stored_once(10);
    EXPECT_EQ(value("SELECT count(*) FROM burgee.dead_letter"), "1");
}

TEST_F(MetricWriterTest, StoresRawWhatDoesNotCountForTheResult) {
    source_.add(kExperiment, "control", "impression", "a", 1, now_ - 2 * 86'400'000);  // too early
    source_.add(kExperiment, "control", "impression", "a", 1, now_ + 2 * 86'400'000);  // too late
    source_.add(kExperiment, "control", "impression", "a", 1e200, now_);
    MetricEvent nobody;
    nobody.experiment = kExperiment;
    nobody.variant = "control";
    nobody.metric = "impression";
    nobody.created_unix_ms = now_;
    source_.add(nobody);
    MetricWriter writer = this->writer();
    const WriteReport report = write_all(writer);
    EXPECT_EQ(report.delivered, 4U);
    EXPECT_EQ(report.folded, 0U);
    EXPECT_EQ(report.outside_dates, 2U);
    EXPECT_EQ(report.too_large, 1U);
    EXPECT_EQ(report.without_unit, 1U);
    EXPECT_EQ(value("SELECT count(*) FROM burgee.unit_metrics"), "0");
    EXPECT_EQ(value(kAudit), "4 4 4");
}

TEST_F(MetricWriterTest, PutsUnitsAssignedByHandIntoCellsOfTheirOwn) {
    source_.add(kExperiment, "control", "impression", "a", 1, now_).in_experiment = false;
    source_.add(kExperiment, "control", "impression", "a", 1, now_);
    MetricWriter writer = this->writer();
    write_all(writer);
    EXPECT_EQ(value("SELECT string_agg(randomised || ':' || n, ' ' ORDER BY randomised)"
                    " FROM burgee.unit_metrics JOIN burgee.cells USING (cell)"),
              "false:1 true:1");
}

TEST_F(MetricWriterTest, PutsEventsWithoutPhaseIntoTheCurrentOne) {
    execute("INSERT INTO burgee.experiment_phases VALUES ('" + sync::to_text(kExperiment) +
            "', 2, now(), 'rebucketed')");
    source_.add(kExperiment, "control", "impression", "a", 1, now_);
    source_.add(kExperiment, "control", "impression", "a", 1, now_).phase = 2;
    source_.add(kExperiment, "control", "impression", "a", 1, now_).phase = 1;
    MetricWriter writer = this->writer();
    write_all(writer);
    EXPECT_EQ(value("SELECT string_agg(phase || ':' || n, ' ' ORDER BY phase)"
                    " FROM burgee.unit_metrics JOIN burgee.cells USING (cell)"),
              "1:1 2:2");
}

TEST_F(MetricWriterTest, KeepsUnitStateWithRawRowsOff) {
    add_random_events(1'000, 3);
    MetricWriter writer = this->writer({.stores_raw_rows = false});
    EXPECT_EQ(write_all(writer).delivered, 1'000U);
    EXPECT_EQ(value("SELECT count(*) FROM public.ab_test_metrics"), "0");
    EXPECT_EQ(value("SELECT sum(n) FROM burgee.unit_metrics"), "1000");
}

TEST_F(MetricWriterTest, TwoWritersOnTheSameUnitsDoNotDeadlock) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    add_random_events(8'000, seed, 2'000);
    std::atomic<std::uint64_t> delivered = 0;
    std::vector<std::thread> threads;
    for (std::uint8_t spool = 1; spool <= 2; ++spool) {
        threads.emplace_back([this, spool, &delivered] {
            MetricWriter writer = this->writer();
            writer.open_cursor(Uuid{spool}, 1);
            MemorySource source = source_;
            for (std::uint64_t lsn = 1; lsn < source.end_lsn(); lsn += 1'000) {
                const WriteReport report = writer.write({Uuid{spool}, lsn, lsn + 1'000}, source);
                EXPECT_EQ(report.status, WriteStatus::kCommitted) << report.error.message;
                delivered += report.delivered;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(delivered.load(), 16'000U);
    expect_stored_once(16'000);
}

TEST_F(MetricWriterTest, RetriesWhileNoPartitionTakesTheRowAndLosesNothing) {
    execute("DROP TABLE public.ab_test_metrics_default");
    source_.add(kExperiment, "control", "impression", "a", 1, now_);
    MetricWriter writer = this->writer();
    ASSERT_EQ(writer.open_cursor(spool_, 1).status, WriteStatus::kCommitted);
    const WriteReport refused = writer.write({spool_, 1, 2}, source_);
    EXPECT_EQ(refused.status, WriteStatus::kRetry) << refused.error.message;
    EXPECT_EQ(value("SELECT count(*) FROM burgee.dead_letter"), "0");
    execute(
        "CREATE TABLE public.ab_test_metrics_default PARTITION OF public.ab_test_metrics DEFAULT");
    EXPECT_EQ(writer.write({spool_, 1, 2}, source_).status, WriteStatus::kCommitted);
    expect_stored_once(1);
}

TEST_F(MetricWriterTest, TakesAViolatedCheckForPoisonAndNotForAMissingPartition) {
    execute(
        "ALTER TABLE public.ab_test_metrics ADD CONSTRAINT at_most_nine CHECK (metric_value < 10)");
    for (int index = 0; index < 20; ++index) {
        source_.add(kExperiment, "control", "impression", "a", index == 13 ? 11 : 1, now_);
    }
    MetricWriter writer = this->writer();
    const WriteReport report = write_all(writer);
    EXPECT_EQ(report.delivered, 19U);
    EXPECT_EQ(report.dead_lettered, 1U);
    EXPECT_EQ(value("SELECT lsn || ':' || left(reason, 5) FROM burgee.dead_letter"), "14:23514");
    expect_stored_once(19);
}

TEST_F(MetricWriterTest, CreatesThePartitionsOfTheDaysAheadOnce) {
    MetricWriter writer = this->writer();
    for (int round = 0; round < 2; ++round) {
        const auto done = writer.ensure_partitions(2);
        ASSERT_TRUE(done.has_value()) << done.error().message;
        EXPECT_EQ(value("SELECT count(*) FROM pg_inherits"
                        " WHERE inhparent = 'public.ab_test_metrics'::regclass"),
                  "4");
    }
    source_.add(kExperiment, "control", "impression", "a", 1, now_);
    write_all(writer);
    EXPECT_EQ(value("SELECT count(*) FROM public.ab_test_metrics_default"), "0");
}

TEST_F(MetricWriterTest, WritesUnderRowSecurity) {
    execute(
        "CREATE ROLE uploader LOGIN; GRANT burgee_writer TO uploader;"
        "ALTER TABLE public.ab_test_metrics ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY insert_any ON public.ab_test_metrics FOR INSERT TO uploader WITH CHECK "
        "(true);");
    add_random_events(1'000, 4);
    MetricWriter writer = this->writer({}, "uploader");
    ASSERT_EQ(writer.open_cursor(spool_, 1).status, WriteStatus::kCommitted);
    const WriteReport report = writer.write({spool_, 1, 1'001}, source_);
    EXPECT_EQ(report.status, WriteStatus::kCommitted) << report.error.message;
    expect_stored_once(1'000);
}

TEST_F(MetricWriterTest, FindsPoisonUnderRowSecurityToo) {
    execute(
        "CREATE ROLE uploader LOGIN; GRANT burgee_writer TO uploader;"
        "ALTER TABLE public.ab_test_metrics ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY insert_any ON public.ab_test_metrics FOR INSERT TO uploader WITH CHECK "
        "(true);");
    add_random_events(500, 7);
    source_.events()[123].metadata_json = "{\"not\": json}";
    MetricWriter writer = this->writer({}, "uploader");
    const WriteReport report = write_all(writer);
    EXPECT_EQ(report.delivered, 499U);
    EXPECT_EQ(report.dead_lettered, 1U);
    expect_stored_once(499);
    EXPECT_EQ(value("SELECT lsn || ':' || left(reason, 5) FROM burgee.dead_letter"), "124:22P02");
}

TEST_F(MetricWriterTest, SaysWhichRightIsMissingAndLosesNothing) {
    execute("CREATE ROLE uploader LOGIN; GRANT burgee_writer TO uploader");
    add_random_events(10, 8);
    MetricWriter writer = this->writer({}, "uploader");
    ASSERT_EQ(writer.open_cursor(spool_, 1).status, WriteStatus::kCommitted);
    for (const char* table : {"public.ab_test_metrics", "burgee.unit_metrics"}) {
        const std::string right = std::string("INSERT ON ") + table;
        execute("REVOKE " + right + " FROM burgee_writer");
        const WriteReport refused = writer.write({spool_, 1, 11}, source_);
        EXPECT_EQ(refused.status, WriteStatus::kConfiguration) << table;
        EXPECT_THAT(refused.error.message, ::testing::HasSubstr("burgee_writer")) << table;
        execute("GRANT " + right + " TO burgee_writer");
    }
    EXPECT_EQ(value("SELECT count(*) FROM burgee.dead_letter"), "0");
    EXPECT_EQ(writer.write({spool_, 1, 11}, source_).status, WriteStatus::kCommitted);
    expect_stored_once(10);
}

TEST_F(MetricWriterTest, SaysWhenSomebodyMustAct) {
    add_random_events(10, 5);
    MetricWriter writer = this->writer();
    ASSERT_EQ(writer.open_cursor(spool_, 1).status, WriteStatus::kCommitted);
    execute("ALTER TABLE burgee.unit_metrics RENAME TO gone");
    const WriteReport report = writer.write({spool_, 1, 11}, source_);
    EXPECT_EQ(report.status, WriteStatus::kConfiguration);
    EXPECT_THAT(report.error.message, ::testing::HasSubstr("unit_metrics"));
    execute("ALTER TABLE burgee.gone RENAME TO unit_metrics");
    EXPECT_EQ(writer.write({spool_, 1, 11}, source_).status, WriteStatus::kCommitted);
    expect_stored_once(10);
}

TEST_F(MetricWriterTest, GoesOnAfterTheServerCrashedAndCameBack) {
    add_random_events(2'000, 6);
    MetricWriter writer = this->writer();
    ASSERT_EQ(writer.open_cursor(spool_, 1).status, WriteStatus::kCommitted);
    EXPECT_EQ(writer.write({spool_, 1, 1'001}, source_).status, WriteStatus::kCommitted);
    cluster_.kill9();
    const WriteReport down = writer.write({spool_, 1'001, 2'001}, source_);
    EXPECT_EQ(down.status, WriteStatus::kRetry) << down.error.message;
    cluster_.start();
    ASSERT_EQ(writer.open_cursor(spool_, 1).next_lsn, 1'001U);
    EXPECT_EQ(writer.write({spool_, 1'001, 2'001}, source_).status, WriteStatus::kCommitted);
    expect_stored_once(2'000);
}

TEST_F(MetricWriterTest, ReportsTheHost) {
    MetricWriter writer = this->writer();
    for (std::uint64_t generation = 1; generation <= 2; ++generation) {
        const auto done = writer.report_host({"host-a", spool_, generation, 5, 6, 7, "0.1.0", 8});
        ASSERT_TRUE(done.has_value()) << done.error().message;
    }
    EXPECT_EQ(value("SELECT host || generation || revision || spool_lag_events || dropped_events"
                    " || spool_size_bytes FROM burgee.hosts"),
              "host-a25678");
}

}  // namespace
}  // namespace burgee::test
