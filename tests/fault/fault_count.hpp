#pragma once

// How much a fault suite does, and with which seed: numbers from the environment, so that one build
// serves a quick look and a night. docs/faults.md lists the variables.

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

namespace burgee::test {

/// The number in environment variable `name`, or `fallback`.
inline std::uint64_t count_from_environment(const char* name, std::uint64_t fallback) {
    const char* text = std::getenv(name);
    return text == nullptr || *text == '\0' ? fallback : std::stoull(text);
}

/// A seed for this run, printed so that a failure can be repeated with BURGEE_FAULT_SEED.
inline std::uint64_t seed_of_run() {
    const std::uint64_t seed = count_from_environment("BURGEE_FAULT_SEED", std::random_device{}());
    std::cout << "seed " << seed << " (repeat with BURGEE_FAULT_SEED=" << seed << ")\n";
    return seed;
}

}  // namespace burgee::test
