#pragma once

// What the builder asks the publisher to look up in a new snapshot before it is announced.

#include <cstdint>
#include <vector>

namespace burgee {

/// Names (by hash64) that the snapshot must answer, or must not.
struct ReadBack {
    std::vector<std::uint64_t> present;
    std::vector<std::uint64_t> absent;
};

}  // namespace burgee
