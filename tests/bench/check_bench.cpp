// What a check costs the thread that asks, on snapshots the real publisher wrote. Names, ids and
// contexts are drawn from 100 000 prepared outside the loop; every answer is counted, and a
// benchmark whose share of "on" is not what its flags promise fails.

#include <burgee/client.hpp>

#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "shm/publisher.hpp"
#include "shm/snapshot_builder.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::bench {
namespace {

constexpr std::size_t kNameCount = 100'000;
constexpr std::size_t kHotFlagCount = 1'000;  // a large service's set: 64 KB of records
constexpr std::size_t kContextCount = 1'024;  // asked in turn; a server's recent users
constexpr std::uint64_t kSeed = 20'240'229;   // any number; fixed so that runs compare

FlagDefinition flag_of(std::size_t number, std::size_t count) {
    FlagDefinition flag;
    flag.name = "service.area" + std::to_string(number % 37) + ".flag" + std::to_string(number);
    flag.salt = flag.name;
    flag.revision = 1;
    const std::size_t kind = number * 4 / count;  // quarters: on, off, half rolled out, A/B
    flag.status = kind == 0   ? Status::kEnabled
                  : kind == 1 ? Status::kDisabled
                  : kind == 2 ? Status::kGradualRollout
                              : Status::kAbTest;
    flag.rollout_percentage = kind == 3 ? 100 : 50;
    if (kind == 3) {
        flag.variants = {
            {"control", 50, R"({"model": "gpt-3.5"})", {{"model", std::string("gpt-3.5")}}},
            {"treatment", 50, R"({"model": "gpt-4"})", {{"model", std::string("gpt-4")}}}};
    }
    return flag;
}

/// A directory with `count` flags, published once per process.
class PublishedFlags {
public:
    explicit PublishedFlags(std::size_t count) : publisher_(open(directory_.path())) {
        FlagChanges changes;
        changes.revision = 1;
        changes.is_full = true;
        for (std::size_t number = 0; number < count; ++number) {
            changes.changed.push_back(flag_of(number, count));
            names.push_back(changes.changed.back().name);
        }
        builder_.apply(changes);
        publish();
    }

    void publish() {
        const auto image = builder_.build({publisher_.next_generation(), 1});
        if (!publisher_.publish(image, builder_.take_read_back())) {
            std::abort();  // nothing to measure: the benchmark's own set-up is wrong
        }
    }

    ClientOptions options() const { return ClientOptions{directory_.path()}; }

    /// Names of one quarter of the flags, see flag_of(), drawn `count` times.
    std::vector<std::string_view> draw(std::size_t quarter, std::size_t quarters,
                                       std::size_t count) const {
        std::mt19937_64 random(kSeed);
        const std::size_t part = names.size() / 4;
        std::uniform_int_distribution<std::size_t> any(quarter * part,
                                                       (quarter + quarters) * part - 1);
        std::vector<std::string_view> drawn(count);
        std::generate(drawn.begin(), drawn.end(),
                      [&]() -> std::string_view { return names[any(random)]; });
        return drawn;
    }

    std::vector<std::string> names;

private:
    static Publisher open(const std::string& directory) {
        auto publisher = Publisher::open(directory);
        if (!publisher) {
            std::abort();
        }
        return std::move(*publisher);
    }

