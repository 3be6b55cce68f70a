// What one change of a flag costs among 100 000: compiling it, building the snapshot, publishing it
// with its read-back; and what a reader pays to attach. A tenth of the flags are A/B tests.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <burgee/snapshot_view.hpp>

#include "shm/publisher.hpp"
#include "shm/snapshot_builder.hpp"

namespace burgee::bench {
namespace {

constexpr std::size_t kFlagCount = 100'000;
constexpr std::int64_t kNow = 1'700'000'000'000;

FlagDefinition flag_of(std::size_t number) {
    FlagDefinition flag;
    flag.name = "team" + std::to_string(number % 97) + ".feature_" + std::to_string(number);
    flag.salt = flag.name;
    flag.status = Status::kGradualRollout;
    flag.rollout_percentage = static_cast<double>(number % 100) + 0.5;
    flag.revision = number + 1;
    if (number % 10 == 0) {
        flag.status = Status::kAbTest;
        for (const char* name : {"control", "treatment"}) {
            flag.variants.push_back({.name = name,
                                     .weight = 50,
                                     .config_json = R"({"model": "gpt-4", "limit": 20})",
                                     .config = {{"model", "gpt-4"}, {"limit", std::int64_t{20}}}});
        }
    }
    return flag;
}

FlagChanges full_set() {
    FlagChanges changes;
    changes.is_full = true;
    changes.revision = kFlagCount;
    changes.database_unix_ms = kNow;
    for (std::size_t number = 0; number < kFlagCount; ++number) {
        changes.changed.push_back(flag_of(number));
    }
    return changes;
}

FlagChanges one_change(std::size_t round) {
    FlagChanges changes;
    changes.revision = kFlagCount + round;
    changes.database_unix_ms = kNow;
    FlagDefinition flag = flag_of(round * 7'919 % kFlagCount);
    flag.revision = changes.revision;
    flag.rollout_percentage = static_cast<double>(round % 100);
    changes.changed.push_back(std::move(flag));
    return changes;
}

/// The builder with all flags, made once: a full read is not what these benchmarks measure.
SnapshotBuilder& full_builder() {
    static SnapshotBuilder builder;
    if (builder.flag_count() == 0) {
        builder.apply(full_set());
        (void)builder.take_read_back();
    }
    return builder;
}

/// A directory of our own on shared memory, where a host has its snapshots.
class SharedDirectory {
public:
    SharedDirectory() {
        const bool has_shared_memory = std::filesystem::is_directory("/dev/shm");
        path_ = std::string(has_shared_memory ? "/dev/shm" : "/tmp") + "/burgee-bench-XXXXXX";
        if (::mkdtemp(path_.data()) == nullptr) {
            path_.clear();
        }
    }
    ~SharedDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    SharedDirectory(const SharedDirectory&) = delete;
    SharedDirectory& operator=(const SharedDirectory&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

void SnapshotCompileOneChange(benchmark::State& state) {
    SnapshotBuilder& builder = full_builder();
    std::size_t round = 0;
    for (auto _ : state) {
        state.PauseTiming();
        const FlagChanges changes = one_change(++round);
        state.ResumeTiming();
        builder.apply(changes);
    }
    (void)builder.take_read_back();
}
BENCHMARK(SnapshotCompileOneChange)->Unit(benchmark::kMicrosecond)->UseRealTime();

void SnapshotBuild100k(benchmark::State& state) {
    SnapshotBuilder& builder = full_builder();
    std::uint64_t generation = 0;
    for (auto _ : state) {
        const std::vector<std::byte> image = builder.build({++generation, kNow});
        benchmark::DoNotOptimize(image.data());
        state.counters["bytes"] = static_cast<double>(image.size());
    }
}
BENCHMARK(SnapshotBuild100k)->Unit(benchmark::kMillisecond)->UseRealTime();

/// The whole way of one change: compile, build, write, read back, link, announce.
void SnapshotPublish100kAfterOneChange(benchmark::State& state) {
    SnapshotBuilder& builder = full_builder();
    const SharedDirectory directory;
    auto publisher =
        Publisher::open(directory.path(), {.retire_after = std::chrono::milliseconds(0)});
    if (!publisher) {
        state.SkipWithError(publisher.error().message.c_str());
        return;
    }
    std::size_t round = 0;
    for (auto _ : state) {
        builder.apply(one_change(++round));
        const auto image = builder.build({publisher->next_generation(), kNow});
        const auto published = publisher->publish(image, builder.take_read_back());
        if (!published) {
            state.SkipWithError(published.error().message.c_str());
            return;
        }
    }
}
BENCHMARK(SnapshotPublish100kAfterOneChange)->Unit(benchmark::kMillisecond)->UseRealTime();

void SnapshotAttach100k(benchmark::State& state) {
    const std::vector<std::byte> image = full_builder().build({1, kNow});
    for (auto _ : state) {
        SnapshotView view;
        const ViewError error = SnapshotView::open(image.data(), image.size(), view);
        benchmark::DoNotOptimize(view);
        if (error != ViewError::kNone) {
            state.SkipWithError(describe(error));
            return;
        }
    }
}
BENCHMARK(SnapshotAttach100k)->Unit(benchmark::kMicrosecond)->UseRealTime();

void SnapshotCheckBodies100k(benchmark::State& state) {
    const std::vector<std::byte> image = full_builder().build({1, kNow});
    SnapshotView view;
    (void)SnapshotView::open(image.data(), image.size(), view);
    for (auto _ : state) {
        if (const ViewError error = view.check_bodies(); error != ViewError::kNone) {
            state.SkipWithError(describe(error));
            return;
        }
    }
}
BENCHMARK(SnapshotCheckBodies100k)->Unit(benchmark::kMillisecond)->UseRealTime();

/// find() over all names in random order, cached as far as a snapshot of this size can be.
void SnapshotFind(benchmark::State& state) {
    const std::vector<std::byte> image = full_builder().build({1, kNow});
    SnapshotView view;
    (void)SnapshotView::open(image.data(), image.size(), view);
    std::vector<std::uint64_t> hashes;
    for (std::size_t number = 0; number < static_cast<std::size_t>(state.range(0)); ++number) {
        hashes.push_back(view.flag(number * 48'271 % kFlagCount)->name_hash);
    }
    std::size_t next = 0;
    for (auto _ : state) {
        const FlagRecord* flag = view.find(hashes[next]);
        benchmark::DoNotOptimize(flag);
        next = next + 1 < hashes.size() ? next + 1 : 0;
    }
}
BENCHMARK(SnapshotFind)->Arg(64)->Arg(100'000)->Unit(benchmark::kNanosecond)->UseRealTime();

void SnapshotCompile100k(benchmark::State& state) {
    const FlagChanges changes = full_set();
    for (auto _ : state) {
        SnapshotBuilder builder;
        builder.apply(changes);
        benchmark::DoNotOptimize(builder.flag_count());
    }
}
BENCHMARK(SnapshotCompile100k)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace burgee::bench
