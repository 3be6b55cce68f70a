#include "sync/pg_session.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <new>
#include <pqxx/pqxx>

#include "sync/answer_guard.hpp"
#include "sync/connection_text.hpp"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BURGEE_LEAKS_ARE_CHECKED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define BURGEE_LEAKS_ARE_CHECKED 1
#endif
#ifdef BURGEE_LEAKS_ARE_CHECKED
/// libpqxx 6.4 drops one result of libpq, about 2 KiB, whenever a connection breaks under a
/// statement: it throws before it owns the result. Read by the leak checker, in such builds only.
extern "C" const char* __lsan_default_suppressions();  // NOLINT: the checker's name
extern "C" const char* __lsan_default_suppressions() {
    return "leak:PQmakeEmptyPGresult";
}
#endif

namespace burgee::sync {
namespace {

using WriteTransaction = pqxx::transaction<pqxx::read_committed, pqxx::read_write>;

/// libpqxx's connection, which keeps libpq's to itself, made by a policy that remembers it.
class Connection : public pqxx::connection_base {
public:
    explicit Connection(const std::string& keywords) : connection_base(policy_), policy_(keywords) {
        init();
    }
    ~Connection() { close(); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    pg_conn* libpq() const { return policy_.connected; }

private:
    struct Policy : pqxx::connect_direct {
        using connect_direct::connect_direct;
        handle do_startconnect(handle previous) override {
            return connected = connect_direct::do_startconnect(previous);
        }

        handle connected = nullptr;
    };

    Policy policy_;
};

/// Begins and sets its limits in one round trip, which libpqxx's own transactions do not: a kill
/// switch waits for every one of them. Nothing is in doubt when the COMMIT of a reader fails.
class ReadTransaction : public pqxx::dbtransaction {
public:
    ReadTransaction(pqxx::connection_base& connection, const std::string& limits)
        : namedclass("transaction"),
          dbtransaction(connection, pqxx::isolation_traits<pqxx::repeatable_read>::name(),
                        pqxx::read_only),
          begin_("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; " + limits) {
        Begin();
    }
    ~ReadTransaction() override { End(); }
    ReadTransaction(const ReadTransaction&) = delete;
    ReadTransaction& operator=(const ReadTransaction&) = delete;

private:
    void do_begin() override { direct_exec(begin_.c_str()); }
    void do_commit() override { direct_exec("COMMIT"); }

    const std::string begin_;
};

/// A COPY whose client is gone waits for it past every other limit, with its locks.
constexpr const char* kNoticeLostWriter =
    "; SET LOCAL tcp_keepalives_idle = 10; SET LOCAL tcp_keepalives_interval = 3"
    "; SET LOCAL tcp_keepalives_count = 3; SET LOCAL tcp_user_timeout = 15000";

/// Limits of one transaction, and a search path in which nobody can place a function before ours.
std::string limits_text(const PgOptions& options) {
    const auto milliseconds = [](std::chrono::milliseconds limit) {
        return std::to_string(limit.count());
    };
    return "SET LOCAL search_path = ''; SET LOCAL statement_timeout = " +
           milliseconds(options.statement_timeout) +
           "; SET LOCAL lock_timeout = " + milliseconds(options.lock_timeout) +
           "; SET LOCAL idle_in_transaction_session_timeout = " +
           milliseconds(options.idle_timeout) +
           "; SET LOCAL client_connection_check_interval = 5000";
}

/// Empty when the server did not say one. libpqxx 6.4 has classes of their own for some states and
/// drops the state itself, so that lost rights would look like a lost connection.
std::string sqlstate_of(const pqxx::failure& failure) {
    if (const auto* sql = dynamic_cast<const pqxx::sql_error*>(&failure);
        sql != nullptr && !sql->sqlstate().empty()) {
        return sql->sqlstate();
    }
    if (dynamic_cast<const pqxx::insufficient_privilege*>(&failure) != nullptr) {
        return "42501";
    }
    if (dynamic_cast<const pqxx::serialization_failure*>(&failure) != nullptr) {
        return "40001";
    }
    if (dynamic_cast<const pqxx::deadlock_detected*>(&failure) != nullptr) {
        return "40P01";
    }
    return dynamic_cast<const pqxx::too_many_connections*>(&failure) != nullptr ? "53300" : "";
}

template <class Transaction, class Link>
void run_in(Transaction& native, Link& link, AnswerGuard& guard,
            std::optional<AnswerGuard::Question>& question,
            const std::function<void(PgTransaction&)>& body) {
    question.reset();  // begun
    PgTransaction open(native, link.connection->libpq(), &guard);
    body(open);
    link.is_committing = true;
    question.emplace(&guard);
    native.commit();
}

}  // namespace

/// `socket` is a duplicate: interrupt() may use it while another thread is inside libpq, and its
/// number cannot be given to another file while we hold it.
struct PgSession::Link {
    std::mutex mutex;  // guards socket
    int socket = -1;
    std::unique_ptr<Connection> connection;
    bool is_committing = false;  ///< or has
    std::unique_ptr<pqxx::quiet_errorhandler>
        quiet;  // messages reach callers as errors, not stderr

