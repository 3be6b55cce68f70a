#pragma once

// What makes no flag wrong and is hardly meant: rules that never match, names that stand twice,
// variants that nobody gets. Said by `flag lint` alone; hosts do not care.

#include <cstdint>
#include <vector>

#include "shm/flag_set.hpp"

namespace burgee::cli {

/// Warnings about one flag. What sync's check warns about is not repeated.
/// @param now_unix_ms  by the clock that decides expiry: the database's
std::vector<FlagProblem> flag_advice(const FlagDefinition& flag, std::int64_t now_unix_ms);

}  // namespace burgee::cli
