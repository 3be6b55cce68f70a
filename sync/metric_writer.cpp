#include "sync/metric_writer.hpp"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>
#include <vector>

#include "shm/assertion.hpp"
#include "sync/batch_transaction.hpp"
#include "sync/mutations.hpp"

namespace burgee::sync {
namespace {

// A batch of which every event is refused costs two transactions an event: the caller gets to its
// other duties in between. Chosen by feel.
constexpr std::uint64_t kBisectedLettersMax = 64;
constexpr std::chrono::seconds kBisectionTime{5};

constexpr const char* kCreateCursor =
    "INSERT INTO burgee.spool_cursor (spool_id, next_lsn, first_lsn, host) VALUES ($1, $2, $2, $3)"
    " ON CONFLICT DO NOTHING";
// The lock waits for a transaction that still holds the cursor: after it the answer is final.
constexpr const char* kReadCursor =
    "SELECT next_lsn FROM burgee.spool_cursor WHERE spool_id = $1 FOR UPDATE";
constexpr const char* kReportHost =
    "INSERT INTO burgee.hosts (host, spool_id, generation, revision, spool_lag_events,"
    " dropped_events, program_version, spool_size_bytes, seen_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now()) "
    "ON CONFLICT (host) DO UPDATE SET spool_id = excluded.spool_id,"
    " generation = excluded.generation, revision = excluded.revision,"
    " spool_lag_events = excluded.spool_lag_events, dropped_events = excluded.dropped_events,"
    " program_version = excluded.program_version,"
    " spool_size_bytes = excluded.spool_size_bytes, seen_at = excluded.seen_at";
constexpr const char* kFoldWaitingUnits = "SELECT burgee.fold_waiting_units($1::int)";
// In a transaction of their own, so that an attempt that gives way later stays noted.
constexpr const char* kBeginRetention = "SELECT burgee.begin_housekeeping('retention')";
constexpr const char* kBeginPartitions =
    "SELECT CASE WHEN EXISTS (SELECT FROM burgee.missing_metric_days($1))"
    " THEN burgee.begin_housekeeping('partitions') ELSE false END";
constexpr const char* kDropOldPartitions = "SELECT burgee.drop_old_metric_partitions()";
constexpr const char* kEnsurePartitions = "SELECT burgee.ensure_metric_partitions($1)";

std::string text_of(const Uuid& id) {
    std::string text;
    append_uuid(text, id);
    return text;
}

/// Both this and an ordinary CHECK have SQLSTATE 23514. A server that speaks another language is
/// taken to mean a CHECK: its rows go to burgee.dead_letter, where nothing is lost, instead of
/// waiting for ever.
bool is_missing_partition(const SyncError& error) {
    return error.sqlstate == "23514" &&
           error.message.find("no partition of relation") != std::string::npos;
}

/// The server refused a value, so that somewhere in the batch there is an event to blame.
bool is_poison(const SyncError& error) {
    return error.kind == SyncErrorKind::kRejected && !is_missing_partition(error);
}

WriteStatus status_of(const SyncError& error) {
    const bool is_passing = error.is_transient() || is_missing_partition(error);
    return is_passing ? WriteStatus::kRetry : WriteStatus::kConfiguration;
}

void add_counts(WriteReport& total, const WriteReport& part) {
    total.delivered += part.delivered;
    total.dead_lettered += part.dead_lettered;
    total.folded += part.folded;
    total.folded_rows += part.folded_rows;
    total.without_unit += part.without_unit;
    total.outside_dates += part.outside_dates;
    total.too_large += part.too_large;
    total.transactions += part.transactions;
    total.committed_end_lsn = std::max(total.committed_end_lsn, part.committed_end_lsn);
}

}  // namespace

class MetricWriter::State {
public:
    State(PgOptions connection, MetricWriterOptions options)
        : session_(std::move(connection)), options_(std::move(options)) {}

    WriteReport open_cursor(const Uuid& spool_id, std::uint64_t first_lsn);
    WriteReport write(const MetricBatch& batch, EventSource& source);
    PgSession& session() { return session_; }

private:
    /// A transaction whose answer never came: it moved the cursor of `spool_id` to
    /// report.next_lsn, or it did not happen.
    struct InDoubt {
        Uuid spool_id{};
        WriteReport report;
    };

    WriteReport attempt(const MetricBatch& batch, EventSource& source, const std::string* poison);
    WriteReport settle_failure(const MetricBatch& batch, WriteReport attempted, SyncError error);
    WriteReport read_cursor(const MetricBatch& batch);

