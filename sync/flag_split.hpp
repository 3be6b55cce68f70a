#pragma once

// How a flag divides its units, computed from its numbers alone: which share is off, which share
// gets which variant. Relied on by the audit (arms that get nobody) and by rebucketing (how many
// change sides). Who exactly stands where is the client's evaluation and nobody else's.

#include <string>
#include <vector>

#include "shm/flag_set.hpp"

namespace burgee::sync {

/// Shares of all units, each 0 .. 1, summing to 1. Units in include and exclude are not counted:
/// they are a named few.
struct FlagSplit {
    double off = 1;
    std::vector<double> on;  ///< ab_test: one a variant, in order; every other status: one
};

/// Exact for legacy_md5, which has 10 000 places; to one millionth for xxh3. A disabled flag is off
/// for everybody; expiry is not asked.
FlagSplit split_of(const FlagDefinition& flag);

/// The same when everybody passes the gate: what the weights alone give.
FlagSplit split_without_gate(const FlagDefinition& flag);

/// The share of units whose answer differs between two forms of one flag with the same variants,
/// when their places under both are independent of each other, as under two hash functions they
/// are: the sum over all pairs of different sides.
double share_that_changes(const FlagSplit& before, const FlagSplit& after);

}  // namespace burgee::sync
