#pragma once

// The host's durable queue of events: what was acknowledged to a client is in here, and stays until
// PostgreSQL has it. Relied on by the ingest thread (writes), the uploader (reads) and `burgee
// spool`. docs/spool_format.md describes the files.
//
// Invariants:
//   1. An event has one number, its LSN: 1, 2, 3, ... without holes. It never changes.
//   2. commit() returns only after the disk has the group; read() shows nothing younger. So the
//      database is never ahead of what a power cut leaves here.
//   3. A recovered segment is never appended to, and no file is synced again after a failed sync,
//      but by recovery, which writes again what such a sync may have left out.
//   4. What the disk lost is a gap: counted, reported by read(), written down. Never silence.
//   5. release() gives up only whole segments below the cursor and outside the replay window.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/spool/spool_disk.hpp"
#include "daemon/spool/spool_error.hpp"
#include "daemon/spool/spool_format.hpp"

namespace burgee::daemon {

using SpoolId = std::array<std::uint8_t, 16>;
using SessionId = std::array<std::uint8_t, 16>;

struct SpoolOptions {
    std::uint64_t segment_size_bytes = 64ULL << 20;  ///< 1 MiB or more
    std::uint64_t cap_bytes = 4ULL << 30;            ///< all segments together; three at least
    /// What is kept, delivered, for a database restored to an earlier moment: the newest bytes, and
    /// beyond them what was delivered within the time, as long as the cap leaves room; less on a
    /// disk that has less room. 0 bytes: no window at all.
    std::uint64_t replay_window_bytes = 256ULL << 20;
    std::chrono::milliseconds replay_window_time = std::chrono::hours(1);
    /// Called by open() with the events of every frame that it found, in the order of their LSNs;
    /// means nothing when open() fails. Empty: nobody asks.
    std::function<void(std::span<const std::byte> events)> on_recovered_events;
};

/// An id that this spool is to take, and the first event that travels under it; those before are
/// somebody else's to deliver.
struct SpoolIdChange {
    SpoolId id{};
    std::uint64_t first_lsn = 0;
};

/// The events of one client frame, already checked. `events` holds `event_count` events back to
/// back; each begins with its size in bytes as a 32-bit number, a multiple of 8, 64 at least.
struct StagedBatch {
    SessionId session_id{};
    std::uint64_t first_seq = 0;    ///< of the session
    std::uint32_t seq_count = 0;    ///< numbers used up, refused events included
    std::uint32_t event_count = 0;  ///< events stored: at most seq_count
    std::int64_t staged_unix_ms = 0;
    std::span<const std::byte> events;
    std::span<const RefusalRecord> refusals;  ///< of these numbers, ascending
    /// What the session has told so far, when that changed; a batch may hold nothing else.
    const SessionTotals* totals = nullptr;
};

/// Where a session stands: every number up to `last_seq` is durable or was refused for good.
struct SessionPosition {
    SessionId session_id{};
    std::uint64_t last_seq = 0;
    std::int64_t seen_unix_ms = 0;
};

/// Events [first_lsn, first_lsn + count) that the disk lost or that were released earlier.
struct SpoolGap {
    std::uint64_t first_lsn = 0;
    std::uint64_t count = 0;
    friend bool operator==(const SpoolGap&, const SpoolGap&) = default;
};

/// What read() found. Each LSN in [first_lsn, end_lsn) is in exactly one run or one gap.
struct SpoolBatch {
    struct Run {
        std::uint64_t first_lsn = 0;
        std::uint64_t count = 0;
        std::size_t offset = 0;  ///< of its first event in `bytes`
    };
    std::uint64_t first_lsn = 0;
    std::uint64_t end_lsn = 0;
    std::uint64_t event_count = 0;
    std::vector<std::byte> bytes;
    std::vector<Run> runs;
    std::vector<SpoolGap> gaps;

    /// Calls `take(lsn, event bytes)` for every event in LSN order.
    template <class Take>
    void for_each_event(Take&& take) const {
        for (const Run& run : runs) {
            std::size_t offset = run.offset;
            for (std::uint64_t index = 0; index < run.count; ++index) {
                std::uint32_t size_bytes = 0;
                std::memcpy(&size_bytes, bytes.data() + offset, sizeof size_bytes);
                take(run.first_lsn + index, std::span(bytes.data() + offset, size_bytes));
                offset += size_bytes;
            }
        }
    }
};

struct SpoolReadLimits {
    std::uint64_t events_max = 1'000'000;
    std::uint64_t size_bytes_max = 64ULL << 20;  ///< reached, not passed, except by a first event
};

struct SpoolStatistics {
    std::uint64_t oldest_lsn = 0;       ///< of the events still on disk
    std::uint64_t durable_end_lsn = 0;  ///< one past the last durable event
    std::uint64_t released_lsn = 0;     ///< the cursor last given to release()
    std::uint64_t events_in_spool = 0;  ///< durable, not lost, not below the cursor
    std::uint64_t events_lost = 0;      ///< in all gaps the kept segments know
    std::uint64_t segments = 0;
    std::uint64_t size_bytes = 0;  ///< of all segment files, spares included
    std::uint64_t commits = 0;
    std::uint64_t committed_bytes = 0;
    std::uint64_t sync_failures = 0;
    std::uint64_t quarantined_bytes = 0;
    std::uint64_t recovered_end_lsn = 0;  ///< durable_end_lsn when this process opened the spool
    /// The cursor first given to release(): where the database stood. Before that: the oldest event
    /// that was kept.
    std::uint64_t first_cursor_lsn = 0;
};

class Spool {
public:
    /// Opens the spool in `directory` (which must exist, mode 0700), creating it when it is empty,
    /// and recovers what is there. Every byte of every kept segment is read and verified.
    /// @error kBadDirectory, kLocked, kNewerFormat, kIo. A full disk is no error: commit() says so.
    /// Cost: about 0.2 ms, and 1 s for every GiB kept or faster.
    static SpoolResult<std::unique_ptr<Spool>> open(const std::string& directory,
                                                    const SpoolOptions& options);
    /// The same on any disk: tests cut its power.
    static SpoolResult<std::unique_ptr<Spool>> open(std::unique_ptr<SpoolDisk> disk,
                                                    const SpoolOptions& options);
    ~Spool();
    Spool(const Spool&) = delete;
    Spool& operator=(const Spool&) = delete;

