#pragma once

// All flags, segments and experiments as hosts would read them, inside a transaction of the caller:
// what a change that is not committed yet would publish. Relied on by `burgee flag plan` and
// `burgee flag apply`; the daemon follows changes with flag_reader.hpp.

#include "shm/flag_set.hpp"
#include "sync/pg_session.hpp"

namespace burgee::sync {

/// The whole set, `is_full`. Rows that hosts would refuse are in `refused` and `problems`. Throws
/// as PgTransaction does. Cost: linear in the rows.
FlagChanges read_flag_set(PgTransaction& open);

}  // namespace burgee::sync
