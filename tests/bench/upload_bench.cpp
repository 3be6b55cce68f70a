// How many events a second reach PostgreSQL when a backlog is drained, against copying the same
// rows and nothing else, in the same run. Workload W: 100 000 units drawn uniformly, 2 variants, 4
// metrics, shuffled. The server is a private one with its stock settings and fsync on; writer and
// server share the machine. Making the events up is not timed; decoding, folding and formatting
// them is.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <burgee/checksum.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "sync/metric_rows.hpp"
#include "sync/metric_writer.hpp"
#include "sync/migrations.hpp"
#include "sync/pg_copy.hpp"
#include "tests/support/postgres_cluster.hpp"

namespace burgee::test {
namespace {

constexpr std::uint32_t kUnits = 100'000;
constexpr Uuid kExperiment{0xE1};
constexpr Uuid kSpool{0x50};
constexpr std::string_view kMetrics[] = {"impression", "conversion", "response_time_ms",
                                         "quality_score"};
constexpr std::string_view kVariants[] = {"control", "treatment"};

using Clock = std::chrono::steady_clock;

/// Workload W without end: event n is always the same, and no two batches are alike.
class EndlessSource final : public sync::EventSource {
public:
    EndlessSource() {
        for (std::uint32_t unit = 0; unit < kUnits; ++unit) {
            users_.push_back("user-" + std::to_string(100'000 + unit));
            units_.push_back(hash64(users_.back()));
        }
        start_unix_ms_ = std::chrono::duration_cast<std::chrono::milliseconds>(
                             std::chrono::system_clock::now().time_since_epoch())
                             .count();
        events_.resize(8'192);
    }

    sync::EventChunk read(std::uint64_t from_lsn, std::uint64_t end_lsn) override {
        const std::uint64_t count = std::min<std::uint64_t>(events_.size(), end_lsn - from_lsn);
        for (std::uint64_t index = 0; index < count; ++index) {
            fill(events_[index], from_lsn + index);
        }
        return {std::span(events_).first(count), from_lsn + count};
    }

private:
    void fill(sync::MetricEvent& event, std::uint64_t lsn) const {
        const std::uint64_t random = hash64(&lsn, sizeof lsn);
        const auto unit = static_cast<std::uint32_t>(random % kUnits);
        event.lsn = lsn;
        event.experiment = kExperiment;
        event.phase = 1;
        event.variant = kVariants[unit % 2];
        event.metric = kMetrics[(random >> 32) % 4];
        event.user_id = users_[unit];
        event.unit_source = sync::UnitSource::kUserId;
        event.unit = units_[unit];
        event.created_unix_ms = start_unix_ms_ + static_cast<std::int64_t>(lsn / 1'000);
        event.value = static_cast<double>(random >> 48) / 64;
    }

    std::vector<std::string> users_;
    std::vector<std::uint64_t> units_;
    std::vector<sync::MetricEvent> events_;
    std::int64_t start_unix_ms_ = 0;
};

/// One server for all rows of this program; made at the first use.
class Database {
public:
    static Database& get() {
        static Database database;
        return database;
    }

    PostgresCluster cluster{{.is_durable = true, .settings = {}}};

private:
    Database() {
        sync::PgSession session({.dsn = cluster.dsn()});
        if (!sync::migrate(session)) {
            throw std::runtime_error("cannot migrate the benchmark's database");
        }
        std::string id;
        sync::append_uuid(id, kExperiment);
        cluster.execute(
            "INSERT INTO public.feature_flags (name, status, variants) VALUES ('w', 'ab_test',"
            " '[{\"name\":\"control\",\"weight\":50},{\"name\":\"treatment\",\"weight\":50}]');"
            "INSERT INTO public.ab_test_experiments (id, feature_flag_id, name, start_date)"
            " SELECT '" +
            id + "', id, 'w', now() - interval '1 day' FROM public.feature_flags");
    }
};

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Events a second of COPY alone: the same rows, the same table, one transaction.
double raw_copy_rate(PostgresCluster& cluster, EndlessSource& source, std::uint64_t count) {
    sync::PgSession session({.dsn = cluster.dsn()});
    const Clock::time_point start = Clock::now();
    const auto copied = session.transaction(sync::PgAccess::kReadWrite, [&](auto& open) {
        sync::PgCopy copy(open, "public.ab_test_metrics", sync::kRawColumns,
                          sync::CopyForm::kBinary);
        for (std::uint64_t lsn = 1; lsn <= count;) {
            const sync::EventChunk chunk = source.read(lsn, count + 1);
            for (const sync::MetricEvent& event : chunk.events) {
                sync::append_raw_row(copy.rows(), Uuid{0xFF}, event);
                copy.send_some();
            }
            lsn = chunk.next_lsn;
        }
        copy.complete();
    });
    if (!copied) {
        throw std::runtime_error(copied.error().message);
    }
    return static_cast<double>(count) / seconds_since(start);
}

void upload(benchmark::State& state, bool stores_raw_rows) {
    PostgresCluster& cluster = Database::get().cluster;
    EndlessSource source;
    const auto batch_events = static_cast<std::uint64_t>(state.range(0));
    const double copy_rate =
        stores_raw_rows
            ? raw_copy_rate(cluster, source, std::min<std::uint64_t>(batch_events, 200'000))
            : 0;
    sync::MetricWriter writer({.dsn = cluster.dsn()},
                              {.stores_raw_rows = stores_raw_rows, .folded_rows_max = 400'000});
    std::uint64_t lsn = writer.open_cursor(kSpool, 1).next_lsn;
    std::uint64_t events = 0;
    std::uint64_t folded_rows = 0;
    double seconds = 0;
    for (auto _ : state) {
        const Clock::time_point start = Clock::now();
        const sync::WriteReport report = writer.write({kSpool, lsn, lsn + batch_events}, source);
        const double elapsed = seconds_since(start);
        if (report.status != sync::WriteStatus::kCommitted || report.dead_lettered != 0) {
            state.SkipWithError(report.error.message.c_str());
            break;
        }
        state.SetIterationTime(elapsed);
        events += report.delivered;
        folded_rows += report.folded_rows;
        seconds += elapsed;
        lsn = report.next_lsn;
    }
    const double batches = static_cast<double>(state.iterations());
    state.counters["events_per_second"] = static_cast<double>(events) / seconds;
    state.counters["events_per_batch"] = static_cast<double>(events) / batches;
    state.counters["folded_rows_per_batch"] = static_cast<double>(folded_rows) / batches;
    if (stores_raw_rows) {
        state.counters["raw_copy_per_second"] = copy_rate;
        state.counters["ratio_to_raw_copy"] = static_cast<double>(events) / seconds / copy_rate;
    }
}

void upload_with_raw_rows(benchmark::State& state) {
    upload(state, true);
}
void upload_unit_state_only(benchmark::State& state) {
    upload(state, false);
}

// Eight uploaders on the same units: what they reach together, and how long a batch of one of them
// takes at the median and at worst. state.range(0): events of a batch; range(1): large merges
// queue.
void upload_in_company(benchmark::State& state) {
    constexpr int kUploaders = 8;
    constexpr int kBatches = 4;
    PostgresCluster& cluster = Database::get().cluster;
    const auto batch_events = static_cast<std::uint64_t>(state.range(0));
    static std::uint8_t spools = 0;
    std::vector<double> seconds;
    std::uint64_t folded_rows = 0;
    double elapsed = 0;
    for (auto _ : state) {
        std::mutex mutex;
        std::vector<std::thread> threads;
        const Clock::time_point start = Clock::now();
        for (int uploader = 0; uploader < kUploaders; ++uploader) {
            threads.emplace_back([&, spool = Uuid{0xC0, ++spools}] {
                EndlessSource source;
                sync::MetricWriter writer(
                    {.dsn = cluster.dsn()},
                    {.stores_raw_rows = false, .queues_large_merges = state.range(1) != 0});
                std::uint64_t lsn = writer.open_cursor(spool, 1).next_lsn;
                for (int batch = 0; batch < kBatches; ++batch) {
                    const Clock::time_point begin = Clock::now();
                    const auto report = writer.write({spool, lsn, lsn + batch_events}, source);
                    const std::lock_guard lock(mutex);
                    if (report.status != sync::WriteStatus::kCommitted) {
                        state.SkipWithError(report.error.message.c_str());
                        return;
                    }
                    seconds.push_back(seconds_since(begin));
                    folded_rows += report.folded_rows;
                    lsn = report.next_lsn;
                }
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        state.SetIterationTime(seconds_since(start));
        elapsed += seconds_since(start);
    }
    std::sort(seconds.begin(), seconds.end());
    const auto batches = static_cast<double>(seconds.size());
    state.counters["events_per_second"] = batches * static_cast<double>(batch_events) / elapsed;
    state.counters["folded_rows_per_batch"] = static_cast<double>(folded_rows) / batches;
    state.counters["batch_median_s"] = seconds[seconds.size() / 2];
    state.counters["batch_max_s"] = seconds.back();
    state.counters["max_to_median"] = seconds.back() / seconds[seconds.size() / 2];
}

// What the trigger that folds rows of other writers costs who writes none of them: the same batches
// with and without it in turn, on a table by days (1) and on an ordinary one (0).
void upload_beside_live_folding(benchmark::State& state) {
    constexpr std::uint64_t kBatchEvents = 200'000;
    PostgresCluster& cluster = Database::get().cluster;
    if (state.range(0) == 0) {
        cluster.execute(
            "ALTER TABLE public.ab_test_metrics RENAME TO by_days;"
            "CREATE TABLE public.ab_test_metrics (LIKE public.by_days INCLUDING DEFAULTS)");
    }
    cluster.execute(
        "INSERT INTO burgee.metric_backfill (round) VALUES (1) ON CONFLICT DO NOTHING;"
        "SELECT burgee.fold_later_rows(1, true)");
    EndlessSource source;
    sync::MetricWriter writer({.dsn = cluster.dsn()}, {});
    std::uint64_t lsn = writer.open_cursor(kSpool, 1).next_lsn;
    double seconds[] = {0, 0};
    for (auto _ : state) {
        const Clock::time_point both = Clock::now();
        for (const int is_folding : {0, 1}) {
            cluster.execute(std::string("ALTER TABLE public.ab_test_metrics ") +
                            (is_folding != 0 ? "ENABLE" : "DISABLE") +
                            " TRIGGER burgee_note_written_rows");
            const Clock::time_point start = Clock::now();
            const sync::WriteReport report =
                writer.write({kSpool, lsn, lsn + kBatchEvents}, source);
            seconds[is_folding] += seconds_since(start);
            if (report.next_lsn != lsn + kBatchEvents || report.dead_lettered != 0) {
                state.SkipWithError(report.error.message.c_str());
                return;
            }
            lsn = report.next_lsn;
        }
        state.SetIterationTime(seconds_since(both));
    }
    cluster.execute("SELECT burgee.fold_later_rows(1, false)");
    if (state.range(0) == 0) {
        cluster.execute(
            "DROP TABLE public.ab_test_metrics;"
            "ALTER TABLE public.by_days RENAME TO ab_test_metrics");
    }
    const double events = static_cast<double>(state.iterations()) * kBatchEvents;
    state.counters["without_per_second"] = events / seconds[0];
    state.counters["beside_per_second"] = events / seconds[1];
    state.counters["ratio"] = seconds[0] / seconds[1];
}

BENCHMARK(upload_beside_live_folding)->Arg(0)->Arg(1)->Iterations(6)->UseManualTime();
BENCHMARK(upload_with_raw_rows)->Arg(200'000)->Arg(1'000'000)->Iterations(5)->UseManualTime();
BENCHMARK(upload_in_company)->ArgsProduct({{50'000}, {0, 1}})->Iterations(1)->UseManualTime();
BENCHMARK(upload_unit_state_only)->Arg(2'000'000)->Arg(5'000'000)->Iterations(5)->UseManualTime();

}  // namespace
}  // namespace burgee::test
