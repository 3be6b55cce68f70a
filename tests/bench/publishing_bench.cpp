// What publications cost those who ask: checks per processor second of one and of two threads while
// another process publishes the same 1 000 flags a thousand times a second.

#include <benchmark/benchmark.h>
#include <burgee/client.hpp>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "shm/publisher.hpp"
#include "shm/snapshot_builder.hpp"

namespace burgee::bench {
namespace {

constexpr std::size_t kFlagCount = 1'000;
constexpr std::chrono::milliseconds kInterval{1};

std::string name_of(std::size_t number) {
    return "service.area" + std::to_string(number % 37) + ".flag" + std::to_string(number);
}

/// Every second flag is on.
FlagDefinition flag_of(std::size_t number, std::uint64_t revision) {
    FlagDefinition flag;
    flag.name = name_of(number);
    flag.salt = flag.name;
    flag.status = number % 2 == 0 ? Status::kEnabled : Status::kDisabled;
    flag.revision = revision;
    return flag;
}

/// Publishes until it is killed, one flag changed each time. Never returns.
[[noreturn]] void publish_for_ever(const std::string& directory) {
    FlagChanges changes;
    changes.is_full = true;
    for (std::size_t number = 0; number < kFlagCount; ++number) {
        changes.changed.push_back(flag_of(number, 1));
    }
    SnapshotBuilder builder;
    auto publisher = Publisher::open(directory, {.retire_after = std::chrono::milliseconds(200)});
    auto next = std::chrono::steady_clock::now();
    for (std::uint64_t round = 1; publisher; ++round) {
        builder.apply(changes);
        const auto image = builder.build({publisher->next_generation(), 1});
        if (!publisher->publish(image, builder.take_read_back())) {
            break;
        }
        changes.is_full = false;
        changes.changed = {flag_of(round % kFlagCount, round)};
        next += kInterval;
        std::this_thread::sleep_until(next);
    }
    std::_Exit(1);
}

/// The publishing process and its directory, for as long as this lives.
class BusyPublisher {
public:
    BusyPublisher() {
        if (::mkdtemp(directory_.data()) == nullptr) {
            std::abort();  // nothing to measure: the benchmark's own set-up is wrong
        }
        child_ = ::fork();
        if (child_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            publish_for_ever(directory_);
        }
    }
    ~BusyPublisher() {
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }
    BusyPublisher(const BusyPublisher&) = delete;
    BusyPublisher& operator=(const BusyPublisher&) = delete;
    const std::string& directory() const { return directory_; }

private:
    std::string directory_ = "/dev/shm/burgee-bench-XXXXXX";  // where a host has its snapshots
    ::pid_t child_ = -1;
};

std::unique_ptr<BusyPublisher> publisher;
std::unique_ptr<Client> client;

void begin_publishing(const benchmark::State&) {
    publisher = std::make_unique<BusyPublisher>();
    client = std::make_unique<Client>(ClientOptions{publisher->directory()});
    client->wait_for_generation(1, std::chrono::seconds(10));
}

void end_publishing(const benchmark::State&) {
    client.reset();
    publisher.reset();
}

double now_s(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void check_while_published(benchmark::State& state) {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> all;
        for (std::size_t number = 0; number < kFlagCount; ++number) {
            all.push_back(name_of(number * 619 % kFlagCount));
        }
        return all;
    }();
    const Context user{{"user_id", "user-1"}};
    const std::uint64_t first_generation = client->generation();
    const double begin = now_s(CLOCK_MONOTONIC);
    const double cpu_begin = now_s(CLOCK_THREAD_CPUTIME_ID);
    std::uint64_t on = 0;
    std::size_t next = 0;
    for (auto _ : state) {
        on += client->is_enabled(names[next], user) ? 1U : 0U;
        next = next + 1 < kFlagCount ? next + 1 : 0;
    }
    const double cpu_s = now_s(CLOCK_THREAD_CPUTIME_ID) - cpu_begin;
    const double seconds = now_s(CLOCK_MONOTONIC) - begin;
    // Counters of several threads are summed: this is the process's rate per processor second.
    state.counters["checks_per_cpu_s"] = static_cast<double>(state.iterations()) / cpu_s;
    state.counters["published_per_s"] =
        benchmark::Counter(static_cast<double>(client->generation() - first_generation) / seconds,
                           benchmark::Counter::kAvgThreads);
    const double share = static_cast<double>(on) / static_cast<double>(state.iterations());
    if (state.iterations() > 100'000 && (share < 0.49 || share > 0.51)) {
        state.SkipWithError("the answers are wrong: half of the flags are on");
    }
}
BENCHMARK(check_while_published)
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime()
    ->Setup(begin_publishing)
    ->Teardown(end_publishing);

}  // namespace
}  // namespace burgee::bench