    void connect(const std::string& keywords) {
        connection = std::make_unique<Connection>(keywords);
        quiet = std::make_unique<pqxx::quiet_errorhandler>(*connection);
        const std::lock_guard lock(mutex);
        socket = ::dup(connection->sock());
    }

    void disconnect() {
        {
            const std::lock_guard lock(mutex);
            if (socket >= 0) {
                ::close(socket);
                socket = -1;
            }
        }
        quiet.reset();
        connection.reset();
    }
};

PgRows PgTransaction::query(const char* sql, const PgValues& values) {
    for (const PgValue& value : values) {
        if (value && value->find('\0') != std::string::npos) {
            throw SyncFailure({SyncErrorKind::kRejected, "22021",
                               "a text holds a zero byte, which PostgreSQL cannot store"});
        }
    }
    const AnswerGuard::Question question(guard_);
    return PgRows(std::make_shared<const pqxx::result>(
        native_.exec_params(sql, pqxx::prepare::make_dynamic_params(values))));
}

void PgTransaction::script(std::string_view sql) {
    const AnswerGuard::Question question(guard_);
    native_.exec(std::string(sql));
}

PgSession::PgSession(PgOptions options)
    : options_(std::move(options)),
      link_(std::make_unique<Link>()),
      guard_(std::make_unique<AnswerGuard>(options_.answer_timeout, [this] { interrupt(); })) {}

PgSession::~PgSession() {
    disconnect();
}

bool PgSession::is_connected() const {
    return link_->connection && link_->connection->is_open();
}

void PgSession::disconnect() {
    link_->disconnect();
}

void PgSession::interrupt() {
    const std::lock_guard lock(link_->mutex);
    if (link_->socket >= 0) {
        ::shutdown(link_->socket, SHUT_RDWR);  // whoever waits in libpq reads the end of the stream
    }
}

SyncError PgSession::explain(const char* what, const std::string& sqlstate) const {
    SyncError error = classify(sqlstate, redacted(what, secret_));
    if (error.kind == SyncErrorKind::kUnreachable) {
        error.message = "the connection to PostgreSQL broke: " + error.message;
    }
    return error;
}

std::optional<SyncError> PgSession::run(PgAccess access,
                                        const std::function<void(PgTransaction&)>& body) {
    if (!is_connected()) {
        disconnect();
        const SyncResult<ConnectionText> text = connection_text(options_);
        if (!text) {
            return text.error();
        }
        secret_ = text->secret;
        try {
            link_->connect(text->keywords);
        } catch (const pqxx::failure& failure) {
            disconnect();
            return classify_connect_failure(redacted(failure.what(), secret_));
        }
    }
    std::optional<SyncError> error;
    try {
        run_on_link(access, body);
    } catch (const SyncFailure& failure) {
        error = failure.error;
    } catch (const pqxx::in_doubt_error& failure) {
        error = SyncError{
            SyncErrorKind::kInDoubt, "08007",
            "the connection broke while committing: " + redacted(failure.what(), secret_)};
    } catch (const pqxx::failure& failure) {
        error = explain(failure.what(), sqlstate_of(failure));
    } catch (const pqxx::internal_error& failure) {
        error = explain(failure.what(), "");
    } catch (const std::bad_alloc&) {
        // Who waits, and tries less at a time, may find room.
        disconnect();
        const auto kind = link_->is_committing ? SyncErrorKind::kInDoubt : SyncErrorKind::kBusy;
        error = SyncError{kind, "", "out of memory"};
    } catch (const std::exception& failure) {
        // A row that is missing or a value of another type: somebody changed our tables by hand.
        disconnect();
        error = SyncError{SyncErrorKind::kConfiguration, "",
                          std::string("the database holds what it must not: ") + failure.what()};
    }
    // libpqxx takes a COMMIT for refused when the connection is still there after its error. But where
    // the error is not the server's own word on the transaction, it is a pooler's, whose server may
    // have died after it committed, or libpq's, which had no room for the answer.
    if (error && access == PgAccess::kReadWrite && link_->is_committing &&
        (error->kind == SyncErrorKind::kUnreachable || error->sqlstate.starts_with("58"))) {
        error->kind = SyncErrorKind::kInDoubt;
    }
    // libpqxx would reopen a broken connection by itself and lose what was set on it (invariant 2).
    // A server that takes no writes any more stays so: connecting anew finds who does.
    if (error &&
        (error->kind == SyncErrorKind::kUnreachable || error->kind == SyncErrorKind::kInDoubt ||
         error->sqlstate == "25006" || !is_connected())) {
        disconnect();
    }
    return error;
}

void PgSession::run_on_link(PgAccess access, const std::function<void(PgTransaction&)>& body) {
    link_->is_committing = false;
    const std::string limits = limits_text(options_);
    std::optional<AnswerGuard::Question> question(std::in_place, guard_.get());
    if (access == PgAccess::kReadOnly) {
        ReadTransaction native(*link_->connection, limits);
        run_in(native, *link_, *guard_, question, body);
    } else {
        WriteTransaction native(*link_->connection);
        native.exec(limits + kNoticeLostWriter);
        run_in(native, *link_, *guard_, question, body);
    }
}

}  // namespace burgee::sync
