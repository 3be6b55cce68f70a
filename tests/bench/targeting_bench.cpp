// What audiences and rules cost the thread that asks, on a snapshot the real publisher wrote. Each
// benchmark counts its answers and fails when their share is not what the rules promise.

#include <burgee/client.hpp>

#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "shm/publisher.hpp"
#include "shm/snapshot_builder.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::bench {
namespace {

constexpr std::size_t kListedIds = 1'000'000;
constexpr std::size_t kAskedIds = 65'536;  // a power of two, so that the next one costs no division
constexpr std::size_t kHotIds = 1'024;

Condition constraint(const std::string& attribute, Operator operation,
                     std::vector<std::string> values) {
    Condition condition;
    condition.attribute = attribute;
    condition.operation = operation;
    condition.values = std::move(values);
    return condition;
}

FlagDefinition enabled(const std::string& name) {
    FlagDefinition flag;
    flag.name = flag.salt = name;
    flag.status = Status::kEnabled;
    flag.revision = 1;
    return flag;
}

std::vector<FlagDefinition> targeted_flags() {
    FlagDefinition three = enabled("three_rules");
    three.status = Status::kGradualRollout;
    three.rollout_percentage = 50;
    Condition age;
    age.attribute = "age";
    age.operation = Operator::kNumLt;
    age.number = std::int64_t{18};
    three.rules = {{"staff", {constraint("email", Operator::kStrEndsWith, {"@burgee.dev"})}, true},
                   {"minors", {age}, false},
                   {"paying", {constraint("plan", Operator::kIn, {"pro", "team"})}, true}};
    FlagDefinition regex = enabled("regex");
    regex.audience = {constraint("email", Operator::kRegex, {"^[a-z0-9._]+@example\\.(com|org)$"})};
    FlagDefinition semver = enabled("semver");
    semver.audience = {constraint("app", Operator::kSemverGte, {"2.4.0"})};
    FlagDefinition listed = enabled("listed");
    std::vector<std::string> ids;
    for (std::size_t number = 0; number < kListedIds; ++number) {
        ids.push_back("user-" + std::to_string(2 * number));
    }
    listed.audience = {constraint("user_id", Operator::kIn, std::move(ids))};
    return {three, regex, semver, listed};
}

class TargetedFlags {
public:
    TargetedFlags() : publisher_(open(directory_.path())) {
        FlagChanges changes;
        changes.revision = 1;
        changes.is_full = true;
        changes.changed = targeted_flags();
        builder_.apply(changes);
        if (!builder_.problems().empty()) {
            std::abort();  // the benchmark's own set-up is wrong
        }
        const auto image = builder_.build({publisher_.next_generation(), 1});
        if (!publisher_.publish(image, builder_.take_read_back())) {
            std::abort();
        }
        std::mt19937_64 random(20'240'229);
        for (std::size_t number = 0; number < kAskedIds; ++number) {
            ids.push_back("user-" + std::to_string(random() % (2 * kListedIds)));
        }
    }
    ClientOptions options() const { return ClientOptions{directory_.path()}; }

