#include "daemon/event_server.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "daemon/event_server_core.hpp"
#include "shm/assertion.hpp"

namespace burgee::daemon {
namespace {

/// How often patience is looked after; a client may be closed this much late.
constexpr std::chrono::milliseconds kSweepInterval{100};

}  // namespace

std::int64_t steady_ms() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

EventServer::Core::Core(boost::asio::io_context& io_context, EventServerOptions options,
                        Spool& spool, Counters& counters, EventListener listener)
    : io_context_(io_context),
      options_(std::move(options)),
      counters_(counters),
      listener_(io_context, listener.release()),
      accept_pause_(io_context),
      sweep_timer_(io_context),
      accept_tokens_(static_cast<double>(options_.limits.connections_max)),
      tokens_at_ms_(steady_ms()),
      frame_buffer_(kFrameSizeMax),
      sessions_(options_.limits.sessions),
      exposures_(options_.exposures ? options_.exposures : std::make_shared<ExposureMemory>()),
      queue_(spool, options_.limits.ingest,
             [this](IngestReport report) { receive_report(std::move(report)); }),
      parts_{sessions_, *exposures_, queue_, counters_, refusal_log_} {
    sessions_.load(spool.sessions(), spool.refusals(), spool.session_totals());
}

void EventServer::Core::start() {
    await_connection();
    await_sweep();
}

void EventServer::Core::stop() {
    if (std::exchange(is_stopped_, true)) {
        return;
    }
    listener_.close();
    accept_pause_.cancel();
    sweep_timer_.cancel();
    queue_.stop();
    apply_reports();
    counters_.add(Counter::disconnects_shutdown, connections_.size());
    connections_.clear();
}

EventConnection* EventServer::Core::find(std::uint64_t connection_id) {
    const auto found = connections_.find(connection_id);
    return found == connections_.end() ? nullptr : found->second.get();
}

void EventServer::Core::close(std::uint64_t connection_id, Counter reason) {
    const auto found = connections_.find(connection_id);
    if (found != connections_.end()) {
        counters_.add(reason);  // before the client can notice
        const EventConnection& connection = *found->second;
        unread_bytes_ -= connection.unread_bytes;
        if (connection.is_in_line) {
            std::erase(in_line_, connection_id);
        }
        if (connection.is_listed_starved) {
            std::erase(starved_, connection_id);
        }
        connections_.erase(found);
    }
}

bool EventServer::Core::flush(EventConnection& connection) {
    if (!connection.is_awaiting_room && !connection.talk.outbox().is_empty()) {
        switch (connection.send_outbox()) {
            case EventConnection::Sent::kAll:
                connection.unread_since_ms = -1;
                break;
            case EventConnection::Sent::kBlocked:
                // Who takes one answer now and then is as stuck as who takes none.
                if (connection.unread_since_ms < 0) {
                    connection.unread_since_ms = steady_ms();
                }
                await_room(connection);
                break;
            case EventConnection::Sent::kClosed:
                close(connection.id, Counter::disconnects_by_peer);
                return false;
        }
    }
    return bound_unread(connection);
}

bool EventServer::Core::bound_unread(EventConnection& connection) {
    const std::uint64_t id = connection.id;
    unread_bytes_ -= std::exchange(connection.unread_bytes, connection.talk.outbox().size_bytes());
    unread_bytes_ += connection.unread_bytes;
    while (unread_bytes_ > options_.limits.unread_size_bytes_max) {
        // Somebody's answers lie unread, or there were no such bytes; they are told again later.
        const auto longest = std::min_element(
            connections_.begin(), connections_.end(), [](const auto& left, const auto& right) {
                // -1, which is nothing unread, is the largest of unsigned numbers.
                return static_cast<std::uint64_t>(left.second->unread_since_ms) <
                       static_cast<std::uint64_t>(right.second->unread_since_ms);
            });
        BURGEE_ASSERT(longest->second->unread_since_ms >= 0);
        close(longest->first, Counter::disconnects_stuck);
    }
    return find(id) != nullptr;
}

void EventServer::Core::await_sweep() {
    sweep_timer_.expires_after(kSweepInterval);
    sweep_timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
        const auto core = weak.lock();
        if (core && !error && !core->is_stopped_) {
            core->sweep();
            core->await_sweep();
        }
    });
}

void EventServer::Core::sweep() {
    const std::int64_t now_ms = steady_ms();
    const EventServerLimits& limits = options_.limits;
    std::vector<std::pair<std::uint64_t, Counter>> late;
    for (const auto& [id, connection] : connections_) {
        if (!connection->talk.has_greeted() &&
            now_ms - connection->opened_ms >= limits.hello_timeout_ms) {
            late.emplace_back(id, Counter::disconnects_hello_late);
        } else if (connection->unread_since_ms >= 0 &&
                   now_ms - connection->unread_since_ms >= limits.stuck_timeout_ms) {
            late.emplace_back(id, Counter::disconnects_stuck);
        } else if (now_ms - connection->heard_ms >= limits.idle_timeout_ms) {
            late.emplace_back(id, Counter::disconnects_idle);
        }
    }
    for (const auto& [id, reason] : late) {
        close(id, reason);
    }
}

EventServer::EventServer(boost::asio::io_context& io_context, EventServerOptions options,
                         Spool& spool, Counters& counters) {
    EventListener listener = options.inherited_descriptor >= 0
                                 ? EventListener::inherit(options.inherited_descriptor)
                                 : EventListener::bind(options.socket_path);
    core_ = std::make_shared<Core>(io_context, std::move(options), spool, counters,
                                   std::move(listener));
    core_->start();
}

EventServer::~EventServer() {
    stop();
}

void EventServer::stop() {
    core_->stop();
}

std::size_t EventServer::connection_count() const {
    return core_->connection_count();
}

}  // namespace burgee::daemon
