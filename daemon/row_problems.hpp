#pragma once

// Which problems of rows still stand after a poll. Used by the flag loop.

#include <vector>

#include "shm/flag_set.hpp"

namespace burgee::daemon {

/// Replaces what `problems` says of the flags and segments that `changes` has read again, or all of
/// it after a full read; the others stand until their rows change.
void replace_row_problems(std::vector<FlagProblem>& problems, const FlagChanges& changes);

}  // namespace burgee::daemon
