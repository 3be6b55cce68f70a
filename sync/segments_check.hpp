#pragma once

// Reads the JSON object `segments` of a flag: who is bucketed, how, and who is let in by hand.

#include <string>

#include "shm/flag_set.hpp"
#include "sync/flag_check.hpp"
#include "sync/flag_problems.hpp"

namespace burgee::sync {

/// Fills strategy, bucketing, salt, bucket_by, include and exclude of `flag`, whose name is set.
/// @param json  jsonb text
void read_segments(const std::string& json, const FlagSettings& settings, FlagDefinition& flag,
                   FlagProblems& problems);

}  // namespace burgee::sync
