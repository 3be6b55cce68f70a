#pragma once

// A note on disk that this spool is about to take another id. It is written before PostgreSQL
// learns of the new id, so that a crash at any moment of the change finds the same id and the same
// first event again. Relied on by Spool; docs/spool_format.md describes the file.

#include <optional>

#include "daemon/spool/spool.hpp"

namespace burgee::daemon {

/// Writes the note in place of an older one. @return 0 once it is durable, else an errno value;
/// then the older one, if any, still stands.
int write_id_change(SpoolDisk& disk, const SpoolIdChange& change);

/// The note, if there is one and it checks. @return 0, or an errno value: whether there is one is
/// not known.
int read_id_change(SpoolDisk& disk, std::optional<SpoolIdChange>* change);

/// Takes the note away. Not made durable: one that comes back names the id the spool has by then.
void remove_id_change(SpoolDisk& disk);

}  // namespace burgee::daemon
