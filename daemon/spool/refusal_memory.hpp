#pragma once

// Which numbers of which session were refused for good: what a client must be told again when it
// lost its connection before it heard. Relied on by the daemon's session table, and by the spool,
// which keeps the durable copy.
//
// Invariants:
//   1. The ranges of a session ascend and do not overlap.
//   2. Of a session nothing is kept that is kRefusalWindow numbers or more behind its newest: a
//      client has no more events undecided, so it has heard of those.
//   3. At most `ranges_max` ranges in all, kSessionRefusalsMax of one session. At the bounds the
//      session that was refused something longest ago, or the oldest ranges, are forgotten; a
//      client that keeps to its credits has at most 4 092 events undecided and never gets there.

#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>
#include <vector>

#include "daemon/spool/spool.hpp"

namespace burgee::daemon {

/// docs/event_protocol.md: never more than 16 384 events of a client are undecided.
inline constexpr std::uint64_t kRefusalWindow = 16'384;
inline constexpr std::size_t kSessionRefusalsMax = 4'096;  ///< ranges of one session: 128 KiB
inline constexpr std::size_t kRefusalsMax = 65'536;        ///< ranges of all: 2 MiB

class RefusalMemory {
public:
    explicit RefusalMemory(std::size_t ranges_max) : ranges_max_(ranges_max) {}

    /// Adds a range; what of it lies before the newest known number is known already. A range
    /// beyond 2^63, which no client reaches, is nobody's and is ignored.
    void note(const RefusalRecord& refusal);
    /// The client knows what became of every number up to `decided_seq`.
    void forget_until(const SessionId& id, std::uint64_t decided_seq);
    /// Numbers beyond `last_seq` count no longer: their batch never became durable.
    void forget_after(const SessionId& id, std::uint64_t last_seq);
    void forget(const SessionId& id);

    /// The ranges of a session, ascending; empty for most. Valid until the next change.
    std::span<const RefusalRecord> of(const SessionId& id) const;
    std::vector<RefusalRecord> all() const;
    std::size_t range_count() const { return range_count_; }

private:
    struct SessionHash {
        std::size_t operator()(const SessionId& id) const;
    };
    using Ranges = std::vector<RefusalRecord>;
    using Sessions = std::list<Ranges>;  // none of them is empty

    void erase(Sessions::iterator session);
    void keep_bounds(Sessions::iterator newest);

    std::size_t ranges_max_;
    std::size_t range_count_ = 0;
    Sessions sessions_;  ///< most recently refused first
    std::unordered_map<SessionId, Sessions::iterator, SessionHash> index_;
};

}  // namespace burgee::daemon
