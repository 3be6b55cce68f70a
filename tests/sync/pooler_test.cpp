// Promise: all of burgee works through a pooler that gives every transaction whichever server
// connection is free. Method: PgBouncer in transaction mode with fewer connections than sessions,
// which accepts no startup parameter of ours, and a real server behind it.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "sync/experiment_store.hpp"
#include "sync/flag_reader.hpp"
#include "sync/listen_probe.hpp"
#include "sync/listener.hpp"
#include "sync/metric_writer.hpp"
#include "sync/migrations.hpp"
#include "tests/daemon/chaos_proxy.hpp"
#include "tests/sync/memory_source.hpp"
#include "tests/sync/pooler.hpp"

namespace burgee::test {
namespace {

using sync::MetricWriter;
using sync::PgSession;
using sync::WriteReport;
using sync::WriteStatus;

constexpr Uuid kExperiment{0xE1, 1, 2, 3};
constexpr int kServerConnections = 2;  // PoolerOptions' default

// What a session left behind on its server connection, whoever used it last.
constexpr const char* kLeftBehind =
    "SELECT (SELECT count(*) FROM pg_prepared_statements) +"
    " (SELECT count(*) FROM pg_cursors WHERE is_holdable) +"
    " (SELECT count(*) FROM pg_listening_channels()) +"
    " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') +"
    " (SELECT count(*) FROM pg_class WHERE relpersistence = 't') +"
    " (SELECT count(*) FROM pg_settings WHERE source = 'session' AND name IN ('search_path',"
    "   'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',"
    "   'client_connection_check_interval', 'jit', 'default_transaction_read_only'))";

std::int64_t now_unix_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

class PoolerTest : public ::testing::Test {
protected:
    PoolerTest() {
        const auto migrated = sync::migrate(session_);
        EXPECT_TRUE(migrated) << migrated.error().message;
        cluster_.execute(
            "INSERT INTO public.feature_flags (name, status, rollout_percentage, variants) VALUES"
            " ('model', 'ab_test', 100,"
            "  '[{\"name\":\"control\",\"weight\":50},{\"name\":\"new\",\"weight\":50}]');"
            "INSERT INTO public.ab_test_experiments (id, feature_flag_id, name, start_date)"
            " SELECT '" +
            sync::to_text(kExperiment) +
            "', id, 'model test', now() - interval '1 day' FROM public.feature_flags");
        for (int index = 0; index < 2'000; ++index) {
            source_.add(kExperiment, index % 2 == 0 ? "control" : "new", "impression",
                        "user-" + std::to_string(index % 300), index, now_unix_ms());
        }
    }

    std::string value(const std::string& sql) { return cluster_.value(sql); }

    /// Rows, each once, and unit state that adds up to them.
    void expect_stored_once(std::uint64_t count) {
        const std::string n = std::to_string(count);
        EXPECT_EQ(value("SELECT count(*) || ' ' || count(DISTINCT (spool_id, lsn)) || ' ' ||"
                        " (SELECT sum(n) FROM burgee.unit_metrics) FROM public.ab_test_metrics"),
                  n + " " + n + " " + n);
        EXPECT_EQ(value("SELECT sum(sum) FROM burgee.unit_metrics"),
                  value("SELECT sum(metric_value) FROM public.ab_test_metrics"));
        EXPECT_EQ(value("SELECT count(*) FROM burgee.dead_letter"), "0");
    }

    /// No server connection of the pool keeps anything of the sessions that used it.
    void expect_nothing_left_behind() {
        std::vector<std::unique_ptr<pqxx::connection>> clients;
        std::vector<std::unique_ptr<pqxx::work>> open;
        for (int index = 0; index < kServerConnections; ++index) {  // all at once: each has another
            clients.push_back(std::make_unique<pqxx::connection>(pooler_.dsn()));
            open.push_back(std::make_unique<pqxx::work>(*clients.back()));
            EXPECT_EQ(open.back()->exec(kLeftBehind).at(0)[0].as<int>(), 0);
        }
    }

