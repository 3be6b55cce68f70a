#include "sync/libpq_result.hpp"

#include <pqxx/except>

namespace burgee::sync {

void expect_status(const LibpqResult& result, ExecStatusType wanted) {
    if (PQresultStatus(result.get()) == wanted) {
        return;
    }
    const std::string message = PQresultErrorMessage(result.get());
    const char* sqlstate = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
    if (sqlstate == nullptr) {
        throw pqxx::broken_connection(message);
    }
    throw pqxx::sql_error(message, "", sqlstate);
}

void throw_broken(const PGconn* connection) {
    throw pqxx::broken_connection(PQerrorMessage(connection));
}

void expect_answers(PGconn* connection, ExecStatusType wanted) {
    const LibpqResult first(PQgetResult(connection), PQclear);
    if (!first) {
        throw_broken(connection);
    }
    discard_answers(connection);
    expect_status(first, wanted);
}

void discard_answers(PGconn* connection) noexcept {
    while (const LibpqResult answer{PQgetResult(connection), PQclear}) {
    }
}

}  // namespace burgee::sync
