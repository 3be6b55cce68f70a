#include "daemon/uploader.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "daemon/spool/mutations.hpp"
#include "shm/assertion.hpp"

namespace burgee::daemon {
namespace {

constexpr std::chrono::milliseconds kAttentionRetryMax{5'000};  // chosen by feel

// A backlog of this length is worth a transaction at once; below it the host is idle enough to wait
// for company. Chosen by feel, change freely.
constexpr std::uint64_t kBusyBacklog = 10'000;

// How long a stop waits for a transaction under way before breaking it, and between two attempts
// to.
constexpr std::chrono::milliseconds kStopPatience{300};
constexpr std::chrono::milliseconds kInterruptInterval{50};

// The longest sleep without looking at the clock for heartbeats and partitions.
constexpr std::chrono::milliseconds kIdleWait{500};

std::uint64_t events_max(const UploaderOptions& options) {
    return options.writer.stores_raw_rows ? options.batch_events_max
                                          : options.folded_batch_events_max;
}

}  // namespace

Uploader::Uploader(Spool& spool, Counters& counters, UploaderOptions options)
    : spool_(spool),
      counters_(counters),
      options_(std::move(options)),
      lsn_at_start_(spool.durable_end_lsn()),
      writer_(options_.connection, options_.writer),
      source_(spool),
      cursor_lsn_(std::max<std::uint64_t>(spool.oldest_lsn(), 1)),
      batch_events_(events_max(options_)),
      retry_wait_(options_.retry_min),
      random_(std::random_device{}()),
      next_heartbeat_(Clock::now()),
      next_partitions_(Clock::now()),
      status_{false, false, cursor_lsn_, 0, ""},
      thread_([this] { run(); }) {
    BURGEE_ASSERT(options_.retry_min.count() > 0 && options_.retry_min <= options_.retry_max);
    BURGEE_ASSERT(options_.partition_retry_min <= options_.partition_retry_max);
}

Uploader::~Uploader() {
    {
        std::unique_lock lock(mutex_);
        is_stopping_ = true;
        changed_.notify_all();
        spool_.wake();
        changed_.wait_for(lock, kStopPatience, [this] { return is_finished_; });
        while (!is_finished_) {
            // Again and again: the thread may have been about to start its next statement.
            lock.unlock();
            spool_.wake();
            writer_.interrupt();
            lock.lock();
            changed_.wait_for(lock, kInterruptInterval, [this] { return is_finished_; });
        }
    }
    thread_.join();
}

UploaderStatus Uploader::status() const {
    std::lock_guard lock(mutex_);
    UploaderStatus status = status_;
    const std::uint64_t end = spool_.durable_end_lsn();
    status.lag_events = end > status.cursor_lsn ? end - status.cursor_lsn : 0;
    return status;
}

void Uploader::break_stuck_turn() {
    {
        const std::lock_guard lock(mutex_);
        if (Clock::now() - turn_began_ < options_.turn_patience) {
            return;
        }
        turn_began_ = Clock::now();
    }
    spdlog::error("upload: stuck, breaking the connection");
    writer_.interrupt();
}

void Uploader::run() {
    while (!is_stopping()) {
        {
            const std::lock_guard lock(mutex_);
            turn_began_ = Clock::now();
        }
        if (!is_cursor_open_ && !open_cursor()) {
            continue;
        }
        maintain();
        if (!spool_.wait(cursor_lsn_, kIdleWait)) {
            continue;
        }
        if (spool_.durable_end_lsn() - cursor_lsn_ < kBusyBacklog) {
            pause(options_.gather_time);
        }
        if (!is_stopping()) {
            upload();
        }
    }
    std::lock_guard lock(mutex_);
    is_finished_ = true;
    changed_.notify_all();
}

// A database that has never seen this spool, or was restored to a time before, gets all that is
// kept.
bool Uploader::open_cursor() {
    if (const auto change = spool_.pending_id_change()) {
        finish_id_change(*change);
        return is_cursor_open_;
    }
    const sync::WriteReport report =
        writer_.open_cursor(spool_.spool_id(), std::max<std::uint64_t>(spool_.oldest_lsn(), 1));
    if (report.status != sync::WriteStatus::kCommitted) {
        fail(report);
        return false;
    }
    const bool was_moved_by_another =
        has_opened_ && report.next_lsn > delivered_end_lsn_ && report.transactions == 0;
    if (report.next_lsn > spool_.durable_end_lsn() || was_moved_by_another) {
        begin_id_change(report.next_lsn);
        return is_cursor_open_;
    }
    is_cursor_open_ = true;
    has_opened_ = true;
    take(report);
    return true;
}

// The database has events of this spool that this process has not sent: the disk is a copy of
// another host's. What was here at the start is the other host's to deliver; what came since is
// ours alone and travels under a new id.
//
// Three steps, each harmless to repeat, so that a crash between any two costs nothing:
//   1. the new id and its first event are noted on disk; the old id is still the spool's;
//   2. PostgreSQL gets the cursor of the new id, at that event;
//   3. the new id becomes the spool's, durably.
// An id that was the spool's before its cursor stood there would look like a spool that the
// database has never seen, and everything kept would be sent, the other host's events included.
void Uploader::begin_id_change(std::uint64_t database_lsn) {
    is_cursor_open_ = false;
    spdlog::error(
        "upload: the database stands at event {}, this process left it at {} and its spool ends at "
        "{}: the disk is a copy of another host's; going on under a new spool id",
        database_lsn, cursor_lsn_, spool_.durable_end_lsn());
    const auto change = spool_.propose_id(std::max(lsn_at_start_, cursor_lsn_));
    if (!change) {
        fail_id_change(change.error());
        return;
    }
    finish_id_change(*change);
}

void Uploader::finish_id_change(const SpoolIdChange& change) {
    const sync::WriteReport report = writer_.open_cursor(change.id, change.first_lsn);
    if (report.status != sync::WriteStatus::kCommitted) {
        fail(report);
        return;
    }
    if (report.next_lsn != change.first_lsn) {
        // Nothing of ours was sent under this id yet: the disk was copied again with the note on
        // it, and the other host was faster.
        if (const auto other = spool_.propose_id(change.first_lsn); !other) {
            fail_id_change(other.error());
        }
        return;
    }
    if (const auto adopted = spool_.adopt_id(); !adopted) {
        fail_id_change(adopted.error());
        return;
    }
    counters_.add(Counter::spool_id_changes);
    cursor_lsn_ = report.next_lsn;
    delivered_end_lsn_ = report.next_lsn;
    is_cursor_open_ = true;
    has_opened_ = true;
    show(true, false, "");
}

void Uploader::fail_id_change(const SpoolError& error) {
    sync::WriteReport report;
    report.status = sync::WriteStatus::kConfiguration;
    report.error.message =
        "this spool is a copy of another host's and cannot take an id of its own: " + error.message;
    fail(report);
}

std::uint64_t Uploader::batch_end() const {
    std::uint64_t end = std::min(spool_.durable_end_lsn(), cursor_lsn_ + batch_events_);
    // A batch is either wholly new or wholly a repetition, so that each is counted as what it is.
    if (cursor_lsn_ < delivered_end_lsn_) {
        end = std::min(end, delivered_end_lsn_);
    }
    // A full spool refuses events until its oldest segments may go: no batch reaches past that.
    if (const auto lsn = spool_.lsn_that_makes_room(); lsn && *lsn > cursor_lsn_) {
        end = std::min(end, *lsn);
    }
    return end;
}

// A server too slow for the whole backlog within its time, or a link that never lasts that long,
// would be sent the same batch for ever.
void Uploader::fit_batch(const sync::WriteReport& report) {
    if (report.status == sync::WriteStatus::kCommitted) {
        // Cut short while it was bisected: what comes next may be as bad.
        const bool was_cut_short = report.was_bisected && report.next_lsn < attempted_end_lsn_;
        batch_events_ = was_cut_short ? report.next_lsn - cursor_lsn_
                                      : std::min(events_max(options_), 2 * batch_events_);
    } else if (report.status == sync::WriteStatus::kRetry) {
        const std::uint64_t tried = attempted_end_lsn_ - cursor_lsn_;
        batch_events_ = std::min(batch_events_, std::max(tried / 2, kBusyBacklog));
    }
}

void Uploader::upload() {
    attempted_end_lsn_ = batch_end();
    if (attempted_end_lsn_ <= cursor_lsn_) {
        return;
    }
    const sync::MetricBatch batch{spool_.spool_id(), cursor_lsn_, attempted_end_lsn_};
    const sync::WriteReport report = writer_.write(batch, source_);
    fit_batch(report);
    switch (report.status) {
        case sync::WriteStatus::kCommitted:
            take(report);
            return;
        case sync::WriteStatus::kCursorMoved:
        case sync::WriteStatus::kForeignCursor:
            count(report);
            if (report.transactions > 0) {
                move_to(report.committed_end_lsn);
            }
            // What of this batch was ours is counted: whoever moved the cursor further than it ever
            // was is another. Up to there it is a database that went back, and forward again.
            if (report.next_lsn > delivered_end_lsn_) {
                begin_id_change(report.next_lsn);
            } else {
                is_cursor_open_ = false;
            }
            return;
        case sync::WriteStatus::kRetry:
        case sync::WriteStatus::kConfiguration:
            take(report);
            is_cursor_open_ = false;
            fail(report);
            return;
    }
}

// Goes on where the database says. Behind us: it was restored, and what is still kept is sent
// again.
void Uploader::take(const sync::WriteReport& report) {
    count(report);
    if (report.next_lsn < delivered_end_lsn_ && report.next_lsn < cursor_lsn_) {
        spdlog::warn(
            "upload: the database went back from event {} to {}; sending what is kept again",
            cursor_lsn_, report.next_lsn);
    }
    move_to(report.next_lsn);
    if (report.status == sync::WriteStatus::kCommitted) {
        spool_.release(cursor_lsn_);
        retry_wait_ = options_.retry_min;
        show(true, false, "");
    }
}

void Uploader::move_to(std::uint64_t lsn) {
    cursor_lsn_ = lsn;
    delivered_end_lsn_ = std::max(delivered_end_lsn_, cursor_lsn_);
}

void Uploader::count(const sync::WriteReport& report) {
    if (report.transactions == 0) {
        return;
    }
    counters_.add(Counter::uploads, report.transactions);
    const std::uint64_t stored = report.delivered + report.dead_lettered;
    const std::uint64_t end = report.committed_end_lsn;
    const std::uint64_t passed = end - std::min(end, cursor_lsn_);
    const std::uint64_t missing = passed - std::min(passed, stored);
    if (cursor_lsn_ < delivered_end_lsn_) {
        counters_.add(Counter::events_replayed, stored);
        counters_.add(Counter::events_replay_missing, missing);
        return;
    }
    counters_.add(Counter::events_delivered, report.delivered + (kMutateMiscount ? 1 : 0));
    counters_.add(Counter::events_dead_lettered, report.dead_lettered);
    counters_.add(Counter::events_lost, missing);
}

void Uploader::fail(const sync::WriteReport& report) {
    counters_.add(Counter::upload_failures);
    const bool needs_attention = report.status == sync::WriteStatus::kConfiguration;
    show(false, needs_attention, report.error.message);
    // A missing partition is a failure that looking after the partitions may end.
    if (report.error.sqlstate == "23514") {
        next_partitions_ = Clock::now();
    }
    // Decorrelated jitter: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog
    // (2015).
    std::uniform_int_distribution<std::int64_t> wait_ms(
        options_.retry_min.count(), std::max(options_.retry_min.count(), 3 * retry_wait_.count()));
    // Somebody is about to mend what needs attention, and wants to see that it is.
    const auto longest =
        needs_attention ? std::min(options_.retry_max, kAttentionRetryMax) : options_.retry_max;
    retry_wait_ = std::min(longest, std::chrono::milliseconds(wait_ms(random_)));
    pause(retry_wait_);
}

void Uploader::pause(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, time, [this] { return is_stopping_; });
}

void Uploader::show(bool is_connected, bool needs_attention, const std::string& error) {
    std::lock_guard lock(mutex_);
    if (!error.empty() && error != status_.error) {
        spdlog::log(needs_attention ? spdlog::level::err : spdlog::level::warn,
                    "upload: {}; events wait in the spool", error);
    } else if (error.empty() && !status_.error.empty()) {
        spdlog::info("upload: going on at event {}", cursor_lsn_);
    }
    status_.is_connected = is_connected;
    status_.needs_attention = needs_attention;
    status_.cursor_lsn = cursor_lsn_;
    status_.error = error;
}

bool Uploader::is_stopping() const {
    std::lock_guard lock(mutex_);
    return is_stopping_;
}

}  // namespace burgee::daemon
