// Promise: the days of ab_test_metrics are made while readers and uploads go on; who is in the way
// delays them, and nothing else. Method: a real server, a reader that does not end, and a server's
// own word on who waits for whom.

#include <gmock/gmock.h>

#include <chrono>
#include <pqxx/pqxx>
#include <thread>

#include "sync/database_health.hpp"
#include "sync/metric_writer.hpp"
#include "tests/sync/memory_source.hpp"
#include "tests/sync/migrated_cluster.hpp"

namespace burgee::sync {
namespace {

using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr Uuid kExperiment{0xE1};

class PartitionsTest : public test::PostgresTest {
protected:
    PartitionsTest() {
        execute(
            "CREATE ROLE host LOGIN IN ROLE burgee_reader, burgee_writer;"
            "INSERT INTO public.feature_flags (id, name, status, variants) VALUES"
            " ('f1000000-0000-0000-0000-000000000000', 'models', 'ab_test',"
            "  '[{\"name\":\"control\",\"weight\":50},{\"name\":\"new\",\"weight\":50}]');"
            "INSERT INTO public.ab_test_experiments (id, feature_flag_id, name, start_date) VALUES"
            " ('e1000000-0000-0000-0000-000000000000', 'f1000000-0000-0000-0000-000000000000',"
            "  'running', now() - interval '60 days')");
    }

    MetricWriter host() { return MetricWriter({.dsn = cluster_.dsn("host")}, {}); }

    SyncResult<void> ensure(int days_ahead) {
        forget_attempts();
        MetricWriter writer = host();
        return writer.ensure_partitions(days_ahead);
    }

    /// Another minute.
    void forget_attempts() {
        execute("UPDATE burgee.housekeeping SET last_attempt_at = '-infinity'");
    }

    /// Days from today that have a partition of their own.
    std::string days() {
        return value(
            "SELECT coalesce(string_agg((to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD')"
            " - (now() AT TIME ZONE 'UTC')::date)::text, ' ' ORDER BY inhrelid::regclass::text),"
            " '') FROM pg_inherits WHERE inhparent = 'public.ab_test_metrics'::regclass"
            " AND inhrelid::regclass::text ~ '[0-9]{8}$'");
    }

    static std::string in_days(int days_ahead) {
        return "(date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + interval '" +
               std::to_string(days_ahead) + " days 1 hour')";
    }

    void add_row(int days_ahead) {
        execute(
            "INSERT INTO public.ab_test_metrics (experiment_id, variant_name, metric_type,"
            " metric_value, created_at) VALUES ('e1000000-0000-0000-0000-000000000000', 'control',"
            " 'impression', 1, " +
            in_days(days_ahead) + ")");
    }

    /// One event of today, by a host of its own. How long it took.
    Clock::duration upload_today(std::uint8_t spool) {
        test::MemorySource source;
        source.add(kExperiment, "control", "impression", "u", 1,
                   std::stoll(value("SELECT (extract(epoch FROM now()) * 1000)::bigint")));
        MetricWriter writer = host();
        const auto start = Clock::now();
        const Uuid id{spool};
        EXPECT_EQ(writer.open_cursor(id, 1).status, WriteStatus::kCommitted);
        const WriteReport report = writer.write({id, 1, 2}, source);
        EXPECT_EQ(report.status, WriteStatus::kCommitted) << report.error.message;
        return Clock::now() - start;
    }

    std::string finding() {
        for (const Finding& finding : check_database(session_).value().findings) {
            if (finding.subject == "partitions") {
                return std::string(to_string(finding.severity)) + " " + finding.message;
            }
        }
        return "";
    }

