#pragma once

// Moves a flag from the buckets of the former system (legacy_md5) to ours (xxh3). Units change
// sides, so every experiment under way on the flag begins a new phase in the same transaction.
// Relied on by `burgee flag rebucket`.

#include <cstdint>
#include <string>
#include <vector>

#include "sync/flag_split.hpp"
#include "sync/pg_session.hpp"

namespace burgee::sync {

struct RebucketedExperiment {
    std::string id;  ///< uuid
    std::string name;
    std::uint32_t phase = 0;  ///< the new one
};

/// What rebucketing does, or has done.
struct Rebucketing {
    FlagDefinition flag_before;
    FlagDefinition flag_after;
    std::int64_t database_unix_ms = 0;
    FlagSplit before;
    FlagSplit after;
    /// Of the units that reach the split, see share_that_changes(): lists, targeting, layers and
    /// expiry are not asked.
    double changed_share = 0;
    std::string segments_before;  ///< JSON text
    std::string segments_after;
    std::vector<std::string> dropped_keys;  ///< of segments: had no effect, and would get one
    std::vector<RebucketedExperiment> experiments;  ///< active and paused ones
    std::uint64_t revision = 0;                     ///< that hosts must reach; 0 for a dry run
};

enum class RebucketMode : std::uint8_t { kApply, kDryRun };

/// Writes "bucketing": "xxh3" into the flag's segments, and its salt: the flag's name unless the
/// row chose one of its own, so that a later renaming moves nobody. A `type` that the former system
/// silently treated as hash_based becomes that. Keys that only the missing "bucketing" kept without
/// effect are dropped; the history still has them.
/// @error kNotFound  no such flag
///        kInvalid   it has these buckets already, or could not be published with them (weights
///        that
///                   do not sum to 100, ...); nothing was written
SyncResult<Rebucketing> rebucket(PgSession& session, const std::string& name,
                                 const std::string& why, RebucketMode mode);

}  // namespace burgee::sync
