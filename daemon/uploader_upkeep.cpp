// The part of the uploader that keeps the database's side in order: partitions, the host's row,
// rows that others wrote.

#include <spdlog/spdlog.h>

#include <random>

#include "daemon/uploader.hpp"

namespace burgee::daemon {
namespace {

// Longer than what burgee.housekeeping wants between two attempts at retention (migration 014).
constexpr std::chrono::minutes kPartitionInterval{60};
// For notes of other writers' rows after each heartbeat; chosen by feel. A full one takes 0.3 s, so
// each has a transaction of its own: what is folded stays so, and no unit is held for longer.
constexpr std::chrono::milliseconds kFoldingTime{500};

std::uint64_t dropped_by_clients(const Counters& counters) {
    std::uint64_t sum = 0;
    for (const Counter counter :
         {Counter::client_dropped_ring_full, Counter::client_dropped_session_expired,
          Counter::client_dropped_too_big, Counter::client_dropped_invalid,
          Counter::client_dropped_no_experiment}) {
        sum += counters.value(counter);
    }
    return sum;
}

}  // namespace

// What keeps the database's side in order. A failure is logged and waits for its next turn: it must
// not hold events up.
void Uploader::maintain() {
    const Clock::time_point now = Clock::now();
    if (now >= next_partitions_) {
        next_partitions_ = now + kPartitionInterval;
        ensure_partitions();
        drop_old_partitions();
    }
    if (now >= next_heartbeat_) {
        next_heartbeat_ = now + options_.heartbeat_interval;
        spool_.release(cursor_lsn_, now);  // time alone ends the replay window of a segment
        report_host();
        fold_waiting_units();
    }
}

void Uploader::fold_waiting_units() {
    const Clock::time_point until = Clock::now() + kFoldingTime;
    bool has_folded = true;
    while (has_folded && Clock::now() < until && !is_stopping()) {
        const auto folded = writer_.fold_waiting_units(1);
        if (folded.has_error()) {
            spdlog::warn("upload: rows of other writers wait: {}", folded.error().message);
        }
        has_folded = folded.has_value() && *folded > 0;
    }
}

void Uploader::ensure_partitions() {
    const auto done = writer_.ensure_partitions(options_.partition_days_ahead);
    if (!done.has_error()) {
        return;
    }
    spdlog::warn("upload: no new partitions, rows go to the default one: {}", done.error().message);
    if (done.error().kind == sync::SyncErrorKind::kBusy) {
        // Not at once, and hosts not together: each attempt makes who needs the DEFAULT partition
        // wait.
        std::uniform_int_distribution<std::int64_t> wait_ms(options_.partition_retry_min.count(),
                                                            options_.partition_retry_max.count());
        next_partitions_ = Clock::now() + std::chrono::milliseconds(wait_ms(random_));
    }
}

void Uploader::drop_old_partitions() {
    const auto dropped = writer_.drop_old_partitions();
    if (dropped.has_error()) {
        spdlog::warn("upload: old partitions stay for another hour: {}", dropped.error().message);
    } else if (!dropped->empty()) {
        spdlog::info("upload: retention dropped {}", *dropped);
    }
}

void Uploader::report_host() {
    sync::HostReport report;
    report.host = options_.writer.host_name;
    report.spool_id = spool_.spool_id();
    if (options_.snapshot_position) {
        const SnapshotPosition position = options_.snapshot_position();
        report.generation = position.generation;
        report.revision = position.revision;
    }
    const std::uint64_t end = spool_.durable_end_lsn();
    report.lag_events = end > cursor_lsn_ ? end - cursor_lsn_ : 0;
    report.drop_count = dropped_by_clients(counters_) + counters_.value(Counter::events_lost);
    report.version = options_.program_version;
    report.spool_size_bytes = spool_.statistics().size_bytes;
    const auto done = writer_.report_host(report);
    if (done.has_error()) {
        spdlog::debug("upload: no heartbeat: {}", done.error().message);
    }
}

}  // namespace burgee::daemon
