// libpq instead of libpqxx, because a listener must never block: libpqxx 6.4 cannot send a query
// without waiting for its answer, and reopens a lost connection behind our back. Connecting and
// LISTEN go step by step for the same reason: an exhausted pooler accepts and then says nothing.

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
// Connecting and LISTEN together may take so many connect_timeouts, 20 s by default: one address
// that swallows packets is then given up by the kernel (tcp_user_timeout, 15 s), and libpq goes on
// to the next, before we give up all of them.
constexpr int kOpeningTimeouts = 4;
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

enum class Phase : std::uint8_t {
    kAway,         ///< no connection
    kConnecting,   ///< PQconnectPoll has not come to an end
    kSubscribing,  ///< LISTEN is sent, its answer is not here
    kListening,
};

}  // namespace

struct FlagListener::Link {
    Link(PgOptions connect_options, bool wants_hints)
        : options(std::move(connect_options)), is_enabled(wants_hints) {}

    PgOptions options;
    bool is_enabled;
    Phase phase = Phase::kAway;
    Connection connection;
    std::string secret;
    std::string error;
    std::uint64_t notifications = 0;
    Clock::time_point next_attempt;  // the epoch: at once
    Clock::duration backoff = kBackoffMin;
    Clock::time_point opening_until;  // when connecting and subscribing are given up
    Clock::time_point last_heard;
    Clock::time_point asked_at;  // of the sign of life that is under way
    bool is_asking = false;
    short awaited = 0;  // what poll() is to wait for on the socket

    void lose(const std::string& reason);
    void connect();
    void go_on_connecting();
    void subscribe();
    void hear_answer_to_listen();
    bool hear_notifications();
    void serve();
    bool keep_duties(Clock::time_point now);
    Clock::time_point next_duty() const;
};

void FlagListener::Link::lose(const std::string& reason) {
    error = redacted(reason, secret);
    connection.reset();
    phase = Phase::kAway;
    is_asking = false;
    next_attempt = Clock::now() + backoff;
    backoff = std::min<Clock::duration>(backoff * 2, kBackoffMax);
}

/// Begins to connect; only looking up a host's name may take its time.
void FlagListener::Link::connect() {
    const SyncResult<ConnectionText> text = connection_text(options);
    if (!text) {
        lose(text.error().message);
        return;
    }
    secret = text->secret;
    opening_until = Clock::now() + kOpeningTimeouts * options.connect_timeout;
    connection.reset(PQconnectStart(text->keywords.c_str()));
    if (PQstatus(connection.get()) == CONNECTION_BAD) {
        lose(classify_connect_failure(redacted(PQerrorMessage(connection.get()), secret)).message);
        return;
    }
    PQsetNoticeProcessor(
        connection.get(), [](void*, const char*) {}, nullptr);
    phase = Phase::kConnecting;
    awaited = POLLOUT;  // as if PQconnectPoll had just asked for it: libpq's manual, 34.1
}

void FlagListener::Link::go_on_connecting() {
    switch (PQconnectPoll(connection.get())) {
        case PGRES_POLLING_READING:
            awaited = POLLIN;
            return;
        case PGRES_POLLING_WRITING:
            awaited = POLLOUT;
            return;
        case PGRES_POLLING_OK:
            subscribe();
            return;
        default:
            lose(classify_connect_failure(redacted(PQerrorMessage(connection.get()), secret))
                     .message);
            return;
    }
}

void FlagListener::Link::subscribe() {
    PQsetnonblocking(connection.get(), 1);
    if (PQsendQuery(connection.get(), "LISTEN burgee_flags") == 0) {
        lose(PQerrorMessage(connection.get()));
        return;
    }
    phase = Phase::kSubscribing;
    awaited = POLLIN;  // a fresh socket has room for a query of a few bytes
}

