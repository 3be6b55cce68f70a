#pragma once

// Where every client session stands, as far as it is durable: the memory that lets a resent event
// be recognised after a restart. Relied on by the spool's writer and recovery.
//
// Invariant: about `count_max` are kept; beyond it the longest unseen go first.

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "daemon/spool/spool.hpp"
#include "daemon/spool/spool_format.hpp"

namespace burgee::daemon {

/// As many as the daemon's session table holds: 2 MiB on disk.
inline constexpr std::size_t kSessionCountMax = 65'536;

class SessionPositions {
public:
    explicit SessionPositions(std::size_t count_max) : count_max_(count_max) {}

    /// Raises the session's position; a lower one than known is ignored.
    void note(const SessionPosition& position);

    /// Reads the prefix of an EVENTS payload or the records of a SESSIONS payload.
    void note_events(std::span<const std::byte> payload);
    void note_sessions(std::span<const std::byte> payload);

    std::vector<SessionPosition> all() const;
    std::size_t size() const { return positions_.size(); }

private:
    struct SessionHash {
        std::size_t operator()(const SessionId& id) const;
    };
    struct Place {
        std::uint64_t last_seq = 0;
        std::int64_t seen_unix_ms = 0;
    };
    void forget_oldest();

    std::size_t count_max_;
    std::unordered_map<SessionId, Place, SessionHash> positions_;
};

}  // namespace burgee::daemon
