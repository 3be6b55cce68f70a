#pragma once

// Looks at what keeps a database in order over the months: rows of other writers that wait to be
// counted, the retention of raw rows, the hosts and how far behind they are. Reads only, works with
// an older schema too. Relied on by the health check, whose report it is part of.

#include "sync/finding.hpp"
#include "sync/pg_session.hpp"

namespace burgee::sync {

/// Nothing for what is not in use: a database without retention gets no line about it. Throws as
/// PgTransaction does. Cost: milliseconds, and a look into each day that retention keeps.
Findings audit_housekeeping(PgTransaction& open);

}  // namespace burgee::sync
