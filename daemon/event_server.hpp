#pragma once

// Takes events from every client of this host over `events.sock`, has them stored, and acknowledges
// them once they are on disk. Relied on by burgeed's main loop. docs/event_ingest.md tells its
// rules.
//
// Invariants:
//   1. Nothing is acknowledged before its sync; nothing acknowledged is refused later.
//   2. No client can make another wait: a turn, a queue, a rate and a patience are bounded for
//   each.
//   3. Everything refused, closed or dropped is in the counters.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "daemon/counters.hpp"
#include "daemon/ingest_queue.hpp"
#include "daemon/session_table.hpp"
#include "daemon/spool/spool.hpp"

namespace boost::asio {
class io_context;
}

namespace burgee::daemon {

struct EventServerLimits {
    std::int64_t hello_timeout_ms = 2'000;
    std::int64_t idle_timeout_ms = 300'000;
    std::int64_t stuck_timeout_ms = 30'000;  ///< since all answers were read
    /// Answers that lie unread, of all connections: kernel buffers come before, and are theirs.
    std::size_t unread_size_bytes_max = 8U << 20U;
    std::uint32_t frames_per_second_max = 20'000;
    std::size_t connections_max = 10'000;
    std::uint32_t accepts_per_second_max = 2'000;  ///< sustained; a whole host may come at once
    SessionTableLimits sessions;
    IngestLimits ingest;
};

struct EventServerOptions {
    std::string socket_path;        ///< made here, unless a descriptor is inherited
    int inherited_descriptor = -1;  ///< from the service manager (LISTEN_FDS)
    EventServerLimits limits;
    /// What the spool held when it was opened, for SpoolOptions::on_recovered_events; the server's
    /// alone from now on. Null: it begins with none.
    std::shared_ptr<ExposureMemory> exposures;
    /// Called when events begin to be refused, with the cause, and with nullptr when they are taken
    /// again. On the io_context's thread.
    std::function<void(const SpoolError*)> on_spool_state;
};

class EventServer {
public:
    /// Binds the socket and begins to serve once `io_context` runs, on one thread.
    /// The spool and the counters outlive the server. Throws std::runtime_error with one line when
    /// the socket cannot be had.
    EventServer(boost::asio::io_context& io_context, EventServerOptions options, Spool& spool,
                Counters& counters);
    ~EventServer();
    EventServer(const EventServer&) = delete;
    EventServer& operator=(const EventServer&) = delete;

    /// Stops accepting, stores and acknowledges what was taken, closes every connection. Call on
    /// the io_context's thread, or when none runs it. Takes as long as one commit of what is
    /// queued.
    void stop();

    std::size_t connection_count() const;

private:
    class Core;
    std::shared_ptr<Core> core_;
};

}  // namespace burgee::daemon
