#pragma once

// What every store of segments and layers does around its statements.

#include <cstdint>
#include <string>

#include "sync/pg_session.hpp"

namespace burgee::sync {

/// Says why, for the history; "" is stored as NULL.
void note_reason(PgTransaction& open, const std::string& why);

/// The revision hosts must reach to have what this transaction did.
struct WrittenRevision {
    std::uint64_t revision = 0;
    bool is_changed = true;  ///< false: everything was like that already
};

/// Runs the deferred triggers now, so that the revision is known before the commit.
WrittenRevision take_revision(PgTransaction& open);

}  // namespace burgee::sync
