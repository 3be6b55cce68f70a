#pragma once

// One client's side of the event protocol, without a socket: frames in, frames out. Relied on by
// the event server; tests feed it what no client of ours would send. docs/event_ingest.md tells the
// rules. It must never trust a byte it has not checked, nor answer for an event that is not
// durable.

#include <burgee/event_wire.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "daemon/counters.hpp"
#include "daemon/ingest_queue.hpp"
#include "daemon/refusal_log.hpp"
#include "daemon/session_table.hpp"

namespace burgee::daemon {

/// Frames a client may have under way without an ACK.
inline constexpr std::uint32_t kCredits = 4;

/// Numbers in a row that are refused for one reason: a NACK each.
struct RefusedRange {
    std::uint64_t first_seq = 0;
    std::uint32_t count = 0;
    NackReason reason = NackReason::kInvalid;
};

NackFrame nack_frame(std::uint64_t seq, NackReason reason);

/// What waits to be sent to a client, in the order it is sent. Bounded by kCredits frames of
/// refused events, and after a greeting by kSessionRefusalsMax ranges, because nothing more is read
/// from a client that does not take its answers. The server bounds what all of them hold together.
struct Outbox {
    std::optional<WelcomeFrame> welcome;
    std::vector<RefusedRange> nacks;
    std::optional<AckFrame> ack;  ///< the newest one replaces any before it

    bool is_empty() const { return !welcome && nacks.empty() && !ack; }
    std::size_t size_bytes() const { return nacks.capacity() * sizeof(RefusedRange); }
};

/// What all conversations of one server share.
struct IngestParts {
    SessionTable& sessions;
    ExposureMemory& exposures;
    IngestQueue& queue;
    Counters& counters;
    RefusalLog& refusal_log;
};

class IngestConversation {
public:
    IngestConversation(IngestParts& parts, std::uint64_t connection_id)
        : parts_(parts), connection_id_(connection_id) {}
    ~IngestConversation();
    IngestConversation(const IngestConversation&) = delete;
    IngestConversation& operator=(const IngestConversation&) = delete;

    enum class Next {
        kGoOn,
        kClose,  ///< the frame breaks the protocol
    };
    /// Takes one message. Its bytes may be changed: events are moved together and times clamped.
    Next receive(std::span<std::byte> frame, std::int64_t now_unix_ms);

    /// These numbers were refused for good, and that is durable: says so, before any
    /// acknowledge() that covers them.
    void refuse(std::span<const RefusalRecord> refusals);
    /// The session's events up to session()->durable_seq are on disk: acknowledges them.
    void acknowledge();
    /// The batch that begins at `seq` was not stored.
    void refuse_for_now(std::uint64_t seq);
    /// Drop totals were not stored: a client that hears this tells them again.
    void refuse_drops_for_now(std::uint64_t seq) { nack({seq, 1, NackReason::kFull}); }

    bool has_greeted() const { return has_greeted_; }
    /// Null before the greeting, and after another connection took the session over.
    Session* session() const { return session_; }
    /// The session continues elsewhere.
    void leave_session() { session_ = nullptr; }
    /// The connection that had the session when this one greeted; 0 for none.
    std::uint64_t replaced_connection_id() const { return replaced_connection_id_; }
    /// Told to wait with credits 0: owed an ACK when there is room again.
    bool is_starved() const { return is_starved_; }
    /// As many frames under way as it may have: nothing is read before one of them is reported.
    /// Counted by session, so that a client gains nothing by connecting again.
    bool has_all_under_way() const {
        return session_ != nullptr && session_->batches_under_way >= kCredits;
    }
    Outbox& outbox() { return outbox_; }

private:
    Next greet(std::span<const std::byte> frame, std::int64_t now_unix_ms);
    Next take_batch(std::span<std::byte> frame, std::int64_t now_unix_ms);
    Next take_events(const BatchFrame& batch, std::span<std::byte> events,
                     std::int64_t now_unix_ms);
    /// Puts events that are new on their way to the disk, or refuses all of them for now.
    Next store_events(const BatchFrame& batch, std::span<std::byte> events, std::uint64_t first_seq,
                      std::uint32_t count, std::int64_t now_unix_ms);
    /// Cuts the first `skip` events off, which are here already. @return false if the sizes lie.
    static bool skip_events(std::span<std::byte>* events, std::uint32_t skip);
    Next take_drops(const BatchFrame& batch, std::int64_t now_unix_ms);
    /// Puts a batch on its way to the disk, with the drop totals when they have changed.
    bool push(const BatchFrame& frame, StagedBatch staged, const ExposureCounts& exposures = {});
    bool has_new_drops(const BatchFrame& batch) const;
    /// A client that has been away hears first what of its undecided events was refused.
    void repeat_refusals(WelcomeFrame* welcome);
    void nack(const RefusedRange& range);
    std::uint32_t credits() const;

    IngestParts& parts_;
    std::uint64_t connection_id_;
    Session* session_ = nullptr;
    bool has_greeted_ = false;
    bool is_starved_ = false;
    std::uint64_t replaced_connection_id_ = 0;
    Outbox outbox_;
};

}  // namespace burgee::daemon
