#include "daemon/event_server.hpp"

#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

#include "daemon/event_server_core.hpp"

namespace burgee::daemon {
namespace {

/// Frames taken from one connection before the others have their turn: its credits, twice.
constexpr int kFramesInTurn = 8;
/// How often patience is looked after; a client may be closed this much late.
constexpr std::chrono::milliseconds kSweepInterval{100};

std::int64_t unix_ms() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

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
      parts_{sessions_, *exposures_,  queue_,
             counters_, refusal_log_, options_.limits.ingest.queue_size_bytes_max} {
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
        connections_.erase(found);
    }
}

void EventServer::Core::await_frame(EventConnection& connection) {
    if (std::exchange(connection.is_awaiting_frame, true)) {
        return;
    }
    connection.socket.async_wait(
        boost::asio::posix::stream_descriptor::wait_read,
        [weak = weak_from_this(), id = connection.id](boost::system::error_code error) {
            const auto core = weak.lock();
            EventConnection* const found = core && !error ? core->find(id) : nullptr;
            if (found != nullptr) {
                found->is_awaiting_frame = false;
                core->read_some(id);
            }
        });
}

void EventServer::Core::await_room(EventConnection& connection) {
    connection.socket.async_wait(
        boost::asio::posix::stream_descriptor::wait_write,
        [weak = weak_from_this(), id = connection.id](boost::system::error_code error) {
            const auto core = weak.lock();
            EventConnection* const found = core && !error ? core->find(id) : nullptr;
            if (found != nullptr) {
                found->blocked_since_ms = -1;
                if (core->flush(*found)) {
                    core->read_some(id);
                }
            }
        });
}

void EventServer::Core::read_some(std::uint64_t connection_id) {
    EventConnection* const connection = find(connection_id);
    if (connection == nullptr) {
        return;
    }
    const std::int64_t now_ms = steady_ms();
    for (int turn = 0; turn < kFramesInTurn; ++turn) {
        if (connection->blocked_since_ms >= 0) {
            return;  // await_room() is under way and reads on
        }
        std::span<std::byte> frame;
        const auto received = connection->receive(frame_buffer_, &frame);
        if (received == EventConnection::Received::kNothing) {
            break;
        }
        if (received != EventConnection::Received::kFrame) {
            const bool is_ours = received == EventConnection::Received::kClosed;
            close(connection_id,
                  is_ours ? Counter::disconnects_by_peer : Counter::disconnects_protocol);
            return;
        }
        if (!take_frame(*connection, frame, now_ms)) {
            return;
        }
    }
    await_frame(*connection);
}

bool EventServer::Core::is_over_rate(EventConnection& connection, std::int64_t now_ms) const {
    if (now_ms - connection.second_began_ms >= 1'000) {
        connection.second_began_ms = now_ms;
        connection.frames_this_second = 0;
    }
    return ++connection.frames_this_second > options_.limits.frames_per_second_max;
}

bool EventServer::Core::take_frame(EventConnection& connection, std::span<std::byte> frame,
                                   std::int64_t now_ms) {
    if (is_over_rate(connection, now_ms)) {
        close(connection.id, Counter::disconnects_rate);
        return false;
    }
    const bool had_greeted = connection.talk.has_greeted();
    if (connection.talk.receive(frame, unix_ms()) == IngestConversation::Next::kClose) {
        close(connection.id, Counter::disconnects_protocol);
        return false;
    }
    connection.heard_ms = now_ms;
    if (!had_greeted) {
        // The same client by a newer connection: whatever it left of the old one is void.
        EventConnection* const older = find(connection.talk.replaced_connection_id());
        if (older != nullptr) {
            older->talk.leave_session();
            close(older->id, Counter::disconnects_by_peer);
        }
    }
    if (connection.talk.is_starved()) {
        starved_.push_back(connection.id);
    }
    return flush(connection);
}

bool EventServer::Core::flush(EventConnection& connection) {
    if (connection.blocked_since_ms >= 0 || connection.talk.outbox().is_empty()) {
        return true;
    }
    switch (connection.send_outbox()) {
        case EventConnection::Sent::kAll:
            return true;
        case EventConnection::Sent::kBlocked:
            connection.blocked_since_ms = steady_ms();
            await_room(connection);
            return true;
        case EventConnection::Sent::kClosed:
            break;
    }
    close(connection.id, Counter::disconnects_by_peer);
    return false;
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
        } else if (connection->blocked_since_ms >= 0 &&
                   now_ms - connection->blocked_since_ms >= limits.stuck_timeout_ms) {
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
