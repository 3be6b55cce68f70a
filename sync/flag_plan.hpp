#pragma once

// A change of one flag that is not made: what the flag means now, what it would mean, and the whole
// set around it both times. Relied on by `burgee flag plan`; reads only.

#include <string>
#include <vector>

#include "shm/flag_set.hpp"
#include "sync/flag_store.hpp"
#include "sync/pg_session.hpp"

namespace burgee::sync {

struct FlagPlan {
    FlagDefinition before;
    FlagDefinition after;
    std::int64_t database_unix_ms = 0;     ///< decides what has expired
    std::vector<std::string> experiments;  ///< names of those that run on the flag at this moment
    FlagChanges set;                       ///< all flags as they are; `before` is one of them
    std::vector<FlagProblem> warnings;     ///< of `after`
};

/// @error  those of PgSession; kNotFound: no such flag; kInvalid: the change would be refused, or
///         hosts refuse the row as it stands, so that nobody knows from it what they answer
SyncResult<FlagPlan> plan_flag(PgSession& session, const std::string& name, const FlagEdit& edit);

}  // namespace burgee::sync
