#pragma once

// Knows where every client session stands, so that an event sent twice is taken once. Used by the
// event server's thread alone; the spool keeps the durable copy and gives it back at the start.
//
// Invariants:
//   1. durable_seq <= accepted_seq; what lies between is on its way to the disk.
//   2. Numbers are taken without holes: accepted_seq only moves by the batch that follows it.
//   3. What is remembered as refused or counted as dropped is durable.
//   4. At most `count_max` sessions and none idle for longer than `idle_max_ms`, except those that
//      are connected or have batches on their way; the longest unseen are forgotten first.
//   5. A session of which nothing is durable is forgotten with its connection, so that a client
//      that only comes and goes pushes nobody else's out.

#include <burgee/event_wire.hpp>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <unordered_map>

#include "daemon/spool/refusal_memory.hpp"
#include "daemon/spool/spool.hpp"

namespace burgee::daemon {

/// What a session's client says it dropped, in running totals.
struct SessionDrops {
    SessionTotals durable{};  ///< counted
    SessionTotals queued{};   ///< what `durable` will be when all on its way is on the disk
};

struct Session {
    SessionId id{};
    std::uint64_t accepted_seq = 0;
    std::uint64_t durable_seq = 0;
    std::int64_t seen_unix_ms = 0;
    std::uint64_t connection_id = 0;      ///< 0: not connected
    std::uint32_t batches_under_way = 0;  ///< queued and not reported: it must stay where it is
    bool must_repeat = false;             ///< a batch was refused for now: later ones wait for it
    std::unique_ptr<SessionDrops> drops;  ///< of few; null: none was ever told
};

struct SessionTableLimits {
    std::size_t count_max = 65'536;
    std::int64_t idle_max_ms = 24LL * 3600 * 1000;
};

class SessionTable {
public:
    explicit SessionTable(const SessionTableLimits& limits) : limits_(limits) {}

    /// Takes over what the spool remembers.
    void load(std::span<const SessionPosition> positions,
              std::span<const RefusalRecord> refusals = {},
              std::span<const TotalsRecord> totals = {});

    struct Greeting {
        SessionOutcome outcome = SessionOutcome::kExpired;
        Session* session = nullptr;  ///< null when expired
    };
    /// A client says which session it is and the first number it will send. Unknown with numbers
    /// behind it, or further on than we have on disk, is expired: its history is not here.
    Greeting greet(const SessionId& id, std::uint64_t next_seq, std::int64_t now_unix_ms);

    enum class Order { kTake, kDuplicate, kGap };
    struct Placing {
        Order order = Order::kGap;
        std::uint32_t skip = 0;  ///< events at the front that are here already
    };
    /// Where a batch belongs. Changes nothing.
    static Placing place(const Session& session, std::uint64_t first_seq, std::uint32_t count);

    /// These numbers were refused for good, durably; the client may not hear of it.
    void note_refusals(std::span<const RefusalRecord> refusals);
    /// What the client of the session has not decided and was refused: it must hear of them before
    /// it hears that their numbers are durable. Valid until the next change.
    std::span<const RefusalRecord> refusals(const Session& session) const {
        return refusals_.of(session.id);
    }

    /// Notes that the session was heard of.
    void touch(Session* session, std::int64_t now_unix_ms);

    /// The connection that has the session ends; the session may be gone afterwards.
    void leave(Session* session);

    std::size_t size() const { return sessions_.size(); }

private:
    struct SessionHash {
        std::size_t operator()(const SessionId& id) const;
    };
    using Sessions = std::list<Session>;

    Session* insert(const SessionId& id, std::uint64_t last_seq, std::int64_t seen_unix_ms);
    void erase(Sessions::iterator session);
    void forget_old(std::int64_t now_unix_ms);
    static bool is_in_use(const Session& session);

    SessionTableLimits limits_;
    RefusalMemory refusals_{kRefusalsMax};
    Sessions sessions_;  ///< most recently seen first
    std::unordered_map<SessionId, Sessions::iterator, SessionHash> index_;
};

}  // namespace burgee::daemon
