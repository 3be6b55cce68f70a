#pragma once

// A change that is made in earnest, with its checks, locks and triggers, and then undone inside its
// own transaction: a dry run refuses exactly what the real one would refuse.

#include <cstdint>

#include "sync/pg_session.hpp"

namespace burgee::sync {

enum class WriteMode : std::uint8_t {
    kCommit,
    kDryRun,  ///< nothing remains; other writers wait for it as for any change
};

/// Call before the first statement that writes.
inline void begin_write(PgTransaction& open, WriteMode mode) {
    if (mode == WriteMode::kDryRun) {
        open.script("SAVEPOINT before_write");
    }
}

/// Call behind the last statement; a dry run's changes and locks are gone from here on.
inline void end_write(PgTransaction& open, WriteMode mode) {
    if (mode == WriteMode::kDryRun) {
        open.script("ROLLBACK TO SAVEPOINT before_write");
    }
}

}  // namespace burgee::sync
