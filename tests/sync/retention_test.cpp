// Promise: days of raw rows go when the setting says so and not before, never those of an
// experiment that is not over or of rows that still have to be counted; unit state stays, uploads
// go on, and the comparison with raw rows knows what is missing. Method: a real server with days of
// the past.

#include <gmock/gmock.h>

#include <atomic>
#include <pqxx/pqxx>
#include <thread>
#include <vector>

#include "sync/database_health.hpp"
#include "sync/metric_writer.hpp"
#include "sync/unit_state_check.hpp"
#include "tests/sync/memory_source.hpp"
#include "tests/sync/migrated_cluster.hpp"

namespace burgee::sync {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class RetentionTest : public test::PostgresTest {
protected:
    RetentionTest() {
        execute(
            "CREATE ROLE host LOGIN IN ROLE burgee_reader, burgee_writer;"
            "INSERT INTO public.feature_flags (id, name, status, variants) VALUES"
            " ('f1000000-0000-0000-0000-000000000000', 'models', 'ab_test',"
            "  '[{\"name\":\"control\",\"weight\":50},{\"name\":\"new\",\"weight\":50}]');"
            "INSERT INTO public.ab_test_experiments (id, feature_flag_id, name, start_date,"
            " end_date, status) SELECT e.id::uuid, 'f1000000-0000-0000-0000-000000000000', e.name,"
            " now() - interval '60 days', e.until, e.status FROM (VALUES"
            " ('e1000000-0000-0000-0000-000000000000', 'over', now() - interval '20 days',"
            "  'completed'),"
            " ('e2000000-0000-0000-0000-000000000000', 'running', NULL, 'active'))"
            " AS e (id, name, until, status);"
            "INSERT INTO burgee.cells (experiment_id, phase, variant, metric, randomised)"
            " SELECT id, 1, 'control', 'impression', true FROM public.ab_test_experiments");
        for (const int days_ago : {40, 31, 30, 29, 0}) {
            const std::string day = day_of(days_ago);
            execute("CREATE TABLE public." + partition(days_ago) +
                    " PARTITION OF public.ab_test_metrics FOR VALUES FROM ('" + day +
                    " 00:00+00') TO (timestamptz '" + day + " 00:00+00' + interval '1 day')");
            add_row("e1000000-0000-0000-0000-000000000000", days_ago);
        }
        execute(
            "INSERT INTO burgee.unit_metrics SELECT 7, c.cell, count(*), sum(metric_value),"
            " sum(metric_value ^ 2), min(metric_value), max(metric_value), min(m.created_at),"
            " max(m.created_at) FROM public.ab_test_metrics m JOIN burgee.cells c USING"
            " (experiment_id) JOIN public.ab_test_experiments e ON e.id = m.experiment_id"
            " WHERE m.created_at < e.end_date GROUP BY 2");
    }