    PgSession session_;
    MetricWriterOptions options_;
    WriterMemory memory_;
    std::optional<InDoubt> in_doubt_;
    std::uint64_t believed_lsn_ =
        0;  // read by the mutation alone: where a naive writer would retry
};

// One transaction, and what its failure means. kCommitted: stored up to next_lsn.
WriteReport MetricWriter::State::attempt(const MetricBatch& batch, EventSource& source,
                                         const std::string* poison) {
    WriteReport report;
    const SyncResult<bool> stored =
        session_.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
            report = WriteReport{};
            BatchTransaction transaction(open, options_, memory_);
            const bool is_fenced = poison != nullptr
                                       ? transaction.store_poison(batch, source, *poison, report)
                                       : transaction.store(batch, source, report);
            if (is_fenced && report.next_lsn == batch.first_lsn) {
                throw SyncFailure(SyncErrorKind::kBusy, "the spool could not be read");
            }
            return is_fenced;
        });
    memory_.cells.settle(stored.has_value() && *stored);
    if (stored.has_error()) {
        return settle_failure(batch, report, stored.error());
    }
    if (!*stored) {
        memory_.cells.forget();  // as in open_cursor()
        return read_cursor(batch);
    }
    report.status = WriteStatus::kCommitted;
    report.transactions = 1;
    report.committed_end_lsn = report.next_lsn;
    return report;
}

WriteReport MetricWriter::State::settle_failure(const MetricBatch& batch, WriteReport attempted,
                                                SyncError error) {
    WriteReport failed;
    failed.next_lsn = batch.first_lsn;
    failed.status = status_of(error);
    failed.error = std::move(error);
    if (failed.error.kind != SyncErrorKind::kInDoubt || kMutateNoCursorFence) {
        return failed;
    }
    attempted.transactions = 1;
    attempted.committed_end_lsn = attempted.next_lsn;
    in_doubt_ = InDoubt{batch.spool_id, attempted};
    WriteReport settled = open_cursor(batch.spool_id, batch.first_lsn);
    if (settled.status != WriteStatus::kCommitted || settled.next_lsn == batch.first_lsn) {
        return failed;  // nobody can say yet, or it did not happen
    }
    if (settled.next_lsn != attempted.next_lsn) {
        settled.status = WriteStatus::kCursorMoved;
        settled.error = failed.error;
    }
    return settled;
}

WriteReport MetricWriter::State::read_cursor(const MetricBatch& batch) {
    WriteReport report;
    report.next_lsn = batch.first_lsn;
    const SyncResult<std::optional<std::int64_t>> next_lsn =
        session_.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
            const PgRows rows = open.query(kReadCursor, {text_of(batch.spool_id)});
            return rows.empty() ? std::nullopt : std::optional(rows.integer(0, 0));
        });
    if (next_lsn.has_error()) {
        report.status = status_of(next_lsn.error());
        report.error = next_lsn.error();
        return report;
    }
    const std::optional<std::int64_t> cursor = next_lsn.value();
    report.status = cursor ? WriteStatus::kCursorMoved : WriteStatus::kForeignCursor;
    report.next_lsn = static_cast<std::uint64_t>(cursor.value_or(0));
    report.error.message = "the cursor in the database is not where this spool left it";
    return report;
}

WriteReport MetricWriter::State::open_cursor(const Uuid& spool_id, std::uint64_t first_lsn) {
    // Whoever asks where the database stands may be asking another: one that was restored, or a
    // replica that took over without the last commits.
    memory_.cells.forget();
    WriteReport report;
    const SyncResult<std::int64_t> next_lsn =
        session_.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
            const std::string spool = text_of(spool_id);
            PgRows rows = open.query(kReadCursor, {spool});
            if (rows.empty()) {
                open.query(kCreateCursor, {spool, std::to_string(first_lsn), options_.host_name});
                rows = open.query(kReadCursor, {spool});
            }
            return rows.integer(0, 0);
        });
    if (next_lsn.has_error()) {
        report.status = status_of(next_lsn.error());
        report.error = next_lsn.error();
        return report;
    }
    auto cursor = static_cast<std::uint64_t>(*next_lsn);
    if (kMutateNoCursorFence && believed_lsn_ != 0) {
        cursor = believed_lsn_;
    }
    if (in_doubt_ && in_doubt_->spool_id == spool_id && in_doubt_->report.next_lsn == cursor) {
        report = in_doubt_->report;
    }
    in_doubt_.reset();
    report.status = WriteStatus::kCommitted;
    report.next_lsn = cursor;
    return report;
}