void FlagListener::Link::hear_answer_to_listen() {
    if (PQconsumeInput(connection.get()) == 0) {
        lose(PQerrorMessage(connection.get()));
        return;
    }
    while (PQisBusy(connection.get()) == 0) {
        const Result answer(PQgetResult(connection.get()));
        if (!answer) {
            error.clear();
            backoff = kBackoffMin;
            last_heard = Clock::now();
            phase = Phase::kListening;
            return;
        }
        if (PQresultStatus(answer.get()) != PGRES_COMMAND_OK) {
            lose(std::string("LISTEN was refused, polling goes on: ") +
                 PQerrorMessage(connection.get()));
            return;
        }
    }
}

/// Takes in what has arrived. @return whether a notification was in it.
bool FlagListener::Link::hear_notifications() {
    if (PQconsumeInput(connection.get()) == 0) {
        lose(PQerrorMessage(connection.get()));
        return false;
    }
    const std::uint64_t before = notifications;
    while (PGnotify* notification = PQnotifies(connection.get())) {
        PQfreemem(notification);
        ++notifications;
    }
    while (is_asking && PQisBusy(connection.get()) == 0) {
        const Result answer(PQgetResult(connection.get()));
        is_asking = answer != nullptr;
    }
    last_heard = Clock::now();
    return notifications != before;
}

/// One step of opening the connection, when its socket is ready.
void FlagListener::Link::serve() {
    if (phase == Phase::kConnecting) {
        go_on_connecting();
    } else {
        hear_answer_to_listen();
    }
}

/// Begins, gives up or asks for a sign of life when it is time.
/// @return false when listening has come to an end just now
bool FlagListener::Link::keep_duties(Clock::time_point now) {
    if (phase == Phase::kAway) {
        if (is_enabled && now >= next_attempt) {
            connect();
        }
        return true;
    }
    if (phase != Phase::kListening) {
        if (now >= opening_until) {
            lose(phase == Phase::kConnecting
                     ? "PostgreSQL cannot be reached: it took the connection and said nothing"
                     : "LISTEN was not answered, polling goes on: is a pooler exhausted?");
        }
        return true;
    }
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
    switch (phase) {
        case Phase::kAway:
            return is_enabled ? next_attempt : Clock::time_point::max();
        case Phase::kConnecting:
        case Phase::kSubscribing:
            return opening_until;
        case Phase::kListening:
            break;
    }
    return is_asking ? asked_at + kSignOfLifeDeadline : last_heard + kSignOfLifeInterval;
}

FlagListener::FlagListener(PgOptions options, bool is_enabled)
    : link_(std::make_unique<Link>(std::move(options), is_enabled)) {}

FlagListener::~FlagListener() = default;

bool FlagListener::is_listening() const {
    return link_->phase == Phase::kListening;
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
        if (!link_->keep_duties(Clock::now())) {
            return WaitOutcome::kBroken;
        }
        const Clock::time_point now = Clock::now();
        const Clock::time_point until = std::min(deadline, std::max(link_->next_duty(), now));
        const auto pause = std::chrono::ceil<milliseconds>(until - now);
        std::array<pollfd, 2> watched = {{{wake_fd, POLLIN, 0}, {-1, 0, 0}}};
        if (link_->connection) {
            watched[1].fd = PQsocket(link_->connection.get());
            watched[1].events = link_->awaited;
        }
        const int ready =
            ::poll(watched.data(), watched.size(),
                   static_cast<int>(std::clamp<std::int64_t>(pause.count(), 0, 3'600'000)));
        if (ready > 0 && watched[0].revents != 0) {
            return WaitOutcome::kWoken;
        }
        if (ready > 0 && watched[1].revents != 0) {
            const bool was_listening = is_listening();
            if (was_listening && link_->hear_notifications()) {
                return WaitOutcome::kHint;
            }
            if (!was_listening) {
                link_->serve();
            }
            if (was_listening != is_listening()) {
                return was_listening ? WaitOutcome::kBroken : WaitOutcome::kHint;
            }
        }
        if (Clock::now() >= deadline) {
            return WaitOutcome::kTimeout;
        }
    }
}

}  // namespace burgee::sync
