// What a service pays for having a client at all: private memory beside the pages that all
// processes share, and the time a compiler takes for a file that includes it.

#include <benchmark/benchmark.h>
#include <burgee/client.hpp>

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

#include "shm/publisher.hpp"
#include "shm/snapshot_builder.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::bench {
namespace {

constexpr long kFlagCount = 100'000;

std::string name_of(long number) {
    return "team" + std::to_string(number % 97) + ".feature_" + std::to_string(number);
}

/// Publishes kFlagCount enabled flags; the publisher may go, the files stay.
void publish_into(const std::string& directory) {
    FlagChanges changes;
    changes.is_full = true;
    changes.revision = 1;
    for (long number = 0; number < kFlagCount; ++number) {
        FlagDefinition flag;
        flag.name = name_of(number);
        flag.salt = flag.name;
        flag.status = Status::kEnabled;
        changes.changed.push_back(std::move(flag));
    }
    SnapshotBuilder builder;
    builder.apply(changes);
    auto publisher = Publisher::open(directory);
    if (!publisher || !publisher->publish(builder.build({1, 1}), builder.take_read_back())) {
        throw std::runtime_error("cannot publish in " + directory);
    }
}

/// Another process asks first, so that the snapshot's pages are shared as they are on a host.
void memory_of_a_process(benchmark::State& state) {
    const test::TemporaryDirectory directory("burgee-bench");
    publish_into(directory.path());
    const Client other(ClientOptions{directory.path()});
    for (long number = 0; number < kFlagCount; ++number) {
        benchmark::DoNotOptimize(other.is_enabled(name_of(number), Context{}));
    }
    for (auto _ : state) {
        const test::ChildOutcome probe =
            test::run_child({BURGEE_MEMORY_PROBE, directory.path(), std::to_string(kFlagCount)});
        if (probe.exit.code != 0) {
            state.SkipWithError("the probe was not answered as the flags say");
            return;
        }
        std::istringstream numbers(probe.output);
        double private_kib = 0;
        double page_table_kib = 0;
        numbers >> private_kib >> page_table_kib;
        state.counters["private_kib"] = private_kib;
        state.counters["page_table_kib"] = page_table_kib;
    }
}
BENCHMARK(memory_of_a_process)->Iterations(1)->Unit(benchmark::kMillisecond);

/// Processor seconds that the compiler takes for a file with this text.
double compile_seconds(const test::TemporaryDirectory& directory, const std::string& text) {
    const std::string source = directory.file("service.cpp");
    std::ofstream(source) << text;
    const std::string root = BURGEE_SOURCE_DIR;
    const test::ChildOutcome compiler = test::run_child(
        {BURGEE_COMPILER, "-std=c++17", "-O2", "-I" + root + "/shm/include",
         "-I" + root + "/clientlib/include", "-c", source, "-o", directory.file("service.o")});
    if (compiler.exit.code != 0) {
        throw std::runtime_error(compiler.error);
    }
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(compiler.exit.usage.ru_utime) + seconds(compiler.exit.usage.ru_stime);
}

void header_cost(benchmark::State& state) {
    const test::TemporaryDirectory directory("burgee-bench");
    for (auto _ : state) {
        state.counters["empty_s"] = compile_seconds(directory, "int main() {}\n");
        const double seconds =
            compile_seconds(directory, "#include <burgee/client.hpp>\nint main() {}\n");
        state.SetIterationTime(seconds);
    }
}
BENCHMARK(header_cost)->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace burgee::bench
