#pragma once

// The seed of a random test: another one each run, printed, and taken from BURGEE_TEST_SEED to
// repeat a run that failed.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace burgee::test {

inline std::uint64_t random_seed() {
    const char* given = std::getenv("BURGEE_TEST_SEED");
    const std::uint64_t seed =
        given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    std::printf("BURGEE_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
    return seed;
}

}  // namespace burgee::test
