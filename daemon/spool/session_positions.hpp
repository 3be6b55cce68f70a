#pragma once

// Where every client session stands, as far as it is durable: the memory that lets a resent event
// be recognised after a restart, with what was refused of it and the totals it told. Relied on by
// the spool's writer and recovery.
//
// Invariant: about `count_max` are kept; beyond it the longest unseen go first, with all they have.

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "daemon/spool/refusal_memory.hpp"
#include "daemon/spool/spool.hpp"
#include "daemon/spool/spool_format.hpp"

namespace burgee::daemon {

/// As many as the daemon's session table holds: 2 MiB on disk.
inline constexpr std::size_t kSessionCountMax = 65'536;

class SessionPositions {
public:
    explicit SessionPositions(std::size_t count_max)
        : count_max_(count_max), refusals_(count_max) {}

    /// Raises the session's position; a lower one than known is ignored.
    void note(const SessionPosition& position);

    /// Reads the prefix of an EVENTS payload or the records of a SESSIONS payload.
    void note_events(std::span<const std::byte> payload);
    void note_sessions(std::span<const std::byte> payload);

    /// Reads the records of a REFUSALS or TOTALS payload.
    void note_refusals(std::span<const std::byte> payload);
    void note_totals(std::span<const std::byte> payload);

    /// Reads any payload that says something of sessions.
    void note_frame(SpoolFrameType type, std::span<const std::byte> payload);

    /// Everything was read: refusals of numbers that never became durable are forgotten.
    void settle();

    std::vector<SessionPosition> all() const;
    std::vector<RefusalRecord> refusals() const { return refusals_.all(); }
    std::vector<TotalsRecord> totals() const;
    std::size_t size() const { return positions_.size(); }
    /// Of all of it on disk.
    std::uint64_t size_bytes() const;

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
    std::unordered_map<SessionId, SessionTotals, SessionHash> totals_;  ///< of few
    RefusalMemory refusals_;
};

}  // namespace burgee::daemon
