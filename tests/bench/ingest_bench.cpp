// A whole host of clients: how long until 10 000 that come at once are all welcomed by a real
// burgeed, what memory it has then, and what it takes to keep them.

#include <benchmark/benchmark.h>

#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "daemon/event_listener.hpp"
#include "tests/daemon/event_client.hpp"
#include "tests/daemon/ingest_host.hpp"
#include "tests/e2e/host.hpp"

namespace burgee::bench {
namespace {

constexpr std::uint64_t kClients = 10'000;

/// Processor seconds that a process has used.
double processor_seconds(pid_t pid) {
    const std::string stat = test::read_file("/proc/" + std::to_string(pid) + "/stat");
    std::istringstream fields(stat.substr(stat.rfind(')') + 2));
    std::string field;
    double ticks = 0;
    for (int number = 3; number <= 15 && fields >> field; ++number) {
        ticks += number >= 14 ? std::stod(field) : 0;
    }
    return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

/// @return the clients, every one of them welcomed.
std::vector<test::EventClient> connect_all(const std::string& path) {
    std::vector<test::EventClient> clients;
    clients.reserve(kClients);
    for (std::uint64_t session = 1; session <= kClients; ++session) {
        clients.emplace_back(path);
        if (!clients.back().is_connected() || !clients.back().send_hello(session, 1)) {
            throw std::runtime_error("a client could not connect");
        }
    }
    for (test::EventClient& client : clients) {
        if (!client.receive_as<WelcomeFrame>(FrameType::kWelcome)) {
            throw std::runtime_error("a client was not welcomed");
        }
    }
    return clients;
}

void ten_thousand_clients(benchmark::State& state) {
    if (daemon::raise_descriptor_limit() < kClients + 200) {
        state.SkipWithError("raise the hard limit of open files: 10 000 sockets are needed");
        return;
    }
    test::Host host;
    for (auto _ : state) {
        host.start_daemon();
        const pid_t pid = host.daemon().pid();
        const double before_mib = static_cast<double>(test::memory_kib(pid, "VmRSS")) / 1024;
        const auto begin = std::chrono::steady_clock::now();
        const auto clients = connect_all(host.run_directory() + "/" + kEventSocketName);
        const auto end = std::chrono::steady_clock::now();
        state.SetIterationTime(std::chrono::duration<double>(end - begin).count());
        state.counters["before_mib"] = before_mib;
        state.counters["most_mib"] = static_cast<double>(test::memory_kib(pid, "VmHWM")) / 1024;
        // What connections cost that say nothing: the daemon looks after them ten times a second.
        const double used = processor_seconds(pid);
        std::this_thread::sleep_for(std::chrono::seconds(5));
        state.counters["idle_share"] = (processor_seconds(pid) - used) / 5;
        host.stop_daemon();
    }
}
BENCHMARK(ten_thousand_clients)->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace burgee::bench
