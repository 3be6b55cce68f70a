#pragma once

// The commands' way to PostgreSQL: one session a command, and sync's errors as exit codes.

#include <boost/system/result.hpp>
#include <utility>

#include "cli/exit_code.hpp"
#include "cli/terminal.hpp"
#include "sync/pg_session.hpp"

namespace burgee::cli {

/// A session with the database of --dsn; connects at the first use.
sync::PgOptions database_options(const Terminal& terminal);

/// The failure that tells people about `error`: not found is 3, no database is 4, the rest is 1.
Failure failure_of(const sync::SyncError& error);

/// The value of a result, or its error thrown as a Failure.
template <class Value>
Value take(sync::SyncResult<Value> result) {
    if (result.has_error()) {
        throw failure_of(result.error());
    }
    if constexpr (!std::is_void_v<Value>) {
        return *std::move(result);
    }
}

}  // namespace burgee::cli
