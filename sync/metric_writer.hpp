#pragma once

// Stores events in PostgreSQL exactly once: one batch is one transaction that moves the spool's
// cursor, copies the raw rows and merges the state of each unit. docs/event_storage.md tells the
// whole protocol. Relied on by the daemon's uploader; nobody else writes events.
//
// Invariants:
//   1. The cursor moves in the transaction that stores what it passes. Whatever an answer says or
//      fails to say, `next_lsn` in the database is the truth, and it alone decides what comes next.
//   2. An event is stored, or it is in burgee.dead_letter with the reason; there is no third place.
//   3. Rows are merged in the order of (unit, cell), and last, so that two writers on the same
//   units
//      wait for each other instead of deadlocking, and only for a short time.

#include <cstdint>
#include <memory>
#include <string>

#include "shm/flag_set.hpp"
#include "sync/metric_event.hpp"
#include "sync/pg_session.hpp"

namespace burgee::sync {

struct MetricWriterOptions {
    bool stores_raw_rows = true;  ///< false: only unit state and dead letters are written
    /// A batch ends early when it has folded to this many rows: 400 000 rows with their table take
    /// 36 MB, the most that fits the daemon's 64 MiB.
    std::uint32_t folded_rows_max = 400'000;
    std::string host_name = {};  ///< kept beside the cursor, for people
    /// Large merges of all writers take turns; docs/decisions/large_merges_queue.md says why.
    bool queues_large_merges = true;
};

/// The events of one spool to store together: first_lsn <= lsn < end_lsn.
struct MetricBatch {
    Uuid spool_id{};
    std::uint64_t first_lsn = 0;  ///< must be where the cursor stands
    std::uint64_t end_lsn = 0;    ///< may be cut short by folded_rows_max
};

enum class WriteStatus : std::uint8_t {
    kCommitted,      ///< stored; go on at next_lsn
    kRetry,          ///< the database was not there or refused for now; nothing or all was stored
    kConfiguration,  ///< rights, schema or database are wrong; a person is needed, retry slowly
    kCursorMoved,    ///< the database stands at next_lsn, not at first_lsn: read on from there
    kForeignCursor,  ///< no cursor for this spool: open_cursor() first
};

/// What a batch came to. Counts are of this call alone, 0 unless something was committed.
struct WriteReport {
    WriteStatus status = WriteStatus::kRetry;
    std::uint64_t next_lsn = 0;       ///< the cursor, as far as it is known
    std::uint64_t delivered = 0;      ///< events stored, raw rows on or off
    std::uint64_t dead_lettered = 0;  ///< events kept in burgee.dead_letter
    std::uint64_t folded = 0;         ///< of `delivered`, those that count for a result
    std::uint64_t folded_rows = 0;    ///< rows merged into burgee.unit_metrics
    std::uint64_t without_unit = 0;   ///< of `delivered`: raw only, no unit
    std::uint64_t outside_dates = 0;  ///< of `delivered`: raw only, not within [start, end)
    std::uint64_t too_large = 0;      ///< of `delivered`: raw only, |value| > kFoldedValueMax
    std::uint64_t transactions = 0;   ///< committed ones; more than 1 when a batch was bisected
    /// Where the last of them moved the cursor, whoever moved it since; 0 without one.
    std::uint64_t committed_end_lsn = 0;
    bool was_bisected = false;  ///< the database refused some event of the batch
    SyncError error;                  ///< why not, for every status but kCommitted
};

/// What a host tells the fleet about itself.
struct HostReport {
    std::string host;
    Uuid spool_id{};
    std::uint64_t generation = 0;
    std::uint64_t revision = 0;
    std::uint64_t lag_events = 0;  ///< in the spool, not yet in PostgreSQL
    std::uint64_t drop_count = 0;  ///< events lost or dropped since the daemon started
    std::string version;
    std::uint64_t spool_size_bytes = 0;  ///< all files of the spool on disk
};

/// Values beyond this are stored raw and not folded: their squares would overflow the sums of a
/// unit and with them the whole result. Source: (1e100)^2 * 1e9 events * 1e9 units is still finite.
inline constexpr double kFoldedValueMax = 1e100;

class MetricWriter {
public:
    /// Connects on first use. Waits for locks up to 35 s, for a statement up to 60 s and for the
    /// turn to merge up to 120 s, whatever `connection` says: a shorter wait would give up exactly
    /// when writers queue for the same units.
    MetricWriter(PgOptions connection, MetricWriterOptions options);
    ~MetricWriter();
    MetricWriter(const MetricWriter&) = delete;
    MetricWriter& operator=(const MetricWriter&) = delete;

    /// Reads the cursor of a spool, or creates it at `first_lsn` when there is none. Waits for a
    /// transaction whose outcome nobody knows yet; when that was ours and it committed, the report
    /// carries its counts. kCommitted and next_lsn: where to go on; the caller compares that with
    /// what it keeps (older: replay, newer: a cloned spool).
    WriteReport open_cursor(const Uuid& spool_id, std::uint64_t first_lsn);

    /// Stores a batch. Blocks until it is decided or the database cannot be asked. Rows that the
    /// database refuses for their data are found by bisection and put into burgee.dead_letter; the
    /// call returns early, with kCommitted, after 64 of them or 5 s of that.
    /// An unknown outcome is settled by asking the cursor, in this call or, when the database is
    /// gone, in the caller's next open_cursor(), which must come before the next write().
    /// A report with counts and another status than kCommitted means: the first part was stored.
    /// Cost: one transaction; about 4 us an event for a backlog.
    WriteReport write(const MetricBatch& batch, EventSource& source);

    /// Upserts this host's row of burgee.hosts.
    SyncResult<void> report_host(const HostReport& report);

    /// Creates the day partitions of public.ab_test_metrics for today and `days_ahead` days more
    /// where they are missing, each in a transaction of its own (migration 014). One host of the
    /// fleet tries once in 50 s, the others pass by without an error. Does nothing on a table that
    /// is not partitioned. Uploads go on meanwhile; after an error rows go to the DEFAULT
    /// partition.
    /// @error   kBusy  the DEFAULT partition, or the table's definition, was in use for 2 s: try
    ///                 again in some minutes. Days before the one that was busy are made.
    SyncResult<void> ensure_partitions(int days_ahead);

    /// Drops the days that the setting metrics.retention_days no longer wants (migration 012). One
    /// host of the fleet tries once in 59 minutes, whatever came of it; the others pass by. Does
    /// nothing without the setting.
    /// @return  the names of what was dropped, "" for nothing
    /// @error   kBusy  the table was in use for 2 s: try again in an hour
    SyncResult<std::string> drop_old_partitions();

    /// Folds what other writers' rows left waiting (migration 011), at most `notes_max` notes of up
    /// to 10 000 units each, in one transaction.
    /// @return  how many
    SyncResult<std::int64_t> fold_waiting_units(int notes_max);

    /// Breaks a call under way in another thread: it returns kRetry.
    void interrupt();

    // Thread safety: one thread at a time, but for interrupt(). No call throws.

private:
    class State;
    std::unique_ptr<State> state_;
};

}  // namespace burgee::sync
