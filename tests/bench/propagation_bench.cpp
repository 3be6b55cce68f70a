// How long from COMMIT to every process answering anew, and from start to READY: the whole ring on a
// private PostgreSQL, a real burgeed and a client that asks without pause.

#include <benchmark/benchmark.h>
#include <burgee/client.hpp>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "sync/pg_session.hpp"
#include "tests/e2e/host.hpp"

namespace burgee::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kFlags = 1'000;
constexpr int kManyFlags = 100'000;
constexpr int kCommits = 200;
constexpr int kPolledCommits = 8;  // a second each
constexpr std::chrono::milliseconds kCommitSpacing{20};

void fill(test::Host& host, int flags) {
    host.postgres().execute(
        "INSERT INTO public.feature_flags (name, status) SELECT 'flag.' || i, 'enabled' "
        "FROM generate_series(1, " + std::to_string(flags) + ") AS i");
}

double ms(Clock::duration time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

double quantile(std::vector<double>& values, double share) {
    std::sort(values.begin(), values.end());
    const auto last = static_cast<double>(values.size() - 1);
    return values[static_cast<std::size_t>(share * last + 0.5)];
}

/// Flips one flag `commits` times. @return milliseconds from the answer to COMMIT to the new answer.
std::vector<double> flip(test::Host& host, const Client& client, int commits) {
    sync::PgSession session({host.postgres().dsn()});
    const Flag flag(client, "flag.500");
    const Context nobody{};
    std::vector<double> times;
    for (int commit = 0; commit < commits; ++commit) {
        const bool is_on = commit % 2 == 1;
        const auto done = session.transaction(sync::PgAccess::kReadWrite, [&](auto& open) {
            open.query("UPDATE public.feature_flags SET status = $1 WHERE name = 'flag.500'",
                       {is_on ? "enabled" : "disabled"});
        });
        const auto begin = Clock::now();
        if (!done) {
            throw std::runtime_error(done.error().message);
        }
        while (flag.is_enabled(nobody, !is_on) != is_on) {
            if (Clock::now() - begin > std::chrono::seconds(10)) {
                throw std::runtime_error("the change never arrived");
            }
            std::this_thread::yield();
        }
        times.push_back(ms(Clock::now() - begin));
        std::this_thread::sleep_for(kCommitSpacing);
    }
    return times;
}

void measure_propagation(benchmark::State& state, int flags, bool is_listening) {
    test::HostOptions options;
    options.is_listening = is_listening;
    options.poll_interval_ms = 1'000;
    options.postgres.is_durable = true;
    test::Host host(options);
    fill(host, flags);
    host.start_daemon();
    const Client client(ClientOptions{host.run_directory()});
    client.wait_for_generation(1, std::chrono::seconds(20));
    for (auto _ : state) {
        std::vector<double> times =
            flip(host, client, is_listening ? kCommits : kPolledCommits);
        state.SetIterationTime(quantile(times, 0.5) / 1e3);
        state.counters["p50_ms"] = quantile(times, 0.5);
        state.counters["p99_ms"] = quantile(times, 0.99);
        state.counters["max_ms"] = times.back();
    }
}

void propagation(benchmark::State& state) {
    measure_propagation(state, kFlags, state.range(0) == 1);
}
BENCHMARK(propagation)->ArgName("listen")->Arg(1)->Arg(0)->Iterations(1)->UseManualTime();

void propagation_100k(benchmark::State& state) {
    measure_propagation(state, kManyFlags, true);
}
BENCHMARK(propagation_100k)->Iterations(1)->UseManualTime();

/// Start of the process to READY=1, flags from last-known-good, PostgreSQL down.
void restart_to_ready(benchmark::State& state) {
    constexpr int kRestarts = 30;
    test::Host host;
    fill(host, 10'000);
    host.start_daemon();
    const Client client(ClientOptions{host.run_directory()});
    client.wait_for_generation(1, std::chrono::seconds(20));
    host.stop_daemon();
    host.postgres().stop();
    for (auto _ : state) {
        std::vector<double> times;
        for (int restart = 0; restart < kRestarts; ++restart) {
            const auto begin = Clock::now();
            host.start_daemon();
            times.push_back(ms(Clock::now() - begin));
            host.kill_daemon();
        }
        state.SetIterationTime(quantile(times, 0.5) / 1e3);
        state.counters["p50_ms"] = quantile(times, 0.5);
        state.counters["p99_ms"] = quantile(times, 0.99);
    }
}
BENCHMARK(restart_to_ready)->Iterations(1)->UseManualTime();

}  // namespace
}  // namespace burgee::bench
