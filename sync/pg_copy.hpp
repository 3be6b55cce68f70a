#pragma once

// COPY ... FROM STDIN inside an open transaction: rows that the caller has brought into COPY's form
// go to the server in pieces. Relied on by the metric writer. Over libpq, because libpqxx 6.4 knows
// the text form alone, which the server takes half as fast as the binary one, and loses the
// SQLSTATE of what goes wrong at the start.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "sync/pg_session.hpp"

namespace burgee::sync {

enum class CopyForm : std::uint8_t {
    kText,    ///< lines with tabs between fields
    kBinary,  ///< rows without the header and the end of the stream, which PgCopy sends
};

/// Not safe for several threads; nothing else may use the transaction until complete(). Every
/// member throws what libpqxx would: pqxx::sql_error with its SQLSTATE, or pqxx::broken_connection.
class PgCopy {
public:
    PgCopy(PgTransaction& open, std::string_view table, std::span<const std::string_view> columns,
           CopyForm form);
    /// Without complete() the server is told to forget the rows; the transaction has failed then.
    ~PgCopy();
    PgCopy(const PgCopy&) = delete;
    PgCopy& operator=(const PgCopy&) = delete;

    /// Where the caller appends whole rows before each call of send_some().
    std::string& rows() { return rows_; }

    /// Sends what has gathered once it is worth a call. Waits while the server is behind.
    void send_some();

    /// Sends the rest and waits for the server to have taken all of it.
    void complete();

private:
    void send();

    pg_conn* connection_;
    const CopyForm form_;
    bool is_open_ = false;  // the server waits for more rows
    std::string rows_;
};

}  // namespace burgee::sync
