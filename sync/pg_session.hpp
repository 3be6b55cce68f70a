#pragma once

// One connection to PostgreSQL, and the only way in which `sync` runs SQL: a body inside a
// transaction. Relied on by the flag reader, the stores and the metric writer.
//
// Invariants:
//   1. Nothing depends on session state: limits are SET LOCAL, names are qualified, search_path is
//      empty. So a transaction pooler between us and the server changes nothing.
//   2. A connection that broke is destroyed, never used again; the next transaction builds a new
//   one.
//   3. SQL text is a constant of the program; values travel as parameters or as COPY fields.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sync/sync_error.hpp"

namespace pqxx {
class result;
class transaction_base;
}  // namespace pqxx
struct pg_conn;  // libpq's PGconn

namespace burgee::sync {

class AnswerGuard;

/// How to connect, and the limits of one transaction.
struct PgOptions {
    std::string dsn;  ///< libpq keywords or URI; what it leaves out comes from the PG* environment
    std::string application_name = "burgee";  ///< unless the dsn names one
    std::chrono::milliseconds connect_timeout{
        5000};  ///< per address, whole seconds; unless in the dsn
    std::chrono::milliseconds statement_timeout{30'000};
    std::chrono::milliseconds lock_timeout{5000};
    std::chrono::milliseconds idle_timeout{30'000};  ///< of an open transaction that does nothing
    /// How long one answer is waited for, whatever stands between us and the server; longer than
    /// statement_timeout. 0: as long as the connection stands. What goes through native() or
    /// libpq() is not timed.
    std::chrono::milliseconds answer_timeout{0};
};

using PgValue = std::optional<std::string>;  ///< nothing stands for NULL
using PgValues = std::vector<PgValue>;

/// The rows a query gave. Views are valid while this object lives. Copying is cheap.
/// Precondition of every reading member, asserted: the indexes exist. A field that is NULL, except
/// for is_null() and value(), or no number where one is asked for, throws std::domain_error, which
/// ends the transaction with kConfiguration: somebody changed our tables by hand.
class PgRows {
public:
    explicit PgRows(std::shared_ptr<const pqxx::result> rows);

    std::size_t size() const;
    bool empty() const { return size() == 0; }
    std::uint64_t affected() const;  ///< rows an INSERT, UPDATE or DELETE touched

    bool is_null(std::size_t row, std::size_t column) const;
    std::string_view text(std::size_t row, std::size_t column) const;
    PgValue value(std::size_t row, std::size_t column) const;
    std::int64_t integer(std::size_t row, std::size_t column) const;  ///< of an integer column
    double number(std::size_t row, std::size_t column) const;  ///< of a double precision column
    bool boolean(std::size_t row, std::size_t column) const;   ///< of a boolean column

private:
    std::shared_ptr<const pqxx::result> rows_;
};

/// An open transaction; lives only inside the body given to PgSession::transaction(). Members throw
/// SyncFailure or an exception of libpqxx; the session turns both into a SyncError.
class PgTransaction {
public:
    PgTransaction(pqxx::transaction_base& native, pg_conn* libpq, AnswerGuard* guard)
        : native_(native), libpq_(libpq), guard_(guard) {}
    PgTransaction(const PgTransaction&) = delete;
    PgTransaction& operator=(const PgTransaction&) = delete;

    /// Runs one statement with $1, $2, ... A value with a zero byte fails with kRejected, because
    /// PostgreSQL's text cannot hold one.
    PgRows query(const char* sql, const PgValues& values = {});

    /// Runs a text of several statements without parameters: migrations.
    void script(std::string_view sql);

    /// The transaction of libpqxx, and the connection under it, for what the above cannot do.
    pqxx::transaction_base& native() { return native_; }
    pg_conn* libpq() { return libpq_; }

private:
    pqxx::transaction_base& native_;
    pg_conn* libpq_;
    AnswerGuard* guard_;  // null: nobody watches
};

enum class PgAccess : std::uint8_t {
    kReadOnly,   ///< REPEATABLE READ READ ONLY: all queries see one state of the database
    kReadWrite,  ///< READ COMMITTED
};

class PgSession {
public:
    /// Only remembers; the first transaction connects.
    explicit PgSession(PgOptions options);
    ~PgSession();
    PgSession(const PgSession&) = delete;
    PgSession& operator=(const PgSession&) = delete;

    /// Runs `body(PgTransaction&)` and commits. Connects first when there is no connection.
    ///
    /// @return  what `body` returned; a default-constructible result for a body that returns
    /// nothing
    /// @error   any SyncErrorKind; the transaction is rolled back, but for kInDoubt, where only the
    ///          database knows
    /// Thread safety: one thread at a time. Cost: two round trips to read and
    /// four to write, plus the body's.
    template <class Body>
    auto transaction(PgAccess access, Body&& body)
        -> SyncResult<std::invoke_result_t<Body&, PgTransaction&>> {
        using Value = std::invoke_result_t<Body&, PgTransaction&>;
        if constexpr (std::is_void_v<Value>) {
            if (std::optional<SyncError> error = run(access, std::ref(body))) {
                return *std::move(error);
            }
            return {};
        } else {
            std::optional<Value> value;
            if (std::optional<SyncError> error =
                    run(access, [&](PgTransaction& open) { value.emplace(body(open)); })) {
                return *std::move(error);
            }
            return *std::move(value);
        }
    }

    bool is_connected() const;

    /// Drops the connection; the next transaction connects anew.
    void disconnect();

    /// Breaks the connection under a transaction that hangs, so that it returns with kUnreachable
    /// or kInDoubt. Thread safety: any thread, any time.
    void interrupt();

    const PgOptions& options() const { return options_; }

private:
    struct Link;  // the libpqxx connection
    std::optional<SyncError> run(PgAccess access, const std::function<void(PgTransaction&)>& body);
    void run_on_link(PgAccess access, const std::function<void(PgTransaction&)>& body);
    SyncError explain(const char* what, const std::string& sqlstate) const;

    PgOptions options_;
    std::string secret_;  // the password, kept only to strike it out of messages
    std::unique_ptr<Link> link_;
    std::unique_ptr<AnswerGuard> guard_;  // after link_, which its thread uses
};

}  // namespace burgee::sync
