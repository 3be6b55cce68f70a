// A host whose PostgreSQL was away until its spool was full: how soon it serves flags and takes
// events again after a restart, how it drains, what memory burgeed needs through all of it, and
// whether every acknowledged event arrives. BURGEE_BENCH_SPOOL_MIB sets the spool's cap; events
// carry 900 bytes of metadata, so that 4 GiB are some 4 million of them. Files go to /tmp and away
// again.

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <burgee/client.hpp>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/host.hpp"
#include "tests/e2e/spool_backlog.hpp"
#include "tests/fault/event_load.hpp"

namespace burgee::bench {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kMetadataSize = 900;

std::uint64_t cap_mib() {
    return test::count_from_environment("BURGEE_BENCH_SPOOL_MIB", 4'096);
}

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Takes the spool's files out of the page cache, as after a restart of the machine.
void forget_cached(const std::string& directory) {
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        const int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            ::fdatasync(fd);
            ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
            ::close(fd);
        }
    }
}

std::uint64_t stored_count(test::Host& host) {
    return std::stoull(host.postgres().value("SELECT count(*) FROM public.ab_test_metrics"));
}

struct Start {
    double flags_s = 0;  ///< until a service that starts now gets its answer
    double ready_s = 0;  ///< until READY=1, which waits for the spool
};

/// Starts burgeed as after a restart of the machine: what it had published is gone.
Start start(test::Host& host) {
    for (const auto& entry : std::filesystem::directory_iterator(host.run_directory())) {
        std::filesystem::remove(entry.path());
    }
    Start result;
    const auto begin = Clock::now();
    std::thread service([&] {
        const bool is_served = test::wait_until(
            [&] {
                return Client(ClientOptions{host.run_directory()})
                    .is_enabled("load", Context{{"user_id", "u"}});
            },
            seconds(60));
        result.flags_s = is_served ? seconds_since(begin) : -1;
    });
    host.start_daemon(
        {"BURGEE_SPOOL_CAP_MIB=" + std::to_string(cap_mib()), "BURGEE_SPOOL_SEGMENT_MIB=64"});
    result.ready_s = seconds_since(begin);
    service.join();
    if (result.flags_s < 0) {
        throw std::runtime_error("no flags:\n" + host.daemon_log());
    }
    return result;
}

bool has_last_known_good(test::Host& host) {
    return std::filesystem::exists(host.state_directory() + "/lkg.L1");
}

struct Drained {
    std::uint64_t acknowledged = 0;  ///< new events, while it drained
    double first_ack_s = 0;
    double slowest_ack_ms = 0;
    double seconds = 0;
};

/// Tracks new events one by one until PostgreSQL has `expected` and those, too.
Drained drain(test::Host& host, std::uint64_t expected) {
    Drained result;
    Client client(ClientOptions{host.run_directory()});
    const ExperimentRef experiment(test::load_experiment_id(), "control");
    const Context user{{"user_id", "late"}};
    const auto begin = Clock::now();
    auto next_look = begin + seconds(1);
    while (seconds_since(begin) < 1'800) {
        const auto tracked = Clock::now();
        client.track(experiment, "quality_score", 1, user);
        const FlushResult flushed = client.flush(seconds(600));
        if (!flushed.complete || flushed.durable != result.acknowledged + 1) {
            throw std::runtime_error("nothing is acknowledged while the spool drains");
        }
        const double took_s = seconds_since(tracked);
        result.first_ack_s = result.acknowledged == 0 ? took_s : result.first_ack_s;
        result.slowest_ack_ms =
            result.acknowledged == 0 ? 0 : std::max(result.slowest_ack_ms, took_s * 1e3);
        result.acknowledged += 1;
        if (Clock::now() >= next_look) {
            next_look = Clock::now() + seconds(1);
            if (stored_count(host) >= expected) {
                break;
            }
        }
        std::this_thread::sleep_for(milliseconds(20));
    }
    result.seconds = seconds_since(begin);
    return result;
}

void restart_with_full_spool(benchmark::State& state) {
    for (auto _ : state) {
        test::HostOptions options;
        options.postgres.is_durable = true;
        test::Host host(options);
        test::create_load_flags(host.postgres());
        start(host);
        if (!test::wait_until([&] { return has_last_known_good(host); }, seconds(30))) {
            throw std::runtime_error("no snapshot is kept:\n" + host.daemon_log());
        }
        host.postgres().stop();
        std::uint64_t acknowledged = 0;
        test::BacklogFiller filler(host.run_directory() + "/events.sock",
                                   test::load_experiment_id(), kMetadataSize);
        {
            test::MemoryWatch memory(host.daemon().pid());
            const auto begin = Clock::now();
            acknowledged = filler.fill();
            state.counters["fill_s"] = seconds_since(begin);
            state.counters["fill_rss_mib"] = memory.peak_mib();
        }
        state.counters["events"] = static_cast<double>(acknowledged);
        host.stop_daemon();
        const std::string spool = host.state_directory() + "/spool";
        forget_cached(spool);

        state.counters["cold_ready_s"] = start(host).ready_s;
        host.stop_daemon();
        const Start warm = start(host);
        state.counters["flags_ms"] = warm.flags_s * 1e3;
        state.counters["ready_s"] = warm.ready_s;
        state.counters["scan_gib_s"] = static_cast<double>(cap_mib()) / 1'024 / warm.ready_s;
        state.SetIterationTime(warm.ready_s);
        test::MemoryWatch memory(host.daemon().pid());
        acknowledged = filler.durable_count();
        host.postgres().start();
        const Drained drained = drain(host, acknowledged);
        state.counters["drain_rss_mib"] = memory.peak_mib();
        state.counters["drain_per_s"] = static_cast<double>(acknowledged) / drained.seconds;
        state.counters["first_ack_s"] = drained.first_ack_s;
        state.counters["slowest_ack_ms"] = drained.slowest_ack_ms;
        state.counters["acked_meanwhile"] = static_cast<double>(drained.acknowledged);
        const std::uint64_t expected = acknowledged + drained.acknowledged;
        test::wait_until([&] { return stored_count(host) >= expected; }, seconds(60));
        const std::uint64_t stored = stored_count(host);
        if (stored != expected) {
            state.SkipWithError((std::to_string(stored) + " events are stored, acknowledged were " +
                                 std::to_string(expected))
                                    .c_str());
        }
    }
}
BENCHMARK(restart_with_full_spool)->Iterations(1)->UseManualTime()->Unit(benchmark::kSecond);

}  // namespace
}  // namespace burgee::bench
