#pragma once

// Answers of libpq, for the few calls that `sync` makes past libpqxx. Throws what libpqxx would:
// pqxx::sql_error with its SQLSTATE, or pqxx::broken_connection when the server said nothing.

#include <libpq-fe.h>

#include <memory>

namespace burgee::sync {

using LibpqResult = std::unique_ptr<PGresult, decltype(&PQclear)>;

/// Throws what went wrong unless `result` has the status `wanted`.
void expect_status(const LibpqResult& result, ExecStatusType wanted);

/// Throws pqxx::broken_connection in the connection's own words.
[[noreturn]] void throw_broken(const PGconn* connection);

/// Reads every answer to what was sent, and throws the first that has not the status `wanted`.
void expect_answers(PGconn* connection, ExecStatusType wanted);

/// Reads every answer and forgets it.
void discard_answers(PGconn* connection) noexcept;

}  // namespace burgee::sync