    PostgresCluster cluster_;
    Pooler pooler_{cluster_, {.server_connections = kServerConnections}};
    PgSession session_{{.dsn = pooler_.dsn()}};
    MemorySource source_;
};

TEST_F(PoolerTest, FollowsFlagsByPolling) {
    sync::FlagReader reader(session_);
    auto first = reader.poll();
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(first->changed.size(), 1U);
    EXPECT_TRUE(first->is_full);
    // Another session takes the connection that the reader used, the reader gets another one.
    PgSession other({.dsn = pooler_.dsn()});
    const auto held = other.transaction(sync::PgAccess::kReadWrite, [&](sync::PgTransaction& open) {
        open.script("UPDATE public.feature_flags SET status = 'disabled'");
        const auto unseen = reader.poll();
        ASSERT_TRUE(unseen) << unseen.error().message;
        EXPECT_TRUE(unseen->changed.empty());
    });
    ASSERT_TRUE(held) << held.error().message;
    const auto second = reader.poll();
    ASSERT_TRUE(second) << second.error().message;
    ASSERT_EQ(second->changed.size(), 1U);
    EXPECT_FALSE(second->is_full);
    expect_nothing_left_behind();
}

TEST_F(PoolerTest, MoreUploadersThanConnectionsStoreEveryEventOnce) {
    constexpr int kWriters = 4;
    std::vector<std::thread> threads;
    for (std::uint8_t spool = 1; spool <= kWriters; ++spool) {
        threads.emplace_back([this, spool] {
            MetricWriter writer({.dsn = pooler_.dsn()}, {});
            MemorySource source = source_;
            EXPECT_EQ(writer.open_cursor(Uuid{spool}, 1).status, WriteStatus::kCommitted);
            for (std::uint64_t lsn = 1; lsn < source.end_lsn(); lsn += 250) {
                const WriteReport report = writer.write({Uuid{spool}, lsn, lsn + 250}, source);
                EXPECT_EQ(report.status, WriteStatus::kCommitted) << report.error.message;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    expect_stored_once(kWriters * 2'000);
    expect_nothing_left_behind();
}

TEST_F(PoolerTest, WritesUnderRowSecurity) {
    cluster_.execute(
        "CREATE ROLE uploader LOGIN; GRANT burgee_writer TO uploader;"
        "ALTER TABLE public.ab_test_metrics ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY insert_any ON public.ab_test_metrics FOR INSERT TO uploader"
        " WITH CHECK (true)");
    MetricWriter writer({.dsn = pooler_.dsn("uploader")}, {});
    ASSERT_EQ(writer.open_cursor(Uuid{1}, 1).status, WriteStatus::kCommitted);
    for (std::uint64_t lsn = 1; lsn < source_.end_lsn(); lsn += 1'000) {
        const WriteReport report = writer.write({Uuid{1}, lsn, lsn + 1'000}, source_);
        EXPECT_EQ(report.status, WriteStatus::kCommitted) << report.error.message;
    }
    expect_stored_once(2'000);
}

TEST_F(PoolerTest, LooksAfterHostsPartitionsRetentionAndRowsOfOthers) {
    MetricWriter writer({.dsn = pooler_.dsn()}, {});
    const auto reported = writer.report_host({"host-a", Uuid{1}, 1, 2, 3, 4, "0.1.0", 5});
    EXPECT_TRUE(reported) << reported.error().message;
    EXPECT_EQ(value("SELECT host FROM burgee.hosts"), "host-a");
    const auto ensured = writer.ensure_partitions(2);
    EXPECT_TRUE(ensured) << ensured.error().message;
    cluster_.execute(
        "CREATE TABLE public.ab_test_metrics_20200101 PARTITION OF public.ab_test_metrics"
        " FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2020-01-02 00:00+00');"
        "INSERT INTO burgee.settings VALUES ('metrics.retention_days', '90')");
    const auto dropped = writer.drop_old_partitions();
    ASSERT_TRUE(dropped) << dropped.error().message;
    EXPECT_EQ(*dropped, "ab_test_metrics_20200101");
    const auto folded = writer.fold_waiting_units(10);
    EXPECT_TRUE(folded) << folded.error().message;
    expect_nothing_left_behind();
}

TEST_F(PoolerTest, AsksTheCursorWhenAnAnswerIsLostOnTheWayToThePooler) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    ChaosProxy proxy(pooler_.socket_path(), seed);
    MetricWriter writer({.dsn = "host=" + proxy.directory() + " user=postgres dbname=postgres"},
                        {});
    std::uint64_t lsn = 0;
    std::uint64_t delivered = 0;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(90);
    bool is_open = false;
    while (lsn < source_.end_lsn() && std::chrono::steady_clock::now() < deadline) {
        const WriteReport report =
            is_open ? writer.write({Uuid{1}, lsn, std::min(lsn + 20, source_.end_lsn())}, source_)
                    : writer.open_cursor(Uuid{1}, 1);
        delivered += report.delivered;
        is_open = report.status == WriteStatus::kCommitted;
        lsn = is_open ? report.next_lsn : lsn;
        EXPECT_NE(report.status, WriteStatus::kConfiguration) << report.error.message;
        EXPECT_NE(report.status, WriteStatus::kForeignCursor) << report.error.message;
    }
    EXPECT_GT(proxy.cuts(), 0U);
    EXPECT_EQ(delivered, 2'000U);
    expect_stored_once(2'000);
}

TEST_F(PoolerTest, AServerThatIsAwayBehindThePoolerPasses) {
    MetricWriter writer({.dsn = pooler_.dsn()}, {});
    ASSERT_EQ(writer.open_cursor(Uuid{1}, 1).status, WriteStatus::kCommitted);
    cluster_.stop();
    const WriteReport connected = writer.write({Uuid{1}, 1, 1'001}, source_);
    EXPECT_EQ(connected.status, WriteStatus::kRetry) << connected.error.message;
    // A pooler that has never met its server refuses the login itself.
    Pooler cold(cluster_);
    MetricWriter late({.dsn = cold.dsn()}, {});
    for (int attempt = 0; attempt < 3; ++attempt) {
        const WriteReport refused = late.open_cursor(Uuid{1}, 1);
        EXPECT_EQ(refused.status, WriteStatus::kRetry) << refused.error.message;
    }
    cluster_.start();
    WriteReport report;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    do {  // the pooler itself tries again once a second
        report = writer.open_cursor(Uuid{1}, 1);
    } while (report.status == WriteStatus::kRetry && std::chrono::steady_clock::now() < deadline);
    ASSERT_EQ(report.next_lsn, 1U) << report.error.message;
    EXPECT_EQ(writer.write({Uuid{1}, 1, 2'001}, source_).status, WriteStatus::kCommitted);
    expect_stored_once(2'000);
}

// PgBouncer takes the query and keeps it for the server that may come back.
TEST_F(PoolerTest, AnAnswerThatDoesNotComeIsGivenUp) {
    Pooler patient(cluster_, {.query_wait_timeout_s = 120});
    PgSession session({.dsn = patient.dsn(), .answer_timeout = std::chrono::seconds(2)});
    const auto ask = [&] {
        return session.transaction(sync::PgAccess::kReadOnly, [](sync::PgTransaction& open) {
            return open.query("SELECT 1").integer(0, 0);
        });
    };
    const auto is_answered_in_time = [&] {  // a loaded machine may take longer than the limit once
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        bool is_answered = ask().has_value();
        while (!is_answered && std::chrono::steady_clock::now() < deadline) {
            is_answered = ask().has_value();
        }
        return is_answered;
    };
    ASSERT_TRUE(is_answered_in_time());
    cluster_.stop();
    const auto start = std::chrono::steady_clock::now();
    const auto lost = ask();
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().kind, sync::SyncErrorKind::kUnreachable) << lost.error().message;
    cluster_.start();
    EXPECT_TRUE(is_answered_in_time());
}

TEST_F(PoolerTest, KnowsThatNotificationsDoNotArrive) {
    const auto probed = sync::probe_listen({.dsn = pooler_.dsn()}, std::chrono::milliseconds(300));
    EXPECT_FALSE(probed);
}

}  // namespace
}  // namespace burgee::test
