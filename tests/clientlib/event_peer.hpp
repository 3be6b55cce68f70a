#pragma once

// A daemon's end of events.sock for tests of the client: it speaks the real protocol over a real
// socket, remembers every event by session, and misbehaves on request. It checks what the client
// must never get wrong (checksums, contiguous numbers, sizes) and keeps complaints in words.

#include <burgee/event_draft.hpp>
#include <burgee/event_wire.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace burgee::test {

using SessionId = std::array<std::uint8_t, 16>;
using Bytes = std::vector<std::byte>;

/// How the peer behaves; the default is a good daemon.
struct PeerManners {
    std::uint32_t credits = 4;
    std::uint32_t frame_size_max = kFrameSizeMax;
    bool answers_hello = true;
    bool answers_batches = true;
    bool reads_nothing = false;        ///< accepts connections and never reads
    bool expires_sessions = false;     ///< every HELLO but one with a fresh id hears EXPIRED
    std::optional<Bytes> raw_welcome;  ///< sent instead of WELCOME, whatever it is
    std::optional<Bytes> raw_ack;      ///< sent instead of ACK
    std::uint32_t refusals_full = 0;   ///< so many BATCHes hear NACK FULL
    std::function<NackReason(std::uint64_t seq)> judge;  ///< kInvalid, kTooBig, or anything else
    std::uint32_t close_at_batch = 0;  ///< hangs up at the n-th BATCH of each connection, 0 = never
    bool stores_before_close = false;  ///< ... after storing it, without a word
    std::uint32_t drop_reports_unheard = 0;  ///< hangs up instead of reading so many of them
    std::uint32_t drop_reports_full = 0;     ///< so many hear NACK FULL
};

/// What a session sent, in order; element n has the number n + 1.
struct PeerSession {
    std::uint64_t durable_seq = 0;
    std::vector<Bytes> events;
    std::vector<std::pair<std::uint64_t, NackReason>> refused;
    DropTable dropped{};  ///< the totals in its last frame
};

class EventPeer {
public:
    explicit EventPeer(std::filesystem::path directory);
    ~EventPeer();
    EventPeer(const EventPeer&) = delete;
    EventPeer& operator=(const EventPeer&) = delete;

    /// Binds the socket and serves, or stops and takes the socket away; sessions are kept between.
    void start();
    void stop();

    void set_manners(const PeerManners& manners);
    void forget_sessions();  ///< like a daemon whose session table is gone: old ids hear EXPIRED

    std::map<SessionId, PeerSession> sessions() const;
    std::size_t stored_count() const;  ///< over all sessions, refused ones left out
    std::size_t connection_count() const;
    std::size_t batch_count() const;
    std::size_t drop_report_count() const;   ///< BATCHes of count 0 that were taken
    std::size_t batches_after_lies() const;  ///< heard on connections with a raw WELCOME
    std::vector<std::string> complaints() const;

private:
    struct Connection {
        int fd;
        SessionId session{};
        bool is_greeted = false;
        bool was_lied_to = false;  ///< what it says from now on is not looked at
        std::uint32_t batches = 0;
    };

    void serve();
    bool serve_connection(Connection& connection);
    bool take_hello(Connection& connection, const Bytes& frame);
    bool take_batch(Connection& connection, const Bytes& frame);
    bool store(Connection& connection, const BatchFrame& batch, const Bytes& frame, bool says_so);
    bool take_drops(Connection& connection, const BatchFrame& batch);
    void say_welcome_back(const Connection& connection, WelcomeFrame welcome,
                          std::uint64_t next_seq);
    void say_ack(const Connection& connection);
    void complain(const std::string& what);

    const std::filesystem::path directory_;
    mutable std::mutex mutex_;  ///< guards all below but the thread
    PeerManners manners_;
    std::map<SessionId, PeerSession> sessions_;
    std::vector<SessionId> forgotten_;
    std::vector<std::string> complaints_;
    std::size_t connection_count_ = 0;
    std::size_t batch_count_ = 0;
    std::size_t drop_report_count_ = 0;
    std::size_t batches_after_lies_ = 0;
    bool is_stopping_ = false;
    bool has_lied_ = false;  ///< sent raw bytes: a client may hold strange numbers since
    int listener_ = -1;
    std::thread thread_;
};

/// Waits for `condition`, looking every millisecond; false when it did not come true in 20 seconds.
bool eventually(const std::function<bool()>& condition);

/// Fails the test when an identity of EventCounters does not hold.
void expect_identities(const EventCounters& counters);

/// A sendable draft; the metric's value tells events apart.
EventDraft draft_with_value(double value);

EventHeader header_of(const Bytes& event);

}  // namespace burgee::test
