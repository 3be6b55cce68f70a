// libpq instead of libpqxx, because a listener must never block: libpqxx 6.4 cannot send a query
// without waiting for its answer, and reopens a lost connection behind our back.

#include "sync/listener.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "sync/connection_text.hpp"

namespace burgee::sync {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr auto kSignOfLifeInterval =
    std::chrono::seconds(30);  // a half-open link stays silent for ever
constexpr auto kSignOfLifeDeadline = std::chrono::seconds(10);
constexpr auto kBackoffMin = std::chrono::seconds(1);
constexpr auto kBackoffMax = std::chrono::seconds(60);

struct CloseConnection {
    void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct ClearResult {
    void operator()(PGresult* result) const { PQclear(result); }
};
using Connection = std::unique_ptr<PGconn, CloseConnection>;
using Result = std::unique_ptr<PGresult, ClearResult>;

}  // namespace

struct FlagListener::Link {
    Link(PgOptions connect_options, bool wants_hints)
        : options(std::move(connect_options)), is_enabled(wants_hints) {}

    PgOptions options;
    bool is_enabled;
    Connection connection;
    std::string secret;
    std::string error;
    std::uint64_t notifications = 0;
    Clock::time_point next_attempt;  // the epoch: at once
    Clock::duration backoff = kBackoffMin;
    Clock::time_point last_heard;
    Clock::time_point asked_at;  // of the sign of life that is under way
    bool is_asking = false;

    void lose(const std::string& reason);
    bool connect();
    bool hear(bool& has_hint);
    bool keep_alive(Clock::time_point now);
    Clock::time_point next_duty() const;
};

void FlagListener::Link::lose(const std::string& reason) {
    error = redacted(reason, secret);
    connection.reset();
    is_asking = false;
    next_attempt = Clock::now() + backoff;
    backoff = std::min<Clock::duration>(backoff * 2, kBackoffMax);
}

bool FlagListener::Link::connect() {
    const SyncResult<ConnectionText> text = connection_text(options);
    if (!text) {
        lose(text.error().message);
        return false;
    }
    secret = text->secret;
    connection.reset(PQconnectdb(text->keywords.c_str()));
    if (PQstatus(connection.get()) != CONNECTION_OK) {
        lose(classify_connect_failure(redacted(PQerrorMessage(connection.get()), secret)).message);
        return false;
    }
    PQsetNoticeProcessor(
        connection.get(), [](void*, const char*) {}, nullptr);
    const Result listened(PQexec(connection.get(), "LISTEN burgee_flags"));
    if (PQresultStatus(listened.get()) != PGRES_COMMAND_OK) {
        lose(std::string("LISTEN was refused, polling goes on: ") +
             PQerrorMessage(connection.get()));
        return false;
    }
    PQsetnonblocking(connection.get(), 1);
    error.clear();
    backoff = kBackoffMin;
    last_heard = Clock::now();
    return true;
}

/// Takes in what has arrived. False when the connection is gone.
bool FlagListener::Link::hear(bool& has_hint) {
    if (PQconsumeInput(connection.get()) == 0) {
        lose(PQerrorMessage(connection.get()));
        return false;
    }
    while (PGnotify* notification = PQnotifies(connection.get())) {
        PQfreemem(notification);
        ++notifications;
        has_hint = true;
    }
    while (is_asking && PQisBusy(connection.get()) == 0) {
        const Result answer(PQgetResult(connection.get()));
        is_asking = answer != nullptr;
    }
    last_heard = Clock::now();
    return true;
}

/// Asks for a sign of life when it is time. False when the server has not answered the last one.
bool FlagListener::Link::keep_alive(Clock::time_point now) {
    if (is_asking && now - asked_at >= kSignOfLifeDeadline) {
        lose("the server gave no sign of life");
        return false;
    }
    if (!is_asking && now - last_heard >= kSignOfLifeInterval) {
        if (PQsendQuery(connection.get(), "SELECT 1") == 0) {
            lose(PQerrorMessage(connection.get()));
            return false;
        }
        PQflush(connection.get());  // nine bytes; what does not go now goes with the next turn
        is_asking = true;
        asked_at = now;
    }
    return true;
}

Clock::time_point FlagListener::Link::next_duty() const {
    if (!connection) {
        return next_attempt;
    }
    return is_asking ? asked_at + kSignOfLifeDeadline : last_heard + kSignOfLifeInterval;
}

FlagListener::FlagListener(PgOptions options, bool is_enabled)
    : link_(std::make_unique<Link>(std::move(options), is_enabled)) {}

FlagListener::~FlagListener() = default;

bool FlagListener::is_listening() const {
    return link_->connection != nullptr;
}
const std::string& FlagListener::last_error() const {
    return link_->error;
}
std::uint64_t FlagListener::notification_count() const {
    return link_->notifications;
}

WaitOutcome FlagListener::wait(milliseconds timeout, int wake_fd) {
    const Clock::time_point deadline = Clock::now() + timeout;
    while (true) {
        Clock::time_point now = Clock::now();
        if (link_->is_enabled && !link_->connection && now >= link_->next_attempt &&
            link_->connect()) {
            return WaitOutcome::kHint;
        }
        if (link_->connection && !link_->keep_alive(now)) {
            return WaitOutcome::kBroken;
        }
        now = Clock::now();
        const Clock::time_point until =
            link_->is_enabled ? std::min(deadline, std::max(link_->next_duty(), now)) : deadline;
        const auto pause = std::chrono::ceil<milliseconds>(until - now);
        std::array<pollfd, 2> watched = {{{wake_fd, POLLIN, 0}, {-1, POLLIN, 0}}};
        if (link_->connection) {
            watched[1].fd = PQsocket(link_->connection.get());
        }
        const int ready =
            ::poll(watched.data(), watched.size(),
                   static_cast<int>(std::clamp<std::int64_t>(pause.count(), 0, 3'600'000)));
        if (ready > 0 && watched[0].revents != 0) {
            return WaitOutcome::kWoken;
        }
        bool has_hint = false;
        if (ready > 0 && watched[1].revents != 0 && !link_->hear(has_hint)) {
            return WaitOutcome::kBroken;
        }
        if (has_hint) {
            return WaitOutcome::kHint;
        }
        if (Clock::now() >= deadline) {
            return WaitOutcome::kTimeout;
        }
    }
}

}  // namespace burgee::sync
