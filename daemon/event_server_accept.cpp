// How the event server accepts: as many as it may, as fast as it may, and never in a spin when the
// system has no descriptor left.

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "daemon/event_server_core.hpp"

namespace burgee::daemon {
namespace {

constexpr int kAcceptsInTurn = 64;  // then connections that exist have their turn
/// Without a pause, accepting with no descriptor left spins a million times a second.
constexpr std::chrono::milliseconds kAcceptPause{100};

}  // namespace

void EventServer::Core::await_connection() {
    listener_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                         [weak = weak_from_this()](boost::system::error_code error) {
                             const auto core = weak.lock();
                             if (core && !error && !core->is_stopped_) {
                                 core->accept_some();
                             }
                         });
}

void EventServer::Core::accept_some() {
    const std::int64_t now_ms = steady_ms();
    const double earned = static_cast<double>(now_ms - tokens_at_ms_) *
                          options_.limits.accepts_per_second_max / 1'000.0;
    accept_tokens_ =
        std::min(accept_tokens_ + earned, static_cast<double>(options_.limits.connections_max));
    tokens_at_ms_ = now_ms;
    for (int turn = 0; turn < kAcceptsInTurn; ++turn) {
        if (accept_tokens_ < 1.0) {
            pause_accepting();
            return;
        }
        if (!accept_one()) {
            return;
        }
    }
    await_connection();
}

bool EventServer::Core::accept_one() {
    const int descriptor =
        ::accept4(listener_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor >= 0) {
        accept_tokens_ -= 1.0;
        add_connection(descriptor);
        return true;
    }
    if (errno == EAGAIN) {
        await_connection();
        return false;
    }
    if (errno == EINTR || errno == ECONNABORTED) {
        return true;
    }
    pause_accepting();
    return false;
}

void EventServer::Core::add_connection(int descriptor) {
    if (connections_.size() >= options_.limits.connections_max) {
        ::close(descriptor);
        counters_.add(Counter::connections_refused);
        return;
    }
    const std::uint64_t id = next_connection_id_++;
    auto connection = std::make_unique<EventConnection>(io_context_, descriptor, parts_, id);
    connection->opened_ms = steady_ms();
    connection->heard_ms = connection->opened_ms;
    counters_.add(Counter::connections);
    await_frame(*connection);
    connections_.emplace(id, std::move(connection));
}

void EventServer::Core::pause_accepting() {
    counters_.add(Counter::accept_pauses);
    accept_pause_.expires_after(kAcceptPause);
    accept_pause_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
        const auto core = weak.lock();
        if (core && !error && !core->is_stopped_) {
            core->accept_some();
        }
    });
}

}  // namespace burgee::daemon
