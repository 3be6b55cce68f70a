#include "sync/batch_transaction.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <set>
#include <span>

#include "shm/assertion.hpp"
#include "sync/metric_rows.hpp"
#include "sync/mutations.hpp"
#include "sync/pg_copy.hpp"

namespace burgee::sync {
namespace {

// Events of experiments that are not known yet, put aside in one batch. At the bound the batch
// ends, so a flood of them costs transactions, not memory.
constexpr std::size_t kKeptEventsMax = 10'000;
constexpr std::size_t kKeptSizeMax = 4 << 20;

// Dead letters go to the server in pieces of this size. Chosen by feel.
constexpr std::size_t kLettersSizeMax = 1 << 20;

// Smaller merges never queue: they take some 100 ms, and hundreds of hosts must not wait for each
// other's COMMIT. Chosen by feel between an idle host's batch and a backlog's.
constexpr std::size_t kQueuedRowsMin = 10'000;

// PostgreSQL serves who waits for one lock in the order of arrival. n rows drawn from m have n * n
// / m in common with n others: below one, merges hardly meet and nobody has to wait. $1: n * n.
constexpr const char* kTakeTurn =
    "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('burgee.unit_metrics'))"
    " FROM pg_catalog.pg_class WHERE oid = 'burgee.unit_metrics'::pg_catalog.regclass"
    " AND reltuples <= $1::double precision";

// Longer than for a row, because whoever gives up loses his place and has copied in vain: so long
// that some 30 merges of the largest size pass. A writer that died is taken out of the queue by
// client_connection_check_interval.
constexpr std::chrono::milliseconds kTurnTimeout{120'000};

std::string limits(std::chrono::milliseconds lock_timeout,
                   std::chrono::milliseconds statement_timeout) {
    return "SET LOCAL lock_timeout = " + std::to_string(lock_timeout.count()) +
           "; SET LOCAL statement_timeout = " + std::to_string(statement_timeout.count());
}

constexpr const char* kTemporaryTable = "pg_temp.burgee_raw_rows";

constexpr const char* kAdvanceCursor =
    "UPDATE burgee.spool_cursor SET next_lsn = $3, updated_at = now()"
    " WHERE spool_id = $1 AND next_lsn = $2";
constexpr const char* kForceCursor =
    "UPDATE burgee.spool_cursor SET next_lsn = $2, updated_at = now() WHERE spool_id = $1";
// Asked first: COPY is refused under row security and needs another way then, a missing right wants
// words of its own, and only columns of the types of our own table take COPY's binary form.
constexpr const char* kRawTableAccess =
    "SELECT row_security_active('public.ab_test_metrics'),"
    " has_any_column_privilege('public.ab_test_metrics', 'INSERT'),"
    " (SELECT count(*) FROM unnest($1::text[], $2::text[]) AS c (name, type)"
    "    JOIN pg_catalog.pg_attribute a ON a.attname = c.name"
    "     AND (a.atttypid = c.type::pg_catalog.regtype"
    "          OR c.type = 'text' AND a.atttypid = 'varchar'::pg_catalog.regtype)"
    "   WHERE a.attrelid = 'public.ab_test_metrics'::pg_catalog.regclass)";
// Not LIKE the table: that would need the right to read it.
constexpr const char* kCreateTemporaryTable =
    "CREATE TEMPORARY TABLE IF NOT EXISTS burgee_raw_rows (id uuid, experiment_id uuid,"
    " variant_name text, user_id text, session_id text, metric_type text,"
    " metric_value double precision, metadata jsonb, created_at timestamptz, spool_id uuid,"
    " lsn bigint, unit bigint) ON COMMIT DROP";
constexpr const char* kMoveTemporaryRows =
    "INSERT INTO public.ab_test_metrics (id, experiment_id, variant_name, user_id, session_id,"
    " metric_type, metric_value, metadata, created_at, spool_id, lsn, unit) "
    "SELECT id, experiment_id, variant_name, user_id, session_id, metric_type, metric_value,"
    " metadata, created_at, spool_id, lsn, unit FROM pg_temp.burgee_raw_rows";

// A letter that is there already is the same event: a cursor that somebody set back sends it again.
constexpr const char* kInsertDeadLetters =
    "INSERT INTO burgee.dead_letter (spool_id, lsn, reason, event) "
    "SELECT spool_id, lsn, reason, event FROM pg_catalog.jsonb_to_recordset($1::jsonb)"
    " AS letter (spool_id uuid, lsn bigint, reason text, event jsonb) ON CONFLICT DO NOTHING";

// Read before it is written: after the first batch this costs one look, no write and no wait.
constexpr const char* kNoteMissingRows =
    "INSERT INTO burgee.raw_row_gaps (experiment_id, reason) "
    "SELECT DISTINCT c.experiment_id, 'raw rows off' FROM burgee.cells c"
    " WHERE c.cell = ANY ($1::int[]) AND NOT EXISTS (SELECT FROM burgee.raw_row_gaps g"
    "   WHERE g.experiment_id = c.experiment_id AND g.reason = 'raw rows off')"
    " ORDER BY c.experiment_id ON CONFLICT DO NOTHING";

std::string text_of(const Uuid& id) {
    std::string text;
    append_uuid(text, id);
    return text;
}

std::string array_of(std::span<const std::string_view> texts) {
    std::string array;
    for (const std::string_view text : texts) {
        array += array.empty() ? "{\"" : "\",\"";
        array += text;
    }
    return array + "\"}";
}

}  // namespace

BatchTransaction::BatchTransaction(PgTransaction& transaction, const MetricWriterOptions& options,
                                   WriterMemory& memory)
    : transaction_(transaction), options_(options), memory_(memory) {
    memory_.fold.clear();
}

bool BatchTransaction::store(const MetricBatch& batch, EventSource& source, WriteReport& report) {
    if (!advance_cursor(batch)) {
        return false;
    }
    memory_.cells.refresh(transaction_.native());
    choose_raw_table();
    copy_batch(batch, source, report);
    copy_kept(batch, report);
    move_temporary_rows();
    merge(report);
    if (report.next_lsn != batch.end_lsn) {
        transaction_.query(kForceCursor,
                           {text_of(batch.spool_id), std::to_string(report.next_lsn)});
    }
    return true;
}

bool BatchTransaction::store_poison(const MetricBatch& batch, EventSource& source,
                                    std::string_view reason, WriteReport& report) {
    BURGEE_ASSERT(batch.end_lsn - batch.first_lsn == 1);
    if (!advance_cursor(batch)) {
        return false;
    }
    std::string letters;
    for (const MetricEvent& event : source.read(batch.first_lsn, batch.end_lsn).events) {
        append_dead_letter(letters, batch.spool_id, event, reason);
        report.dead_lettered += 1;
    }
    send_dead_letters(letters);
    report.next_lsn = batch.end_lsn;
    return true;
}

bool BatchTransaction::advance_cursor(const MetricBatch& batch) {
    BURGEE_ASSERT(batch.first_lsn < batch.end_lsn);
    const std::string spool = text_of(batch.spool_id);
    const std::string end = std::to_string(batch.end_lsn);
    if constexpr (kMutateNoCursorFence) {
        transaction_.query(kForceCursor, {spool, end});
        return true;
    }
    return transaction_.query(kAdvanceCursor, {spool, std::to_string(batch.first_lsn), end})
               .affected() == 1;
}

// COPY is not supported on a table with row security: there rows take the way over a temporary
// table.
void BatchTransaction::choose_raw_table() {
    if (!options_.stores_raw_rows) {
        return;
    }
    const PgRows access =
        transaction_.query(kRawTableAccess, {array_of(kRawColumns), array_of(kRawColumnTypes)});
    if (!access.boolean(0, 1)) {
        throw SyncFailure(SyncErrorKind::kConfiguration,
                          "no right to insert into public.ab_test_metrics: grant burgee_writer");
    }
    raw_form_ =
        access.integer(0, 2) == std::ssize(kRawColumns) ? CopyForm::kBinary : CopyForm::kText;
    if (access.boolean(0, 0)) {
        transaction_.query(kCreateTemporaryTable);
        raw_table_ = kTemporaryTable;
    }
}

void BatchTransaction::copy_batch(const MetricBatch& batch, EventSource& source,
                                  WriteReport& report) {
    std::optional<PgCopy> copy;
    if (options_.stores_raw_rows) {
        copy.emplace(transaction_, raw_table_, kRawColumns, raw_form_);
    }
    std::uint64_t lsn = batch.first_lsn;
    while (lsn < batch.end_lsn && memory_.fold.row_count() < options_.folded_rows_max &&
           kept_.size() < kKeptEventsMax && kept_size_bytes_ < kKeptSizeMax &&
           !memory_.cells.is_full()) {
        const EventChunk chunk = source.read(lsn, batch.end_lsn);
        for (const MetricEvent& event : chunk.events) {
            const auto place = memory_.cells.place(event);
            if (!place) {
                keep(event);
                continue;
            }
            if (copy) {
                append_raw(copy->rows(), batch.spool_id, event);
                copy->send_some();
            }
            fold(event, *place, report);
        }
        if (chunk.next_lsn == lsn) {
            break;
        }
        lsn = chunk.next_lsn;
    }
    if (copy) {
        copy->complete();
    }
    report.next_lsn = lsn;
}

void BatchTransaction::append_raw(std::string& rows, const Uuid& spool_id,
                                  const MetricEvent& event) const {
    if (raw_form_ == CopyForm::kBinary) {
        append_raw_row(rows, spool_id, event);
    } else {
        append_raw_line(rows, spool_id, event);
    }
}

void BatchTransaction::keep(const MetricEvent& event) {
    KeptEvent& kept = kept_.emplace_back();
    kept.event = event;
    const std::array<std::string_view MetricEvent::*, 6> members = {
        &MetricEvent::unit_text, &MetricEvent::variant,    &MetricEvent::metric,
        &MetricEvent::user_id,   &MetricEvent::session_id, &MetricEvent::metadata_json};
    for (const auto member : members) {
        kept.texts += event.*member;
    }
    std::size_t offset = 0;
    for (const auto member : members) {
        const std::size_t size = (event.*member).size();
        kept.event.*member = std::string_view(kept.texts).substr(offset, size);
        offset += size;
    }
    kept_size_bytes_ += sizeof(KeptEvent) + kept.texts.size();
}

// The database is asked again about what was not known: this host's events may be ahead of what the
// writer had read. What is still unknown then goes to the dead letters.
void BatchTransaction::copy_kept(const MetricBatch& batch, WriteReport& report) {
    if (kept_.empty()) {
        return;
    }
    std::vector<Uuid> experiments;
    for (const KeptEvent& kept : kept_) {
        experiments.push_back(kept.event.experiment);
    }
    std::sort(experiments.begin(), experiments.end());
    experiments.erase(std::unique(experiments.begin(), experiments.end()), experiments.end());
    memory_.cells.load(transaction_.native(), experiments);

    std::string raw_rows;
    std::string dead_letters;
    for (const KeptEvent& kept : kept_) {
        if (const auto place = memory_.cells.place(kept.event)) {
            append_raw(raw_rows, batch.spool_id, kept.event);
            fold(kept.event, *place, report);
        } else {
            append_dead_letter(dead_letters, batch.spool_id, kept.event,
                               to_text(memory_.cells.problem(kept.event)));
            report.dead_lettered += 1;
            if (dead_letters.size() > kLettersSizeMax) {
                send_dead_letters(dead_letters);
                dead_letters.clear();
            }
        }
    }
    kept_.clear();
    if (options_.stores_raw_rows && !raw_rows.empty()) {
        PgCopy copy(transaction_, raw_table_, kRawColumns, raw_form_);
        copy.rows() += raw_rows;
        copy.complete();
    }
    send_dead_letters(dead_letters);
}

void BatchTransaction::fold(const MetricEvent& event, const CellDictionary::Place& place,
                            WriteReport& report) {
    report.delivered += 1;
    if (event.unit_source == UnitSource::kNone) {
        report.without_unit += 1;
    } else if (!place.is_within_dates) {
        report.outside_dates += 1;
    } else if (!(std::abs(event.value) <= kFoldedValueMax)) {
        report.too_large += 1;
    } else {
        memory_.cells.use(place.cell);
        memory_.fold.add(event.unit, place.cell, event.value, event.created_unix_ms);
        report.folded += 1;
    }
}

void BatchTransaction::send_dead_letters(const std::string& elements) {
    if (!elements.empty()) {
        transaction_.query(kInsertDeadLetters, {"[" + elements + "]"});
    }
}

void BatchTransaction::move_temporary_rows() {
    if (raw_table_ == kTemporaryTable) {
        transaction_.query(kMoveTemporaryRows);
    }
}

// A merge that is large enough to meet most others waits for its turn, in the order of arrival,
// instead of overtaking and being overtaken row by row. It holds the turn until the COMMIT.
void BatchTransaction::wait_for_turn() {
    const auto rows = static_cast<double>(memory_.fold.row_count());
    if (options_.queues_large_merges && memory_.fold.row_count() >= kQueuedRowsMin) {
        transaction_.script(limits(kTurnTimeout, kTurnTimeout));
        transaction_.query(kTakeTurn, {std::to_string(rows * rows)});
        transaction_.script(limits(kWriterLockTimeout, kWriterStatementTimeout));
    }
}

void BatchTransaction::merge(WriteReport& report) {
    wait_for_turn();
    report.folded_rows += merge_units(transaction_, memory_);
    if (!options_.stores_raw_rows) {
        note_missing_rows();
    }
}

// Who compares unit state with raw rows later must know that they were never there.
void BatchTransaction::note_missing_rows() {
    std::set<std::uint32_t> cells;  // merging has put the numbers of the database into the rows
    for (const FoldedRow& row : memory_.fold.rows()) {
        cells.insert(row.cell);
    }
    std::string numbers;
    for (const std::uint32_t cell : cells) {
        numbers += (numbers.empty() ? "{" : ",") + std::to_string(cell);
    }
    if (!numbers.empty()) {
        transaction_.query(kNoteMissingRows, {numbers + "}"});
    }
}

}  // namespace burgee::sync
