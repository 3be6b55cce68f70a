#pragma once

// What a producer process tells the test that will see it die: a page of a shared file, so that the
// last store before a SIGKILL is still there after it.

#include <atomic>
#include <cstdint>

namespace burgee::test {

struct ProducerPage {
    std::atomic<std::uint64_t> offered;
    std::atomic<std::uint64_t> acknowledged;
    std::atomic<std::uint64_t> refused;
};

}  // namespace burgee::test