    std::string day_of(int days_ago) {
        return value("SELECT ((now() AT TIME ZONE 'UTC')::date - " + std::to_string(days_ago) +
                     ")::text");
    }
    std::string partition(int days_ago) {
        return value("SELECT 'ab_test_metrics_' || to_char(date '" + day_of(days_ago) +
                     "', 'YYYYMMDD')");
    }
    void add_row(const std::string& experiment, int days_ago) {
        execute(
            "INSERT INTO public.ab_test_metrics (experiment_id, variant_name, metric_type,"
            " metric_value, created_at, spool_id, lsn, unit) VALUES ('" +
            experiment + "', 'control', 'impression', 1, timestamptz '" + day_of(days_ago) +
            " 00:00+00' + interval '1 hour', gen_random_uuid(), 1, 7)");
    }
    void keep_days(const std::string& days) {
        execute("INSERT INTO burgee.settings VALUES ('metrics.retention_days', '" + days +
                "') ON CONFLICT (name) DO UPDATE SET value = excluded.value");
    }
    void forget_attempts() {
        execute("UPDATE burgee.housekeeping SET last_attempt_at = '-infinity'");
    }
    /// As a host that may neither read nor delete an event, an hour after the last attempt.
    std::string drop() {
        forget_attempts();
        MetricWriter writer({.dsn = cluster_.dsn("host")}, {});
        const SyncResult<std::string> dropped = writer.drop_old_partitions();
        EXPECT_TRUE(dropped) << dropped.error().message;
        return dropped ? *dropped : "";
    }
    std::string days_left() {
        return value(
            "SELECT string_agg(((now() AT TIME ZONE 'UTC')::date"
            " - to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD'))::text, ' ' ORDER BY"
            " inhrelid::regclass::text) FROM pg_inherits WHERE inhparent ="
            " 'public.ab_test_metrics'::regclass AND inhrelid::regclass::text ~ '[0-9]{8}$'");
    }
    std::string finding() {
        std::string text;
        for (const Finding& finding : check_database(session_).value().findings) {
            text += finding.subject == "retention"
                        ? std::string(to_string(finding.severity)) + " " + finding.message + "\n"
                        : "";
        }
        return text;
    }
};

TEST_F(RetentionTest, DropsTheDaysBeforeTheLastSoManyAndNoneWithoutTheSetting) {
    EXPECT_EQ(drop(), "");
    EXPECT_EQ(finding(), "");
    for (const char* senseless : {"0", "-1", "thirty", "30.5", "99999", ""}) {
        keep_days(senseless);
        EXPECT_EQ(drop(), "") << senseless;
        EXPECT_THAT(finding(), HasSubstr("FAIL metrics.retention_days is")) << senseless;
    }
    EXPECT_EQ(days_left(), "40 31 30 29 0");
    keep_days("30");
    const std::string expected = partition(40) + ", " + partition(31);
    EXPECT_EQ(drop(), expected);
    EXPECT_EQ(days_left(), "30 29 0");
    EXPECT_EQ(drop(), "");
    EXPECT_EQ(finding(), "ok days of raw rows older than 30 are dropped\n");
}

TEST_F(RetentionTest, UnitStateStaysAndTheComparisonKnows) {
    EXPECT_EQ(check_unit_state(session_).value().experiments.at(0).verdict, StateVerdict::kEqual);
    keep_days("30");
    EXPECT_NE(drop(), "");
    EXPECT_EQ(value("SELECT n FROM burgee.unit_metrics"), "4");
    const CheckedExperiment checked = check_unit_state(session_).value().experiments.at(0);
    EXPECT_EQ(checked.verdict, StateVerdict::kNotComparable);
    EXPECT_EQ(checked.units.events_raw, 2U);
    EXPECT_THAT(checked.reasons, ElementsAre(HasSubstr("retention since 20")));
}

TEST_F(RetentionTest, KeepsDaysOfWhatIsNotOverUnlessTold) {
    add_row("e2000000-0000-0000-0000-000000000000", 40);
    keep_days("30");
    EXPECT_EQ(drop(), partition(31));
    EXPECT_THAT(finding(), HasSubstr("warn 1 older days are kept, from " + partition(40) +
                                     ": an experiment that is not over has rows in it"));
    execute("UPDATE public.ab_test_experiments SET status = 'paused' WHERE name = 'running'");
    EXPECT_EQ(drop(), "");
    execute("INSERT INTO burgee.settings VALUES ('metrics.retention_drops_active', 'on')");
    EXPECT_EQ(drop(), partition(40));
}

TEST_F(RetentionTest, KeepsRowsOfOthersThatAreNotCountedYet) {
    execute(
        "INSERT INTO public.ab_test_metrics (experiment_id, variant_name, user_id, metric_type,"
        " metric_value, created_at) VALUES ('e1000000-0000-0000-0000-000000000000', 'control', 'u',"
        " 'impression', 1, timestamptz '" +
        day_of(40) + " 00:00+00' + interval '2 hours')");
    execute("INSERT INTO burgee.metric_backfill (round) VALUES (1)");
    keep_days("30");
    EXPECT_EQ(drop(), partition(31));
    EXPECT_THAT(finding(), HasSubstr("rows of other writers in it are not counted yet"));
    execute("UPDATE burgee.metric_backfill SET completed_at = now()");
    EXPECT_EQ(drop(), partition(40));
}

TEST_F(RetentionTest, GivesWayToWhoUsesTheTableAndHosts) {
    keep_days("30");
    pqxx::connection reader(cluster_.dsn());
    pqxx::work reading(reader);
    reading.exec("SELECT count(*) FROM public.ab_test_metrics");
    MetricWriter writer({.dsn = cluster_.dsn("host")}, {});
    const SyncResult<std::string> busy = writer.drop_old_partitions();
    ASSERT_FALSE(busy);
    EXPECT_EQ(busy.error().kind, SyncErrorKind::kBusy);
    EXPECT_EQ(days_left(), "40 31 30 29 0");
    EXPECT_EQ(value("SELECT count(*) FROM burgee.raw_row_gaps"), "0");
    reading.commit();
    // That was the attempt of this hour, and of every host.
    MetricWriter other({.dsn = cluster_.dsn("host")}, {});
    for (MetricWriter* host : {&writer, &other}) {
        const SyncResult<std::string> early = host->drop_old_partitions();
        ASSERT_TRUE(early) << early.error().message;
        EXPECT_EQ(*early, "");
    }
    EXPECT_EQ(days_left(), "40 31 30 29 0");
    // Another host is at it.
    pqxx::work holding(reader);
    holding.exec("SELECT pg_advisory_xact_lock(hashtext('burgee.metric_partitions'))");
    EXPECT_EQ(drop(), "");
    holding.commit();
    EXPECT_NE(drop(), "");
}

TEST_F(RetentionTest, TheFleetTriesOnceAnHourHoweverManyHostsItHas) {
    constexpr int kHosts = 6;
    keep_days("30");
    // All at the same moment: one wins, and dropping twice would fail.
    std::atomic<int> dropping{0};
    std::vector<std::thread> hosts;
    for (int host = 0; host < kHosts; ++host) {
        hosts.emplace_back([&] {
            MetricWriter writer({.dsn = cluster_.dsn("host")}, {});
            const SyncResult<std::string> dropped = writer.drop_old_partitions();
            EXPECT_TRUE(dropped) << dropped.error().message;
            dropping += dropped && !dropped->empty() ? 1 : 0;
        });
    }
    for (std::thread& host : hosts) {
        host.join();
    }
    EXPECT_EQ(dropping, 1);
    EXPECT_EQ(days_left(), "30 29 0");

    const auto begin = [&](const std::string& since) {
        execute("UPDATE burgee.housekeeping SET last_attempt_at = now() - interval '" + since +
                "'");
        return value("SELECT burgee.begin_housekeeping('retention')");
    };
    EXPECT_EQ(begin("58 minutes"), "f");
    EXPECT_EQ(begin("59 minutes"), "t");
    EXPECT_EQ(value("SELECT burgee.begin_housekeeping('retention')"), "f");
    EXPECT_EQ(begin("-1 day"), "t") << "noted before the clock went back";
    // Who holds the row makes nobody wait.
    forget_attempts();
    pqxx::connection holder(cluster_.dsn());
    pqxx::work holding(holder);
    holding.exec("SELECT FROM burgee.housekeeping FOR UPDATE");
    EXPECT_EQ(value("SELECT burgee.begin_housekeeping('retention')"), "f");
}

TEST_F(RetentionTest, UploadsGoOnMeanwhileAndLoseNothing) {
    keep_days("30");
    execute("UPDATE public.ab_test_experiments SET end_date = now() + interval '1 day'");
    constexpr int kEvents = 4'000;
    const std::int64_t now = std::stoll(value("SELECT (extract(epoch FROM now()) * 1000)::bigint"));
    std::thread uploading([&] {
        test::MemorySource source;
        for (int event = 0; event < kEvents; ++event) {
            source.add(Uuid{0xE1}, "control", "impression", "u" + std::to_string(event % 100), 1,
                       now - event);
        }
        MetricWriter writer({.dsn = cluster_.dsn("host")}, {});
        std::uint64_t lsn = writer.open_cursor(Uuid{0x50}, 1).next_lsn;
        while (lsn < source.end_lsn()) {
            const WriteReport report =
                writer.write({Uuid{0x50}, lsn, std::min(lsn + 50, source.end_lsn())}, source);
            ASSERT_TRUE(report.status == WriteStatus::kCommitted ||
                        report.status == WriteStatus::kRetry)
                << report.error.message;
            lsn = report.next_lsn;
        }
    });
    for (int round = 0; round < 5; ++round) {
        drop();  // under way or not, it may not fail: nobody holds the table for 2 s
        execute(
            "CREATE TABLE IF NOT EXISTS public.ab_test_metrics_20200101 PARTITION OF"
            " public.ab_test_metrics FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')");
    }
    uploading.join();
    EXPECT_EQ(value("SELECT count(DISTINCT lsn) || ' ' || count(*) FROM public.ab_test_metrics"
                    " WHERE spool_id = '50000000-0000-0000-0000-000000000000'"),
              "4000 4000");
    EXPECT_THAT(drop(), HasSubstr("ab_test_metrics_20200101"));
    EXPECT_EQ(days_left(), "30 29 0");
}

TEST_F(RetentionTest, TheDoctorShowsEveryHost) {
    MetricWriter writer({.dsn = cluster_.dsn("host")}, {});
    ASSERT_TRUE(writer.report_host({"host-a", Uuid{1}, 1, 2, 30, 0, "0.1.0", 5 << 20}));
    ASSERT_TRUE(writer.report_host({"host-b", Uuid{2}, 1, 2, 0, 4, "0.1.0", 1 << 20}));
    ASSERT_TRUE(writer.report_host({"host-c", Uuid{3}, 1, 2, 0, 0, "0.1.0", 0}));
    execute("UPDATE burgee.hosts SET seen_at = now() - interval '8 days' WHERE host = 'host-c'");
    std::string text;
    for (const Finding& finding : check_database(session_).value().findings) {
        text += finding.subject.starts_with("host")
                    ? std::string(to_string(finding.severity)) + " " + finding.subject + ": " +
                          finding.message + "\n"
                    : "";
    }
    EXPECT_THAT(text, HasSubstr("ok hosts: 2 were heard in the last minute, 0 more"));
    EXPECT_THAT(text, testing::ContainsRegex("ok host host-a: heard [0-9]+ s ago, 30 events on "
                                             "their way, 5 MiB of spool, 0 events dropped"));
    EXPECT_THAT(text, HasSubstr("warn host host-b"));
    EXPECT_THAT(text, testing::Not(HasSubstr("host-c")));
}

}  // namespace
}  // namespace burgee::sync
