#pragma once

// Which problems of rows still stand after a poll, and which of them are news. Used by the flag
// loop.

#include <cstddef>
#include <vector>

#include "shm/flag_set.hpp"
#include "shm/snapshot_builder.hpp"

namespace burgee::daemon {

/// Kept for people; more are only counted, for the files are written every second. Chosen by feel.
inline constexpr std::size_t kKeptProblemsMax = 10'000;
/// Logged after one poll, a line each; all that are kept are in problems.txt.
inline constexpr std::size_t kLoggedProblemsMax = 20;

/// Replaces what `problems` says of the flags and segments that `changes` has read again, of the
/// experiments if it has read those, or all of it after a full read; the others stand until their
/// rows change. None is there twice.
void replace_row_problems(std::vector<FlagProblem>& problems, const FlagChanges& changes);

/// Logs those of `problems` that are not among `before`. Cost: n log n.
/// @param builder  says whether a refused flag is published in a form it had before.
void log_new_problems(const std::vector<FlagProblem>& problems,
                      const std::vector<FlagProblem>& before, const SnapshotBuilder& builder);

}  // namespace burgee::daemon
