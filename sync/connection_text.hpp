#pragma once

// Completes what a user wrote as a connection string with the limits that keep a lost link from
// hanging for half an hour. Relied on by the session and the listener; both forms of libpq are
// read.

#include <string>

#include "sync/pg_session.hpp"

namespace burgee::sync {

struct ConnectionText {
    std::string keywords;  ///< for PQconnectdb and pqxx::connection
    std::string secret;    ///< the password in it or in PGPASSWORD; empty when there is none
};

/// @error  kInvalid  the dsn is not one; its text is not repeated, because a password may be in it
SyncResult<ConnectionText> connection_text(const PgOptions& options);

/// `message` on one line, without `secret`.
std::string redacted(std::string message, const std::string& secret);

/// What a failed attempt to connect means: libpq gives text only, no SQLSTATE.
SyncError classify_connect_failure(const std::string& message);

}  // namespace burgee::sync