WriteReport MetricWriter::State::write(const MetricBatch& batch, EventSource& source) {
    BURGEE_ASSERT(batch.first_lsn < batch.end_lsn);
    WriteReport total;
    total.next_lsn = batch.first_lsn;
    believed_lsn_ = batch.first_lsn;
    // Ends of the ranges still to store, the nearest last: a refused range is halved until one
    // event is left. One bad event in n costs log2(n) committed transactions more.
    std::vector<std::uint64_t> ends = {batch.end_lsn};
    std::uint64_t bisected_letters = 0;
    const auto until = std::chrono::steady_clock::now() + kBisectionTime;
    while (!ends.empty()) {
        const MetricBatch range{batch.spool_id, total.next_lsn, ends.back()};
        const std::uint64_t size = range.end_lsn - range.first_lsn;
        WriteReport part = attempt(range, source, nullptr);
        if (is_poison(part.error) && part.status != WriteStatus::kCommitted) {
            if (size > 1) {
                total.was_bisected = true;
                ends.push_back(range.first_lsn + size / 2);
                continue;
            }
            const std::string reason = part.error.sqlstate + ": " + part.error.message;
            part = attempt(range, source, &reason);
            bisected_letters += part.dead_lettered;
        }
        add_counts(total, part);
        total.status = part.status;
        total.error = std::move(part.error);
        total.next_lsn = part.next_lsn;
        if (total.status != WriteStatus::kCommitted || part.next_lsn != range.end_lsn) {
            return total;
        }
        ends.pop_back();
        if (bisected_letters >= kBisectedLettersMax || std::chrono::steady_clock::now() > until) {
            return total;
        }
    }
    return total;
}

MetricWriter::MetricWriter(PgOptions connection, MetricWriterOptions options) {
    connection.lock_timeout = kWriterLockTimeout;
    connection.statement_timeout = kWriterStatementTimeout;
    state_ = std::make_unique<State>(std::move(connection), std::move(options));
}

MetricWriter::~MetricWriter() = default;

WriteReport MetricWriter::open_cursor(const Uuid& spool_id, std::uint64_t first_lsn) {
    return state_->open_cursor(spool_id, first_lsn);
}

WriteReport MetricWriter::write(const MetricBatch& batch, EventSource& source) {
    return state_->write(batch, source);
}

SyncResult<void> MetricWriter::report_host(const HostReport& report) {
    return state_->session().transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        open.query(kReportHost,
                   {report.host, text_of(report.spool_id), std::to_string(report.generation),
                    std::to_string(report.revision), std::to_string(report.lag_events),
                    std::to_string(report.drop_count), report.version,
                    std::to_string(report.spool_size_bytes)});
    });
}

SyncResult<void> MetricWriter::ensure_partitions(int days_ahead) {
    const PgValues ahead = {std::to_string(days_ahead)};
    SyncResult<bool> goes_on = state_->session().transaction(
        PgAccess::kReadWrite,
        [&](PgTransaction& open) { return open.query(kBeginPartitions, ahead).boolean(0, 0); });
    // A transaction a day: no lock is held for longer than one needs.
    for (int day = 0; day <= days_ahead && goes_on.has_value() && *goes_on; ++day) {
        goes_on = state_->session().transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
            return open.query(kEnsurePartitions, ahead).integer(0, 0) > 0;
        });
    }
    if (goes_on.has_error()) {
        return goes_on.error();
    }
    return {};
}

SyncResult<std::string> MetricWriter::drop_old_partitions() {
    const SyncResult<bool> begun = state_->session().transaction(
        PgAccess::kReadWrite,
        [](PgTransaction& open) { return open.query(kBeginRetention).boolean(0, 0); });
    if (begun.has_error()) {
        return begun.error();
    }
    if (!*begun) {
        return std::string();
    }
    return state_->session().transaction(PgAccess::kReadWrite, [](PgTransaction& open) {
        return std::string(open.query(kDropOldPartitions).text(0, 0));
    });
}

SyncResult<std::int64_t> MetricWriter::fold_waiting_units(int notes_max) {
    return state_->session().transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        return open.query(kFoldWaitingUnits, {std::to_string(notes_max)}).integer(0, 0);
    });
}

void MetricWriter::interrupt() {
    state_->session().interrupt();
}

}  // namespace burgee::sync
