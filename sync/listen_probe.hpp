#pragma once

// Tries whether a notification arrives: a transaction pooler accepts LISTEN and never delivers.
// Uses a channel of its own, so no host is woken. Relied on by `burgee doctor`.

#include <chrono>

#include "sync/pg_session.hpp"

namespace burgee::sync {

/// Sends one notification from a second connection to a first.
/// @return  how long it took to arrive
/// @error   kUnreachable, kRefused, kConfiguration  as for any connection
///          kBusy  nothing arrived within `time_limit`
SyncResult<std::chrono::microseconds> probe_listen(const PgOptions& options,
                                                   std::chrono::milliseconds time_limit);

}  // namespace burgee::sync
