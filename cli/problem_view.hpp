#pragma once

// Problems of flags and segments as people and scripts see them: `flag problems` and `flag lint`.

#include "cli/record_view.hpp"
#include "shm/flag_set.hpp"

namespace burgee::cli {

/// How problems are listed: flag, effect, place and what to do.
ListView<FlagProblem> problem_list_view();

}  // namespace burgee::cli
