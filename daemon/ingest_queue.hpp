#pragma once

// Hands batches from the event server's thread to the spool's: a bounded queue, and the thread that
// stores what is in it, a group at a time. While one group is synced the next one gathers, so the
// group's size follows the load by itself.
//
// Invariants:
//   1. Batches of a session are stored in the order they were pushed.
//   2. After a failed commit everything queued fails with it, and nothing is taken until the pusher
//      has seen that and calls resume(): else a later batch would overtake a lost one.
//   3. A batch takes room from push() until the pusher calls settle() with its report, so the bound
//      holds for batches, groups and reports together.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "daemon/exposure_memory.hpp"
#include "daemon/session_table.hpp"
#include "daemon/spool/spool.hpp"

namespace burgee::daemon {

/// When a batch is reported as stored.
enum class Durability : std::uint8_t {
    kSynced,   ///< the disk has it
    kRelaxed,  ///< the kernel has it: a power cut may take it, the death of burgeed does not
};

struct IngestLimits {
    Durability durability = Durability::kSynced;
    std::size_t queue_size_bytes_max = 16U << 20U;
    std::size_t group_size_bytes_max = 1U << 20U;   ///< what one sync stores
    std::chrono::milliseconds watermark_after{50};  ///< of quiet
};

/// What became of some batches, in the order they were pushed.
struct IngestReport {
    struct Batch {
        Session* session = nullptr;
        std::uint64_t first_seq = 0;
        std::uint32_t seq_count = 0;  ///< 0: it held drop totals alone
        std::uint32_t event_count = 0;
        std::vector<RefusalRecord> refusals;
        std::shared_ptr<const SessionTotals> totals;  ///< null when they had not changed
        ExposureCounts exposures;
    };
    std::vector<Batch> batches;
    std::optional<SpoolError> error;  ///< none of the batches is stored
    std::size_t size_bytes = 0;       ///< of the events
    std::size_t room_bytes = 0;       ///< what the batches take of the queue until settle()
    std::uint64_t commits = 0;
};

class IngestQueue {
public:
    /// `report` is called on the spool's thread, once for each group. The spool outlives the queue.
    IngestQueue(Spool& spool, const IngestLimits& limits, std::function<void(IngestReport)> report);
    ~IngestQueue();
    IngestQueue(const IngestQueue&) = delete;
    IngestQueue& operator=(const IngestQueue&) = delete;

    /// Copies the batch into the queue. @return false when it is full or waits for resume().
    /// The session must stay where it is until its batch was reported.
    /// @param exposures  of the batch: reported, and repetitions are not charged for an answer
    bool push(const StagedBatch& batch, Session* session, const ExposureCounts& exposures = {});

    /// Whether a frame of the worst kind would find room. True also when push() would refuse it for
    /// another reason: then it is better refused than left waiting.
    bool has_room() const;

    /// Whether more than half of the room is taken: the rest is kept for what is under way when the
    /// clients learn of it.
    bool is_half_full() const;

    /// The pusher has dealt with the report: its batches need no room any more.
    void settle(const IngestReport& report);

    /// The pusher has dealt with the failure that was reported last.
    void resume();

    /// Stores what is queued, reports it, and ends the thread. Nothing is taken afterwards.
    void stop();

    /// What waits, is being stored or waits to be settled: events, bookkeeping, and the answers
    /// that refused events will cause.
    std::size_t size_bytes() const;

private:
    struct Entry {
        StagedBatch batch;
        Session* session = nullptr;
        std::vector<std::byte> events;
        std::size_t size_bytes = 0;  ///< its share of size_bytes()
        std::vector<RefusalRecord> refusals;
        std::shared_ptr<const SessionTotals> totals;
        ExposureCounts exposures;
    };
    using Entries = std::vector<Entry>;
    static IngestReport::Batch describe(const Entry& entry);
    void run();
    void store(Entries* pending);
    /// Stages entries from `begin` on until a group is full. @return the first one left over.
    std::size_t stage_group(const Entries& pending, std::size_t begin, IngestReport* report);
    void fail(const Entries& pending, std::size_t begin, IngestReport report);

    Spool& spool_;
    IngestLimits limits_;
    std::function<void(IngestReport)> report_;
    mutable std::mutex mutex_;
    std::condition_variable pushed_;
    Entries queued_;
    std::size_t size_bytes_ = 0;
    bool has_failed_ = false;
    bool is_stopping_ = false;
    std::thread thread_;
};

}  // namespace burgee::daemon