    std::vector<std::string> ids;  ///< every second of them is listed

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

TargetedFlags& flags() {
    static TargetedFlags flags;
    return flags;
}

void expect_share(benchmark::State& state, std::uint64_t on, double expected) {
    const double share = static_cast<double>(on) / static_cast<double>(state.iterations());
    state.counters["share_on"] = share;
    if (state.iterations() > 10'000 && (share < expected - 0.05 || share > expected + 0.05)) {
        state.SkipWithError("the answers are wrong: the share of 'on' is not what the rules say");
    }
}

/// Contexts built outside the loop: a quarter on the plan that the last rule names, nobody staff or
/// under age, so that every rule is asked.
std::vector<Context> people() {
    std::vector<Context> made;
    for (std::size_t number = 0; number < kHotIds; ++number) {
        made.push_back(
            Context{{"user_id", flags().ids[number]},
                    {"email", number % 2 == 0 ? "someone.new@example.com" : "x@other.net"},
                    {"plan", number % 4 == 0 ? "pro" : "free"},
                    {"age", 20 + static_cast<int>(number % 50)},
                    {"app", number % 2 == 0 ? "2.10.3" : "2.3.9"}});
    }
    return made;
}

void ask_people(benchmark::State& state, std::string_view flag, double expected) {
    const Client client(flags().options());
    const std::vector<Context> contexts = people();
    std::uint64_t on = 0;
    std::size_t next = 0;
    for (auto _ : state) {
        on += client.is_enabled(flag, contexts[next++ % kHotIds]) ? 1U : 0U;
    }
    expect_share(state, on, expected);
}

void check_three_rules(benchmark::State& state) {
    ask_people(state, "three_rules", 0.25 + 0.75 * 0.5);
}
BENCHMARK(check_three_rules);

void check_regex(benchmark::State& state) {
    ask_people(state, "regex", 0.5);
}
BENCHMARK(check_regex);

void check_semver(benchmark::State& state) {
    ask_people(state, "semver", 0.5);
}
BENCHMARK(check_semver);

/// The same few ids again and again: what they touch of the list stays cached.
void check_in_a_million_hot(benchmark::State& state) {
    const Client client(flags().options());
    std::vector<Context> contexts;
    for (std::size_t number = 0; number < kHotIds; ++number) {
        contexts.push_back(Context{{"user_id", flags().ids[number]}});
    }
    std::uint64_t on = 0;
    std::size_t next = 0;
    for (auto _ : state) {
        on += client.is_enabled("listed", contexts[next++ % kHotIds]) ? 1U : 0U;
    }
    expect_share(state, on, 0.5);
}
BENCHMARK(check_in_a_million_hot);

std::int64_t now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

/// One id after the caches were filled with something else, the check itself warmed up with another
/// flag; the p50 of the single questions, with the clock's own cost taken off.
void check_in_a_million_cold(benchmark::State& state) {
    constexpr std::size_t kBallastBytes = 64U << 20U;  // more than any last-level cache share here
    const Client client(flags().options());
    std::vector<std::uint64_t> ballast(kBallastBytes / sizeof(std::uint64_t), 1);
    std::vector<std::int64_t> costs;
    std::int64_t clock_cost = INT64_MAX;
    std::size_t next = 0;
    for (auto _ : state) {
        std::uint64_t sum = 0;
        for (std::uint64_t& word : ballast) {
            sum += ++word;
        }
        benchmark::DoNotOptimize(sum);
        for (int question = 0; question < 32; ++question) {
            const Context user{{"user_id", flags().ids[(next += 7'919) % kAskedIds]}};
            benchmark::DoNotOptimize(client.is_enabled("semver", user));
            const std::int64_t before = now_ns();
            clock_cost = std::min(clock_cost, now_ns() - before);
            const std::int64_t begin = now_ns();
            benchmark::DoNotOptimize(client.is_enabled("listed", user));
            costs.push_back(now_ns() - begin);
        }
    }
    std::sort(costs.begin(), costs.end());
    state.counters["p50_ns"] = static_cast<double>(costs[costs.size() / 2] - clock_cost);
    state.counters["p99_ns"] = static_cast<double>(costs[costs.size() * 99 / 100] - clock_cost);
}
BENCHMARK(check_in_a_million_cold)->Unit(benchmark::kMillisecond)->Iterations(30);

/// Counts what an explanation is made of, as `burgee explain` collects it.
struct CollectSteps {
    static constexpr bool kEnabled = true;
    std::vector<TraceStep> steps;
    std::vector<ConstraintStep> constraints;
    void record(const TraceStep& step) { steps.push_back(step); }
    void record(const ConstraintStep& step) { constraints.push_back(step); }
};

void explain_three_rules(benchmark::State& state) {
    const Client client(flags().options());
    const Snapshot snapshot = client.pin();
    const SnapshotView& view = snapshot.view();
    const FlagRecord& flag = *view.find(hash64(std::string_view("three_rules")));
    const std::vector<Context> contexts = people();
    std::size_t constraints = 0;
    std::size_t next = 0;
    for (auto _ : state) {
        CollectSteps trace;
        benchmark::DoNotOptimize(evaluate(view, flag, contexts[next++ % kHotIds], trace));
        constraints += trace.constraints.size();
    }
    if (constraints != 3 * static_cast<std::size_t>(state.iterations())) {
        state.SkipWithError("the explanation misses constraints");
    }
}
BENCHMARK(explain_three_rules)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace burgee::bench
