#pragma once

// The event server's inside: one thread, many connections, one queue to the spool. Kept out of
// event_server.hpp so that Boost.Asio stays in these few translation units.

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "daemon/event_connection.hpp"
#include "daemon/event_listener.hpp"
#include "daemon/event_server.hpp"

namespace burgee::daemon {

class EventServer::Core : public std::enable_shared_from_this<Core> {
public:
    Core(boost::asio::io_context& io_context, EventServerOptions options, Spool& spool,
         Counters& counters, EventListener listener);

    void start();
    void stop();
    std::size_t connection_count() const { return connections_.size(); }

private:
    // ---- accepting ----
    void await_connection();
    void accept_some();
    /// @return whether to go on accepting.
    bool accept_one();
    void add_connection(int descriptor);
    void pause_accepting();

    // ---- one connection ----
    void await_frame(EventConnection& connection);
    void await_room(EventConnection& connection);
    void read_some(std::uint64_t connection_id);
    /// Whether its answers and its frames under way let it say more. If not, what ends that reads
    /// on.
    static bool may_read(EventConnection& connection);
    enum class Read { kFrame, kNothing, kGone };
    Read read_frame(EventConnection& connection, std::int64_t now_ms);
    /// The queue has room again: whoever stands in line is heard.
    void feed_line();
    /// @return false when the connection is gone.
    bool take_frame(EventConnection& connection, std::span<std::byte> frame, std::int64_t now_ms);
    bool is_over_rate(EventConnection& connection, std::int64_t now_ms) const;
    /// Sends what waits. Others may be closed. @return false when the connection is gone.
    bool flush(EventConnection& connection);
    /// Keeps what lies unread within its bound: who has left it longest is closed. @return false
    /// when the connection is gone.
    bool bound_unread(EventConnection& connection);
    void close(std::uint64_t connection_id, Counter reason);
    EventConnection* find(std::uint64_t connection_id);

    // ---- what the spool did ----
    void receive_report(IngestReport report);  ///< on the spool's thread
    void apply_reports();
    void apply(const IngestReport& report);
    void take_over(const IngestReport::Batch& batch);
    void apply_failure(const IngestReport& report);
    void flush_touched();
    void note_starved(EventConnection& connection);
    void feed_starved();

    // ---- patience ----
    void await_sweep();
    void sweep();

    boost::asio::io_context& io_context_;
    EventServerOptions options_;
    Counters& counters_;
    boost::asio::posix::stream_descriptor listener_;
    boost::asio::steady_timer accept_pause_;
    boost::asio::steady_timer sweep_timer_;
    double accept_tokens_;
    std::int64_t tokens_at_ms_;
    std::uint64_t next_connection_id_ = 1;
    std::vector<std::byte> frame_buffer_;
    std::mutex reports_mutex_;
    std::vector<IngestReport> reports_;
    std::vector<std::uint64_t> touched_;
    std::vector<std::uint64_t> starved_;  ///< each once: is_listed_starved
    std::deque<std::uint64_t> in_line_;   ///< for room in the queue, each once: is_in_line
    std::size_t unread_bytes_ = 0;        ///< of all connections' answers
    bool is_refusing_ = false;
    bool is_stopped_ = false;
    SessionTable sessions_;
    std::shared_ptr<ExposureMemory> exposures_;
    RefusalLog refusal_log_;
    IngestQueue queue_;
    IngestParts parts_;
    std::unordered_map<std::uint64_t, std::unique_ptr<EventConnection>> connections_;
};

/// Milliseconds of a clock that never steps.
std::int64_t steady_ms();

}  // namespace burgee::daemon