    bool eventually(const std::string& sql, const std::string& expected) {
        const auto deadline = Clock::now() + seconds(30);
        while (value(sql) != expected && Clock::now() < deadline) {
            std::this_thread::sleep_for(std::chrono::milliseconds(2));  // between two looks
        }
        return value(sql) == expected;
    }
};

TEST_F(PartitionsTest, GivesWayToALongReaderWhileUploadsGoOn) {
    ASSERT_TRUE(ensure(0));
    ASSERT_EQ(days(), "0");
    pqxx::connection reader(cluster_.dsn());
    pqxx::work reading(reader);
    reading.exec("SELECT count(*) FROM public.ab_test_metrics");  // DEFAULT and all days

    MetricWriter writer = host();
    forget_attempts();
    SyncResult<void> outcome;
    Clock::duration took{};
    std::thread making([&] {
        const auto start = Clock::now();
        outcome = writer.ensure_partitions(2);
        took = Clock::now() - start;
    });
    EXPECT_TRUE(
        eventually("SELECT count(*) FROM pg_locks WHERE NOT granted"
                   " AND relation = 'public.ab_test_metrics_default'::regclass",
                   "1"));
    const Clock::duration uploading = upload_today(0x50);
    EXPECT_EQ(value("SELECT count(*) FROM pg_locks WHERE NOT granted"), "1")
        << "the upload went past who waits";
    making.join();
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().kind, SyncErrorKind::kBusy) << outcome.error().message;
    EXPECT_LT(took, seconds(10));      // 2 s, and a slow machine
    EXPECT_LT(uploading, seconds(2));  // less than who waits waits
    EXPECT_EQ(days(), "0");
    upload_today(0x51);

