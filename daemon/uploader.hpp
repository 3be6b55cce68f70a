#pragma once

// Empties the spool into PostgreSQL: one thread, one connection. Relied on by burgeed; nothing
// waits for it. PostgreSQL may be slow, gone or wrong for as long as it likes: events stay in the
// spool.
//
// Invariants:
//   1. Events are released from the spool only after the database's cursor has passed them.
//   2. delivered + dead-lettered + lost = the way the cursor has gone; replayed events are counted
//   apart.
//   3. No failure ends the thread; each is counted, shown in status() and tried again.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <random>
#include <string>
#include <thread>

#include "daemon/counters.hpp"
#include "daemon/event_decode.hpp"
#include "daemon/spool/spool.hpp"
#include "sync/metric_writer.hpp"

namespace burgee::daemon {

/// What this host says about its snapshot, for its row in burgee.hosts.
struct SnapshotPosition {
    std::uint64_t generation = 0;
    std::uint64_t revision = 0;
};

struct UploaderOptions {
    sync::PgOptions connection;
    sync::MetricWriterOptions writer;  ///< host_name included
    std::string program_version;
    /// Of one transaction, when the backlog is that long. With raw rows off an event costs a fold
    /// in memory and no row, so a window may hold what a busy host takes in 5 s; the rows it folds
    /// to stay bounded by writer.folded_rows_max.
    std::uint64_t batch_events_max = 1'000'000;
    std::uint64_t folded_batch_events_max = 5'000'000;
    std::chrono::milliseconds gather_time{50};  ///< an idle host waits this long for company
    std::chrono::milliseconds retry_min{100};
    std::chrono::milliseconds retry_max{30'000};  ///< also the wait after a configuration error
    std::chrono::milliseconds heartbeat_interval{10'000};
    /// A turn of the thread that takes longer hangs: libpq waits for ever after it had no memory for
    /// an answer. Longer than any transaction and any pause. Chosen by feel.
    std::chrono::milliseconds turn_patience{600'000};
    int partition_days_ahead = 2;
    /// After partitions that somebody's lock kept from being made: any wait from one to the other.
    /// Longer than the 50 s of burgee.housekeeping, and short beside the days ahead.
    std::chrono::milliseconds partition_retry_min{60'000};
    std::chrono::milliseconds partition_retry_max{300'000};
    /// Called from the uploader's thread; may be empty.
    std::function<SnapshotPosition()> snapshot_position;
};

struct UploaderStatus {
    bool is_connected = false;     ///< the last thing asked of the database was answered
    bool needs_attention = false;  ///< a person must act: rights, schema, name, a cloned disk
    std::uint64_t cursor_lsn = 0;  ///< of the next event to store
    std::uint64_t lag_events = 0;  ///< durable here, not yet in PostgreSQL
    std::string error;             ///< one line, empty when all is well
};

class Uploader {
public:
    /// Starts the thread. `spool` and `counters` must outlive this object. Create it before the
    /// event server: events that are in the spool now are told from those that come later, in case
    /// this disk turns out to be a copy of another host's.
    Uploader(Spool& spool, Counters& counters, UploaderOptions options);

    /// Ends the thread in less than a second, breaking a transaction under way if need be: what was
    /// not stored stays in the spool. A connect under way cannot be broken: it ends within
    /// connection.connect_timeout an address.
    ~Uploader();
    Uploader(const Uploader&) = delete;
    Uploader& operator=(const Uploader&) = delete;

    /// Thread safety: any thread.
    UploaderStatus status() const;

    /// Breaks the connection when the thread has been away for longer than `turn_patience`; what
    /// hung is tried again. Call it every second or so. Thread safety: any thread.
    void break_stuck_turn();

private:
    using Clock = std::chrono::steady_clock;

    void run();
    bool open_cursor();
    void begin_id_change(std::uint64_t database_lsn);
    void finish_id_change(const SpoolIdChange& change);
    void fail_id_change(const SpoolError& error);
    void upload();
    std::uint64_t batch_end() const;
    void fit_batch(const sync::WriteReport& report);
    void take(const sync::WriteReport& report);
    void move_to(std::uint64_t lsn);
    void count(const sync::WriteReport& report);
    void fail(const sync::WriteReport& report);
    void maintain();
    void ensure_partitions();
    void drop_old_partitions();
    void report_host();
    void fold_waiting_units();
    void pause(std::chrono::milliseconds time);
    void show(bool is_connected, bool needs_attention, const std::string& error);
    bool is_stopping() const;

    Spool& spool_;
    Counters& counters_;
    const UploaderOptions options_;
    const std::uint64_t lsn_at_start_;
    sync::MetricWriter writer_;
    SpoolEventSource source_;

    // Of the thread alone.
    bool is_cursor_open_ = false;
    bool has_opened_ = false;  ///< delivered_end_lsn_ is known: nobody else takes the cursor further
    std::uint64_t cursor_lsn_;  // until the database has said where it is: the oldest that is kept
    // Events below were counted as delivered by this process, or the cursor was past them when it began.
    std::uint64_t delivered_end_lsn_ = 0;
    std::uint64_t attempted_end_lsn_ = 0;  // of the last batch
    std::uint64_t batch_events_;  // at most, of the next batch: halved by a failure, doubled by a success
    std::chrono::milliseconds retry_wait_;
    std::minstd_rand random_;
    Clock::time_point next_heartbeat_;
    Clock::time_point next_partitions_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool is_stopping_ = false;  // guarded by mutex_, as is all below
    bool is_finished_ = false;
    UploaderStatus status_;
    Clock::time_point turn_began_ = Clock::now();

    std::thread thread_;  // the last member: it uses all of the above
};

}  // namespace burgee::daemon
