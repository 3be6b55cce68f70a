// Promise: eight uploaders that count the same units never deadlock, none of them waits out of all
// proportion, and every sum is exact. Method: eight writers in threads, one real server, whole
// values, so that sums of doubles have one right answer whatever the order.

#include <gtest/gtest.h>

#include <chrono>
#include <pqxx/pqxx>
#include <thread>

#include "sync/experiment_store.hpp"
#include "sync/metric_writer.hpp"
#include "tests/sync/memory_source.hpp"
#include "tests/sync/migrated_cluster.hpp"

namespace burgee::test {
namespace {

using sync::MetricWriter;
using sync::WriteReport;
using sync::WriteStatus;

constexpr Uuid kExperiment{0xE1, 1, 2, 3};
constexpr int kWriters = 8;
constexpr std::uint64_t kUnits = 100'000;
constexpr std::uint64_t kBatchEvents = 30'000;
constexpr std::uint64_t kBatches = 2;

class CompanyTest : public PostgresTest {
protected:
    CompanyTest() {
        execute(
            "INSERT INTO public.feature_flags (name, status, variants) VALUES ('f', 'ab_test',"
            " '[{\"name\":\"a\",\"weight\":50},{\"name\":\"b\",\"weight\":50}]');"
            "INSERT INTO public.ab_test_experiments (id, feature_flag_id, name, start_date)"
            " SELECT '" +
            sync::to_text(kExperiment) +
            "', id, 'e', now() - interval '1 day' FROM public.feature_flags");
        const std::int64_t now = std::chrono::duration_cast<std::chrono::milliseconds>(
                                     std::chrono::system_clock::now().time_since_epoch())
                                     .count();
        for (std::uint64_t index = 0; index < kBatchEvents * kBatches; ++index) {
            const std::uint64_t unit = hash64(&index, sizeof index) % kUnits;
            source_.add(kExperiment, unit % 2 == 0 ? "a" : "b",
                        index % 3 == 0 ? "impression" : "score", "user-" + std::to_string(unit),
                        static_cast<double>(index % 1'000), now);
        }
    }

    void upload(std::uint8_t spool, bool stores_raw_rows) {
        MetricWriter writer({.dsn = cluster_.dsn()}, {.stores_raw_rows = stores_raw_rows});
        EXPECT_EQ(writer.open_cursor(Uuid{spool}, 1).status, WriteStatus::kCommitted);
        for (std::uint64_t lsn = 1; lsn < source_.end_lsn(); lsn += kBatchEvents) {
            const WriteReport report =
                writer.write({Uuid{spool}, lsn, lsn + kBatchEvents}, source_);
            EXPECT_EQ(report.status, WriteStatus::kCommitted)
                << report.error.sqlstate << ' ' << report.error.message;
            EXPECT_EQ(report.delivered, kBatchEvents);
            EXPECT_EQ(report.transactions, 1U) << "nothing was tried twice";
        }
    }

    MemorySource source_;  // reading changes nothing in it, so the threads share it
};

TEST_F(CompanyTest, EightUploadersOnTheSameUnitsNeitherDeadlockNorMiscount) {
    std::vector<std::thread> threads;
    for (std::uint8_t spool = 1; spool <= kWriters; ++spool) {
        threads.emplace_back([this, spool] { upload(spool, spool % 4 == 0); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(value("SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'"), "0");
    double sum = 0;
    double sum_of_squares = 0;
    for (const sync::MetricEvent& event : source_.events()) {
        sum += event.value;
        sum_of_squares += event.value * event.value;
    }
    EXPECT_EQ(value("SELECT sum(n) FROM burgee.unit_metrics"),
              std::to_string(kWriters * source_.events().size()));
    EXPECT_EQ(value("SELECT sum(sum)::bigint || ' ' || sum(sum_of_squares)::bigint"
                    " FROM burgee.unit_metrics"),
              std::to_string(static_cast<std::int64_t>(kWriters * sum)) + " " +
                  std::to_string(static_cast<std::int64_t>(kWriters * sum_of_squares)));
    EXPECT_EQ(value("SELECT count(*) FROM burgee.unit_metrics WHERE n % 8 <> 0"), "0")
        << "all eight brought the same";
}

// Whoever comes while the turn is taken waits for it, and for nothing else: small merges pass by.
TEST_F(CompanyTest, LargeMergesWaitForTheirTurnAndSmallOnesDoNot) {
    pqxx::connection holder(cluster_.dsn());
    pqxx::work holding(holder);
    holding.exec("SELECT pg_advisory_xact_lock(hashtext('burgee.unit_metrics'))");
    MetricWriter small({.dsn = cluster_.dsn()}, {});
    ASSERT_EQ(small.open_cursor(Uuid{1}, 1).status, WriteStatus::kCommitted);
    EXPECT_EQ(small.write({Uuid{1}, 1, 1'001}, source_).status, WriteStatus::kCommitted);
    std::thread large([this] {
        MetricWriter writer({.dsn = cluster_.dsn()}, {});
        EXPECT_EQ(writer.open_cursor(Uuid{2}, 1).status, WriteStatus::kCommitted);
        const WriteReport report = writer.write({Uuid{2}, 1, kBatchEvents + 1}, source_);
        EXPECT_EQ(report.status, WriteStatus::kCommitted) << report.error.message;
    });
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    const auto is_waiting = [this] {
        return value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") ==
               "1";
    };
    while (!is_waiting() && std::chrono::steady_clock::now() < deadline) {
    }
    EXPECT_TRUE(is_waiting());
    EXPECT_EQ(small.write({Uuid{1}, 1'001, 2'001}, source_).status, WriteStatus::kCommitted)
        << "its row locks are nobody's";
    holding.commit();
    large.join();
    EXPECT_EQ(value("SELECT sum(n) FROM burgee.unit_metrics"),
              std::to_string(kBatchEvents + 2'000));
}

}  // namespace
}  // namespace burgee::test