    // Nobody tries again at once, and that is no error; a minute later somebody does.
    EXPECT_TRUE(writer.ensure_partitions(2));
    MetricWriter other = host();
    EXPECT_TRUE(other.ensure_partitions(2));
    EXPECT_EQ(days(), "0");
    reading.commit();
    EXPECT_TRUE(ensure(2));
    EXPECT_EQ(days(), "0 1 2");
    EXPECT_EQ(value("SELECT count(*) FROM public.ab_test_metrics"), "2");
}

TEST_F(PartitionsTest, TakesNoLockWhenNothingIsMissing) {
    ASSERT_TRUE(ensure(2));
    pqxx::connection holder(cluster_.dsn());
    pqxx::work holding(holder);
    holding.exec("LOCK TABLE public.ab_test_metrics IN ACCESS EXCLUSIVE MODE");
    holding.exec("SELECT pg_advisory_xact_lock(hashtext('burgee.metric_partitions'))");
    EXPECT_TRUE(ensure(2));
    EXPECT_EQ(value("SELECT last_attempt_at FROM burgee.housekeeping WHERE task = 'partitions'"),
              "-infinity")
        << "no attempt where there is nothing to do";
}

TEST_F(PartitionsTest, MakesEachDayInATransactionOfItsOwn) {
    ASSERT_TRUE(ensure(3));
    EXPECT_EQ(value("SELECT count(DISTINCT c.xmin::text) FROM pg_class c JOIN pg_inherits i"
                    " ON i.inhrelid = c.oid WHERE i.inhparent = 'public.ab_test_metrics'::regclass"
                    " AND c.relname ~ '[0-9]{8}$'"),
              "4");
    EXPECT_EQ(days(), "0 1 2 3");
}

TEST_F(PartitionsTest, LeavesADayThatTheDefaultPartitionHasRowsOf) {
    add_row(1);
    EXPECT_EQ(finding(), "") << "before the first host came";
    EXPECT_TRUE(ensure(2));
    EXPECT_EQ(days(), "0 2");
    EXPECT_THAT(finding(), testing::ContainsRegex(
                               "warn 1 of today and tomorrow have none, from 2[0-9-]+, last "
                               "tried [0-9]+ s ago: the DEFAULT partition is in use"));
    EXPECT_EQ(value("SELECT burgee.missing_metric_days(2) - (now() AT TIME ZONE 'UTC')::date"),
              "1");
    add_row(1);
    EXPECT_TRUE(ensure(2));
    EXPECT_EQ(value("SELECT count(*) FROM public.ab_test_metrics_default"), "2");
    add_row(5);

    // What docs/database.md tells a person to do then.
    const std::string day = value(
        "SELECT to_char((now() AT TIME ZONE 'UTC')::date + 1, '\"ab_test_metrics_\"YYYYMMDD')");
    const std::string from =
        value("SELECT to_char(" + in_days(1) + " AT TIME ZONE 'UTC', '\"''\"YYYY-MM-DD\"''\"')");
    const std::string until =
        value("SELECT to_char(" + in_days(2) + " AT TIME ZONE 'UTC', '\"''\"YYYY-MM-DD\"''\"')");
    const std::string of_the_day = " WHERE created_at >= " + from + " AND created_at < " + until;
    execute(
        "BEGIN; SET LOCAL timezone = 'UTC'; SET LOCAL lock_timeout = '2s';"
        "LOCK TABLE public.ab_test_metrics IN ACCESS EXCLUSIVE MODE;"
        "CREATE TEMPORARY TABLE moved ON COMMIT DROP AS SELECT * FROM"
        " public.ab_test_metrics_default" +
        of_the_day + ";DELETE FROM public.ab_test_metrics_default" + of_the_day +
        ";CREATE TABLE public." + day + " PARTITION OF public.ab_test_metrics FOR VALUES FROM (" +
        from + ") TO (" + until + ");INSERT INTO public." + day + " SELECT * FROM moved; COMMIT");
    EXPECT_EQ(value("SELECT count(*) FROM public.ab_test_metrics_default"), "1");
    EXPECT_EQ(value("SELECT count(*) FROM public." + day), "2");
    EXPECT_EQ(value("SELECT count(*) FROM burgee.missing_metric_days(2)"), "0");
    EXPECT_EQ(finding(), "");
}

TEST_F(PartitionsTest, SeesARowThatCameWhileItWaitedForTheDefaultPartition) {
    pqxx::connection other(cluster_.dsn());
    pqxx::work writing(other);
    writing.exec(
        "INSERT INTO public.ab_test_metrics (variant_name, metric_type, metric_value, created_at)"
        " VALUES ('control', 'impression', 1, " +
        in_days(0) + ")");
    forget_attempts();
    MetricWriter writer = host();
    SyncResult<void> outcome;
    std::thread making([&] { outcome = writer.ensure_partitions(2); });
    EXPECT_TRUE(
        eventually("SELECT count(*) FROM pg_locks WHERE NOT granted"
                   " AND relation = 'public.ab_test_metrics_default'::regclass",
                   "1"));
    writing.commit();
    making.join();
    EXPECT_TRUE(outcome) << outcome.error().message;
    EXPECT_EQ(days(), "1 2");
}

TEST_F(PartitionsTest, NeedsNoDefaultPartition) {
    execute("DROP TABLE public.ab_test_metrics_default");
    pqxx::connection reader(cluster_.dsn());
    pqxx::work reading(reader);
    reading.exec("SELECT count(*) FROM public.ab_test_metrics");
    EXPECT_TRUE(ensure(1)) << "readers are in nobody's way";
    EXPECT_EQ(days(), "0 1");
    upload_today(0x50);
}

TEST_F(PartitionsTest, GivesADayWhatTheTableHas) {
    execute(
        "ALTER TABLE public.ab_test_metrics ADD CONSTRAINT at_most_nine CHECK (metric_value < 10);"
        "ALTER TABLE public.ab_test_metrics ADD COLUMN twice double precision"
        " GENERATED ALWAYS AS (metric_value * 2) STORED");
    ASSERT_TRUE(ensure(0));
    const std::string day =
        value("SELECT to_char(now() AT TIME ZONE 'UTC', '\"public.ab_test_metrics_\"YYYYMMDD')");
    add_row(0);
    EXPECT_EQ(value("SELECT twice FROM " + day), "2");
    EXPECT_EQ(value("SELECT pg_get_expr(relpartbound, oid) LIKE 'FOR VALUES FROM (%00:00:00+00%)"
                    " TO (%00:00:00+00%)' FROM pg_class WHERE oid = '" +
                    day + "'::regclass"),
              "t");
    const auto indexes = [&](const std::string& table) {
        return value(
            "SELECT string_agg(am.amname || i.indkey::text, ',' ORDER BY i.indkey::text)"
            " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " JOIN pg_am am ON am.oid = c.relam WHERE i.indrelid = '" +
            table + "'::regclass");
    };
    EXPECT_EQ(indexes(day), indexes("public.ab_test_metrics_default"));
    EXPECT_EQ(value("SELECT count(*) FROM pg_constraint WHERE conname = 'at_most_nine'"
                    " AND conrelid = '" +
                    day + "'::regclass AND coninhcount = 1"),
              "1");
}

}  // namespace
}  // namespace burgee::sync
