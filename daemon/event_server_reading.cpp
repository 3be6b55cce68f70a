// How the event server reads: a turn at a time, from each client no more than its credits, and from
// nobody while the queue has no room. What is not read stays in its sender's socket, where it costs
// this process nothing, and is read in the order in which it was found waiting.

#include <algorithm>
#include <chrono>
#include <utility>

#include "daemon/event_server_core.hpp"
#include "shm/assertion.hpp"

namespace burgee::daemon {
namespace {

/// Frames taken from one connection before the others have their turn: its credits, twice.
constexpr int kFramesInTurn = 8;

std::int64_t unix_ms() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

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
    connection.is_awaiting_room = true;
    connection.socket.async_wait(
        boost::asio::posix::stream_descriptor::wait_write,
        [weak = weak_from_this(), id = connection.id](boost::system::error_code error) {
            const auto core = weak.lock();
            EventConnection* const found = core && !error ? core->find(id) : nullptr;
            if (found != nullptr) {
                found->is_awaiting_room = false;
                if (core->flush(*found)) {
                    core->read_some(id);
                }
            }
        });
}

bool EventServer::Core::may_read(EventConnection& connection) {
    if (connection.is_awaiting_room) {
        return false;  // it reads on when its answers are gone
    }
    connection.is_held = connection.talk.has_all_under_way();
    return !connection.is_held;
}

void EventServer::Core::read_some(std::uint64_t connection_id) {
    EventConnection* const connection = find(connection_id);
    if (connection == nullptr) {
        return;
    }
    const std::int64_t now_ms = steady_ms();
    for (int turn = 0; turn < kFramesInTurn; ++turn) {
        if (!may_read(*connection)) {
            return;
        }
        // A greeting takes no room, so nobody waits for others to be welcomed.
        if (connection->talk.has_greeted() && (!in_line_.empty() || !queue_.has_room())) {
            if (!std::exchange(connection->is_in_line, true)) {
                in_line_.push_back(connection_id);
            }
            return;
        }
        const Read read = read_frame(*connection, now_ms);
        if (read == Read::kGone) {
            return;
        }
        if (read == Read::kNothing) {
            break;
        }
    }
    await_frame(*connection);
}

void EventServer::Core::feed_line() {
    const std::int64_t now_ms = steady_ms();
    // As many as stand in line now, a frame each: who has more to say stands in line again.
    for (std::size_t left = in_line_.size(); left > 0 && queue_.has_room(); --left) {
        EventConnection* const connection = find(in_line_.front());
        in_line_.pop_front();
        BURGEE_ASSERT(connection != nullptr);
        connection->is_in_line = false;
        if (may_read(*connection) && read_frame(*connection, now_ms) != Read::kGone) {
            await_frame(*connection);
        }
        left = std::min(left, in_line_.size() + 1);  // others may have been closed meanwhile
    }
}

EventServer::Core::Read EventServer::Core::read_frame(EventConnection& connection,
                                                      std::int64_t now_ms) {
    std::span<std::byte> frame;
    const auto received = connection.receive(frame_buffer_, &frame);
    if (received == EventConnection::Received::kNothing) {
        return Read::kNothing;
    }
    if (received != EventConnection::Received::kFrame) {
        const bool is_theirs = received == EventConnection::Received::kClosed;
        close(connection.id,
              is_theirs ? Counter::disconnects_by_peer : Counter::disconnects_protocol);
        return Read::kGone;
    }
    return take_frame(connection, frame, now_ms) ? Read::kFrame : Read::kGone;
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
    note_starved(connection);
    return flush(connection);
}

}  // namespace burgee::daemon
