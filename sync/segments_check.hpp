#pragma once

// Reads the JSON object `segments` of a flag: who is bucketed, how, who is let in by hand, and,
// with targeting_check, whom the flag is meant for.

#include <string>

#include "shm/flag_set.hpp"
#include "sync/flag_check.hpp"
#include "sync/flag_problems.hpp"

namespace burgee::sync {

/// Fills what `flag`, whose name is set, says of bucketing, units and targeting.
/// @param json  jsonb text
void read_segments(const std::string& json, const FlagSettings& settings, FlagDefinition& flag,
                   FlagProblems& problems);

}  // namespace burgee::sync