    // ---- one ingest thread ----

    /// Takes a batch into the group that the next commit() stores; writes nothing yet.
    /// @return the LSN of its first event, valid once commit() succeeds.
    /// @error kTooBig: events over 128 KiB, or counts that contradict each other.
    SpoolResult<std::uint64_t> stage(const StagedBatch& batch);

    /// Writes everything staged without a sync, so that it outlives this process, not the machine;
    /// read() does not show it yet. Only between the last stage() and its commit(), which must
    /// follow. @return false: not done, since a segment ends here, the disk refused, or an earlier
    /// group that was written still waits for its sync; commit() is as always.
    bool write();

    /// Stores everything staged: one write and one sync, more only when a segment ends here.
    /// @return durable_end_lsn() after it.
    /// @error kFull, kDiskFailed: the whole group is forgotten, as if it had never been staged.
    /// What
    ///        write() wrote stays, and every later commit() or tick() tries to store it first.
    SpoolResult<std::uint64_t> commit();

    /// Call when nothing was committed for 50 ms: notes on disk how far the disk is known to be
    /// good, so that later damage to the last group cannot pass for a torn write. Does nothing the
    /// second time. @error as commit().
    SpoolResult<std::uint64_t> tick();

    /// Call between commits, once those who waited for one have their answer: readies the room of
    /// the next segment piece by piece, so that beginning it waits for little and its syncs are
    /// quick. Nothing is wrong without it. Cost: seldom more than writing 4 MiB to the page cache.
    void prepare_ahead();

    /// Bytes staged and not committed.
    std::size_t staged_size_bytes() const;

    // ---- one uploader thread ----

    /// Reads durable events from `from_lsn` on into `batch`, reusing its memory. At the end of the
    /// spool the batch is empty. LSNs that are gone are reported as gaps.
    /// @error kBeyondEnd: from_lsn > durable_end_lsn(): the database is ahead of this spool.
    /// Cost: sequential reads; a frame's checksum is verified again.
    SpoolResult<void> read(std::uint64_t from_lsn, const SpoolReadLimits& limits,
                           SpoolBatch& batch);

    /// Waits until an event at or after `lsn` is durable. @return false at the timeout or a wake().
    bool wait(std::uint64_t lsn, std::chrono::milliseconds timeout);

    /// Ends a wait() under way, from any thread.
    void wake();

    /// Events below `next_lsn` are in PostgreSQL: recycles segments that nobody needs any more.
    /// Call it now and then when idle too, because time alone takes segments out of the replay
    /// window. After a restart the time counts from the first call.
    void release(std::uint64_t next_lsn,
                 std::chrono::steady_clock::time_point now = std::chrono::steady_clock::now());

    // ---- any thread ----

    /// When the spool is at its cap and the next segment would find no room: the cursor from which
    /// on release() makes some. So an uploader knows where a batch helps soonest. Never waits for
    /// the disk.
    std::optional<std::uint64_t> lsn_that_makes_room() const;

    /// Who numbers these events: with an LSN it names an event for ever.
    SpoolId spool_id() const;

    /// Makes up a new id, for a database that has seen this one further on (a cloned disk), and
    /// notes it on disk with the first event that is to travel under it; events keep their LSNs.
    /// spool_id() stays as it is until adopt_id(), which is called once the database knows a cursor
    /// of the new id: a crash at any moment in between finds pending_id_change(). A change that is
    /// pending already is replaced. @error kFull, kDiskFailed: nothing has changed.
    SpoolResult<SpoolIdChange> propose_id(std::uint64_t first_lsn);
    /// What was proposed, by this process or an earlier one, and not yet adopted.
    std::optional<SpoolIdChange> pending_id_change() const;
    /// Makes the proposed id the spool's, durably. Precondition: one is pending.
    /// @error kFull, kDiskFailed: nothing has changed.
    SpoolResult<void> adopt_id();

    std::uint64_t durable_end_lsn() const;
    std::uint64_t oldest_lsn() const;
    /// Never waits for the disk: the figures may lack what a commit or release under way does.
    SpoolStatistics statistics() const;

    /// Sessions as far as they are durable: what recovery found plus what was committed since.
    std::vector<SessionPosition> sessions() const;
    /// What belongs to those sessions, likewise.
    std::vector<RefusalRecord> refusals() const;
    std::vector<TotalsRecord> session_totals() const;

private:
    class State;
    explicit Spool(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace burgee::daemon