    test::TemporaryDirectory directory_{"burgee-bench"};
    Publisher publisher_;
    SnapshotBuilder builder_;
};

PublishedFlags& hot_flags() {
    static PublishedFlags flags(kHotFlagCount);
    return flags;
}

PublishedFlags& many_flags() {
    static PublishedFlags flags(kNameCount);
    return flags;
}

const std::vector<std::string>& ids() {
    static const std::vector<std::string> drawn = [] {
        std::mt19937_64 random(kSeed);
        std::vector<std::string> made(kNameCount);
        for (std::string& id : made) {
            id = "user-" + std::to_string(random() % 1'000'000'000'000);
        }
        return made;
    }();
    return drawn;
}

const std::vector<Context>& contexts() {
    static const std::vector<Context> made = [] {
        std::vector<Context> all;
        for (std::size_t number = 0; number < kContextCount; ++number) {
            all.push_back(Context{{"user_id", ids()[number * (kNameCount / kContextCount)]}});
        }
        return all;
    }();
    return made;
}

/// Fails the benchmark unless `on` of its questions were answered "on" in the expected share.
void expect_share(benchmark::State& state, std::uint64_t on, double expected) {
    const double share = static_cast<double>(on) / static_cast<double>(state.iterations());
    state.counters["share_on"] = benchmark::Counter(share, benchmark::Counter::kAvgThreads);
    if (state.iterations() > 10'000 && (share < expected - 0.05 || share > expected + 0.05)) {
        state.SkipWithError("the answers are wrong: the share of 'on' is not what the flags say");
    }
}

/// Asks `flags` by name, names and contexts drawn outside the loop.
void ask_by_name(benchmark::State& state, PublishedFlags& flags, std::size_t quarter,
                 std::size_t quarters, double expected) {
    const Client client(flags.options());
    const auto names = flags.draw(quarter, quarters, kNameCount);
    const auto& users = contexts();
    std::uint64_t on = 0;
    std::size_t next = 0;
    for (auto _ : state) {
        on += client.is_enabled(names[next % kNameCount], users[next % kContextCount]) ? 1U : 0U;
        ++next;
    }
    expect_share(state, on, expected);
}

void check_by_handle(benchmark::State& state) {
    const Client client(hot_flags().options());
    const Flag on_flag(client, hot_flags().names.front());
    const auto& users = contexts();
    std::uint64_t on = 0;
    std::size_t next = 0;
    for (auto _ : state) {
        on += on_flag.is_enabled(users[next++ % kContextCount]) ? 1U : 0U;
        benchmark::DoNotOptimize(on);
    }
    expect_share(state, on, 1.0);
}
BENCHMARK(check_by_handle);

void check_by_handle_rollout(benchmark::State& state) {
    const Client client(hot_flags().options());
    const Flag flag(client, hot_flags().names[kHotFlagCount / 2]);
    const auto& users = contexts();
    std::uint64_t on = 0;
    std::size_t next = 0;
    for (auto _ : state) {
        on += flag.is_enabled(users[next++ % kContextCount]) ? 1U : 0U;
        benchmark::DoNotOptimize(on);
    }
    expect_share(state, on, 0.5);
}
BENCHMARK(check_by_handle_rollout);

void check_by_name(benchmark::State& state) {
    ask_by_name(state, hot_flags(), 0, 2, 0.5);
}
BENCHMARK(check_by_name);

void check_by_name_one_flag(benchmark::State& state) {
    const Client client(hot_flags().options());
    const std::string_view name = hot_flags().names.front();
    const auto& users = contexts();
    std::uint64_t on = 0;
    std::size_t next = 0;
    for (auto _ : state) {
        on += client.is_enabled(name, users[next++ % kContextCount]) ? 1U : 0U;
        benchmark::DoNotOptimize(on);
    }
    expect_share(state, on, 1.0);
}
BENCHMARK(check_by_name_one_flag);

void check_by_name_among_100k(benchmark::State& state) {
    ask_by_name(state, many_flags(), 0, 2, 0.5);
}
BENCHMARK(check_by_name_among_100k);

void check_rollout_by_name(benchmark::State& state) {
    ask_by_name(state, hot_flags(), 2, 1, 0.5);
}
BENCHMARK(check_rollout_by_name);

void check_ab_test_with_config(benchmark::State& state) {
    const Client client(hot_flags().options());
    const auto names = hot_flags().draw(3, 1, kNameCount);
    const auto& users = contexts();
    std::uint64_t treated = 0;
    std::size_t next = 0;
    for (auto _ : state) {
        const Evaluation answer =
            client.evaluate(names[next % kNameCount], users[next % kContextCount]);
        treated += answer.config().string("model", "none").size() == 5 ? 1U : 0U;  // "gpt-4"
        ++next;
    }
    expect_share(state, treated, 0.5);
}
BENCHMARK(check_ab_test_with_config);

void build_context_1(benchmark::State& state) {
    const auto& drawn = ids();
    std::size_t next = 0;
    for (auto _ : state) {
        const Context user{{"user_id", drawn[next++ % kContextCount]}};
        benchmark::DoNotOptimize(&user);
        benchmark::ClobberMemory();
    }
}
BENCHMARK(build_context_1);

void build_context_4(benchmark::State& state) {
    const auto& drawn = ids();
    std::size_t next = 0;
    for (auto _ : state) {
        const Context user{{"user_id", drawn[next++ % kContextCount]},
                           {"subscription_tier", "pro"},
                           {"age", 42},
                           {"beta", true}};
        benchmark::DoNotOptimize(&user);
        benchmark::ClobberMemory();
    }
}
BENCHMARK(build_context_4);

/// One question among 100 000 flags after the caches were filled with something else; the p99 of
/// the single questions, with the clock's own cost taken off.
void check_cold(benchmark::State& state) {
    constexpr std::size_t kBallastBytes = 64U << 20U;  // more than any last-level cache share here
    constexpr int kQuestionsPerFlush = 32;
    const Client client(many_flags().options());
    const auto names = many_flags().draw(0, 2, kNameCount);
    std::vector<std::uint64_t> ballast(kBallastBytes / sizeof(std::uint64_t), 1);
    for (const std::string_view name : names) {  // every page has been touched once
        benchmark::DoNotOptimize(client.is_enabled(name, contexts()[0]));
    }
    const auto now_ns = [] {
        timespec now{};
        ::clock_gettime(CLOCK_MONOTONIC, &now);
        return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
    };
    std::vector<std::int64_t> costs;
    std::int64_t clock_cost = INT64_MAX;
    std::string name;
    std::size_t next = 0;
    for (auto _ : state) {
        std::uint64_t sum = 0;
        for (std::uint64_t& word : ballast) {
            sum += ++word;
        }
        benchmark::DoNotOptimize(sum);
        for (int question = 0; question < kQuestionsPerFlush; ++question) {
            name.assign(names[(next += 7'919) % kNameCount]);  // a caller has just named its flag
            benchmark::DoNotOptimize(name.data());
            const std::int64_t before = now_ns();
            clock_cost = std::min(clock_cost, now_ns() - before);
            const std::int64_t begin = now_ns();
            benchmark::DoNotOptimize(client.is_enabled(name, contexts()[0]));
            costs.push_back(now_ns() - begin);
        }
    }
    std::sort(costs.begin(), costs.end());
    const auto quantile = [&](std::size_t percent) {
        return static_cast<double>(costs[costs.size() * percent / 100] - clock_cost);
    };
    state.counters["p50_ns"] = quantile(50);
    state.counters["p99_ns"] = quantile(99);
}
BENCHMARK(check_cold)->Unit(benchmark::kMillisecond)->Iterations(100);

/// From nothing to the first answer with 100 000 flags.
void attach_100k(benchmark::State& state) {
    const ClientOptions options = many_flags().options();
    const std::string& name = many_flags().names.front();
    std::uint64_t on = 0;
    for (auto _ : state) {
        const Client client(options);
        on += client.is_enabled(name, contexts()[0]) ? 1U : 0U;
    }
    if (on != static_cast<std::uint64_t>(state.iterations())) {
        state.SkipWithError("a client was not ready at once");
    }
}
BENCHMARK(attach_100k)->Unit(benchmark::kMicrosecond);

/// Checks per second of the threads' own processor time: two threads must not slow each other.
void check_by_threads(benchmark::State& state) {
    static const Client client(hot_flags().options());
    static const auto names = hot_flags().draw(0, 2, kNameCount);
    const auto& users = contexts();
    std::uint64_t on = 0;
    std::size_t next = static_cast<std::size_t>(state.thread_index()) * 1'000;
    const auto cpu_ns = [] {
        timespec now{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
    };
    const double begin = cpu_ns();
    for (auto _ : state) {
        on += client.is_enabled(names[next % kNameCount], users[next % kContextCount]) ? 1U : 0U;
        ++next;
    }
    const double spent_ns = cpu_ns() - begin;
    // Counters of several threads are summed: this is the process's rate per processor second.
    state.counters["checks_per_cpu_s"] = static_cast<double>(state.iterations()) / spent_ns * 1e9;
    expect_share(state, on, 0.5);
}
BENCHMARK(check_by_threads)->Threads(1)->Threads(2)->UseRealTime();

}  // namespace
}  // namespace burgee::bench
