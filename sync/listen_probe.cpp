#include "sync/listen_probe.hpp"

#include <libpq-fe.h>
#include <poll.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "sync/connection_text.hpp"

namespace burgee::sync {
namespace {

using Clock = std::chrono::steady_clock;

struct CloseConnection {
    void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct ClearResult {
    void operator()(PGresult* result) const { PQclear(result); }
};
using Connection = std::unique_ptr<PGconn, CloseConnection>;

Connection connect(const ConnectionText& text) {
    Connection connection(PQconnectdb(text.keywords.c_str()));
    if (PQstatus(connection.get()) != CONNECTION_OK) {
        throw SyncFailure(
            classify_connect_failure(redacted(PQerrorMessage(connection.get()), text.secret)));
    }
    return connection;
}

void run(const Connection& connection, const std::string& statement, const std::string& secret) {
    const std::unique_ptr<PGresult, ClearResult> result(
        PQexec(connection.get(), statement.c_str()));
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) {
        throw SyncFailure(SyncErrorKind::kConfiguration,
                          redacted(PQerrorMessage(connection.get()), secret));
    }
}

bool has_arrived(const Connection& connection) {
    PGnotify* notification = PQnotifies(connection.get());
    PQfreemem(notification);
    return notification != nullptr;
}

std::chrono::microseconds probe(const ConnectionText& text, std::chrono::milliseconds time_limit) {
    const Connection listening = connect(text);
    const Connection sending = connect(text);
    const std::string channel = "burgee_probe_" + std::to_string(::getpid());
    run(listening, "LISTEN " + channel, text.secret);
    const Clock::time_point start = Clock::now();
    run(sending, "NOTIFY " + channel, text.secret);
    while (!has_arrived(listening)) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(start + time_limit - Clock::now());
        pollfd watched{PQsocket(listening.get()), POLLIN, 0};
        if (left.count() <= 0 || ::poll(&watched, 1, static_cast<int>(left.count())) <= 0 ||
            PQconsumeInput(listening.get()) == 0) {
            throw SyncFailure(SyncErrorKind::kBusy, "no notification arrived within " +
                                                        std::to_string(time_limit.count()) + " ms");
        }
    }
    return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start);
}

}  // namespace

SyncResult<std::chrono::microseconds> probe_listen(const PgOptions& options,
                                                   std::chrono::milliseconds time_limit) {
    const SyncResult<ConnectionText> text = connection_text(options);
    if (!text) {
        return text.error();
    }
    try {
        return probe(*text, time_limit);
    } catch (const SyncFailure& failure) {
        return failure.error;
    }
}

}  // namespace burgee::sync
