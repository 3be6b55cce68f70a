#pragma once

// What only the whole set can tell: whether hosts could publish flags and segments that are good
// each by itself.

#include <vector>

#include "shm/flag_set.hpp"

namespace burgee::cli {

/// Builds the set as burgeed would and says what it would refuse or warn about: segments and flags
/// that are not there, circles, sizes. Cost: that of a full build, some milliseconds for 10 000
/// flags.
std::vector<FlagProblem> publishing_faults(const FlagChanges& set);

}  // namespace burgee::cli
