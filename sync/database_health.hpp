#pragma once

// Whether the database is what our programs need: server, schema, triggers, rights, speed, clock.
// Reads only. Relied on by `burgee doctor`.

#include <cstdint>
#include <functional>
#include <optional>

#include "sync/finding.hpp"
#include "sync/pg_session.hpp"

namespace burgee::sync {

struct DatabaseHealth {
    Findings findings;
    std::optional<std::uint64_t> revision;  ///< nothing: our schema is not there, or not readable
};

/// Milliseconds since 1970-01-01 UTC by this host's clock.
using HostClock = std::function<double()>;
double host_clock_ms();

/// @error  those of PgSession when the database cannot be asked at all; everything else is a
/// finding Cost: about twenty round trips.
SyncResult<DatabaseHealth> check_database(PgSession& session,
                                          const HostClock& clock = host_clock_ms);

}  // namespace burgee::sync
