// What a REGEX constraint costs the thread that asks, and what a pattern costs the daemon. Texts
// take turns, so that no branch learns one of them by heart; a wrong answer fails the benchmark.

#include <burgee/regex_match.hpp>

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "shm/regex_compiler.hpp"

namespace burgee::bench {
namespace {

constexpr std::string_view kMailPattern = R"(^[a-z0-9._]+@example\.(com|org)$)";
constexpr std::size_t kTextCount = 4;

/// Walks `texts` in turn; the first and the third match, the others do not.
void match_in_turn(benchmark::State& state, std::string_view pattern,
                   const std::array<std::string_view, kTextCount>& texts) {
    const auto table = compile_regex(pattern);
    if (!table) {
        state.SkipWithError(table.error().c_str());
        return;
    }
    std::uint64_t matched_count = 0;
    std::size_t turn = 0;
    for (auto _ : state) {
        std::string_view text = texts[turn % kTextCount];
        benchmark::DoNotOptimize(text);
        matched_count += regex_matches(table->data(), table->size(), text) ? 1U : 0U;
        ++turn;
    }
    if (matched_count != (turn + 1) / 2) {
        state.SkipWithError("wrong answers");
    }
}

void regex_anchored_20_bytes(benchmark::State& state) {
    match_in_turn(state, kMailPattern,
                  {"jane.d02@example.com", "jane.d02@example.net", "o_brian9@example.org",
                   "john.k77@example.orgy"});
}
BENCHMARK(regex_anchored_20_bytes);

void regex_search_20_bytes(benchmark::State& state) {
    match_in_turn(state, R"(beta|internal-\d+)",
                  {"tester-internal-4711", "tester-external-4711", "customer of the beta",
                   "customer of the best"});
}
BENCHMARK(regex_search_20_bytes);

void regex_compile_mail_pattern(benchmark::State& state) {
    for (auto _ : state) {
        benchmark::DoNotOptimize(compile_regex(kMailPattern));
    }
}
BENCHMARK(regex_compile_mail_pattern);

}  // namespace
}  // namespace burgee::bench
