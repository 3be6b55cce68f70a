// One million flags through the whole ring: rows in a private PostgreSQL, a real burgeed, a client
// that asks a sample of them, one change, and restarts from last-known-good with PostgreSQL down.
// One benchmark, because filling the table takes longer than everything that is measured.

#include <benchmark/benchmark.h>
#include <burgee/client.hpp>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/e2e/host.hpp"

namespace burgee::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kFlags = 1'000'000;
constexpr int kAsked = 100'003;  // no divisor in common with kFlags: every kind is met
constexpr int kRestarts = 10;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// By the last digit of its number: 0 an A/B test, 1 to 4 enabled, 5 to 9 disabled.
constexpr const char* kFill =
    "INSERT INTO public.feature_flags (name, status, rollout_percentage, segments, variants)"
    " SELECT 'team' || i % 97 || '.feature_' || i,"
    "  CASE WHEN i % 10 = 0 THEN 'ab_test' WHEN i % 10 < 5 THEN 'enabled' ELSE 'disabled' END, 100,"
    "  '{\"bucketing\": \"xxh3\"}',"
    "  CASE WHEN i % 10 = 0 THEN"
    "   '[{\"name\":\"control\",\"weight\":50,\"config_overrides\":{\"model\":\"gpt-3.5\"}},"
    "    {\"name\":\"treatment\",\"weight\":50,\"config_overrides\":{\"model\":\"gpt-4\"}}]'::jsonb"
    "  ELSE '[]' END FROM generate_series(0, 999999) AS i";

std::string name_of(int number) {
    return "team" + std::to_string(number % 97) + ".feature_" + std::to_string(number);
}

/// Throws when an answer is not what the flag's row says.
void ask_sample(const Client& client) {
    const Context user{{"user_id", "user-1"}};
    for (int asked = 0; asked < kAsked; ++asked) {
        const int number = static_cast<int>(std::int64_t{asked} * 7'919 % kFlags);
        const Evaluation answer = client.evaluate(name_of(number), user);
        const bool is_test = number % 10 == 0;
        if (answer.enabled() != (number % 10 < 5) || answer.variant().empty() == is_test) {
            throw std::runtime_error(name_of(number) + " is not answered as its row says");
        }
    }
}

/// The number behind the first `key` in a text, such as "VmHWM:" or "poll_ms="; throws without.
double number_after(const std::string& text, const std::string& key) {
    const std::size_t place = text.find(key);
    if (place == std::string::npos) {
        throw std::runtime_error("no " + key);
    }
    return std::stod(text.substr(place + key.size(), 32));
}

/// MB of 10^6 bytes; the kernel's kB are 1 024.
double daemon_memory_mb(test::Host& host, const char* key) {
    const std::string status =
        test::read_file("/proc/" + std::to_string(host.daemon().pid()) + "/status");
    return number_after(status, key) * 1'024 / 1e6;
}

/// Milliseconds from the start of the process to READY=1, each with PostgreSQL down; ascending.
std::vector<double> restart(test::Host& host) {
    std::vector<double> times;
    for (int number = 0; number < kRestarts; ++number) {
        const auto begin = Clock::now();
        host.start_daemon();
        times.push_back(seconds_since(begin) * 1e3);
        host.kill_daemon();
    }
    std::sort(times.begin(), times.end());
    return times;
}

void million_flags(benchmark::State& state) {
    test::HostOptions options;
    options.poll_interval_ms = 1'000;
    options.postgres.is_durable = true;
    for (auto _ : state) {
        test::Host host(options);
        auto begin = Clock::now();
        host.postgres().execute(kFill);
        state.counters["fill_s"] = seconds_since(begin);

        begin = Clock::now();
        host.start_daemon();
        const Client client(ClientOptions{host.run_directory()});
        if (!client.wait_for_generation(1, std::chrono::seconds(300))) {
            throw std::runtime_error("nothing was published:\n" + host.daemon_log());
        }
        state.SetIterationTime(seconds_since(begin));
        state.counters["first_s"] = seconds_since(begin);
        begin = Clock::now();
        ask_sample(client);
        state.counters["asked_ns"] = seconds_since(begin) * 1e9 / kAsked;
        const std::string log = host.daemon_log();
        state.counters["poll_ms"] = number_after(log, "poll_ms=");
        state.counters["publish_ms"] = number_after(log, " ms=");
        state.counters["snapshot_mb"] = number_after(log, "size_bytes=") / 1e6;
        state.counters["peak_mb"] = daemon_memory_mb(host, "VmHWM:");

        const Flag flag(client, name_of(1));
        begin = Clock::now();
        host.postgres().execute(
            "UPDATE public.feature_flags SET status = 'disabled' WHERE name = '" + name_of(1) +
            "'");
        test::wait_until([&] { return !flag.is_enabled(Context{}, true); },
                         std::chrono::seconds(30));
        state.counters["change_ms"] = seconds_since(begin) * 1e3;
        state.counters["anonymous_mb"] = daemon_memory_mb(host, "RssAnon:");

        begin = Clock::now();
        host.stop_daemon();
        state.counters["stop_s"] = seconds_since(begin);
        host.postgres().stop();
        const std::vector<double> times = restart(host);
        state.counters["restart_p50_ms"] = times[times.size() / 2];
        state.counters["restart_max_ms"] = times.back();
    }
}
BENCHMARK(million_flags)->Iterations(1)->UseManualTime()->Unit(benchmark::kSecond);

}  // namespace
}  // namespace burgee::bench
