#include "sync/metric_backfill.hpp"

#include <algorithm>
#include <burgee/checksum.hpp>
#include <cmath>
#include <pqxx/pqxx>
#include <set>
#include <vector>

#include "shm/assertion.hpp"
#include "sync/experiment_store.hpp"
#include "sync/metric_writer.hpp"
#include "sync/migrations.hpp"

namespace burgee::sync {
namespace {

constexpr std::uint64_t kPageRows = 10'000;  // held in memory at once; about 2 MB
// Source: kEventTextSizeMax of the event protocol, bytes of a variant, metric or id.
constexpr std::size_t kTextSizeMax = 512;
constexpr std::uint32_t kPhase = 1;  // the former system knows no phases

// While we wait for the table, everybody else waits behind us: rather give up and try again.
constexpr const char* kOpeningLimits =
    "SET LOCAL lock_timeout = 2000;"
    "SELECT pg_advisory_xact_lock(hashtext('burgee.metric_backfill'))";

#define BURGEE_ROUND                                                                     \
    "SELECT round, last_created_at::text, last_id::text, row_count, folded, unknown,"    \
    " without_unit, outside_dates, unusable, completed_at IS NOT NULL, folds_later_rows" \
    " FROM burgee.metric_backfill"
constexpr const char* kNewestRound = BURGEE_ROUND " ORDER BY round DESC LIMIT 1";
constexpr const char* kLockOpenRound =
    BURGEE_ROUND " WHERE completed_at IS NULL ORDER BY round LIMIT 1 FOR UPDATE";
#undef BURGEE_ROUND

constexpr const char* kHasUncounted =
    "SELECT EXISTS (SELECT FROM public.ab_test_metrics"
    " WHERE spool_id IS NULL AND lsn IS NOT DISTINCT FROM $1::bigint)";
constexpr const char* kInsertRound =
    "INSERT INTO burgee.metric_backfill (round, completed_at)"
    " VALUES ($1, CASE WHEN $2::boolean THEN clock_timestamp() END)";
constexpr const char* kFoldLaterRows = "SELECT burgee.fold_later_rows($1::int, $2::boolean)";

// row_security off: an error instead of rows that silently are not there. The columns of ours have
// no statistics yet, so a planner left alone takes the table for empty and sorts all of it for each
// transaction; with an index on created_at these switches leave it one sensible way.
constexpr const char* kReadingSettings =
    "SET LOCAL row_security = off; SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD';"
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = "
    "off;"
    "SET LOCAL jit = off";
// ORDER BY names m.created_at: without the m it would be the text of the same name.
// left(): a text cut at one character more than it may have bytes is still recognised as too long.
constexpr const char* kDeclare =
    "DECLARE burgee_backfill NO SCROLL CURSOR FOR "
    "SELECT experiment_id::text, left(variant_name, 513), left(metric_type, 513), metric_value,"
    " left(coalesce(nullif(user_id, ''), nullif(session_id, '')), 513),"
    " CASE WHEN isfinite(created_at) THEN floor(extract(epoch FROM created_at) * 1000)::bigint END,"
    " m.created_at::text, m.id::text FROM public.ab_test_metrics m"
    " WHERE spool_id IS NULL AND lsn IS NOT DISTINCT FROM $3::bigint"
    " AND m.created_at >= $1::timestamptz AND (m.created_at, m.id) > ($1::timestamptz, $2::uuid)"
    " ORDER BY m.created_at, m.id LIMIT $4::bigint";
constexpr const char* kFetch = "FETCH 10000 FROM burgee_backfill";
// Rows without a time have no place in that order and count for nothing.
constexpr const char* kCountTimeless =
    "SELECT count(*) FROM public.ab_test_metrics"
    " WHERE created_at IS NULL AND spool_id IS NULL AND lsn IS NOT DISTINCT FROM $1::bigint";
constexpr const char* kMoveOn =
    "UPDATE burgee.metric_backfill SET last_created_at = $2::timestamptz, last_id = $3::uuid,"
    " row_count = $4, folded = $5, unknown = $6, without_unit = $7, outside_dates = $8,"
    " unusable = $9, completed_at = CASE WHEN $10::boolean THEN clock_timestamp() END"
    " WHERE round = $1";

/// What ab_test_metrics.lsn holds in the rows of a round: nothing before anybody opened one.
PgValue marker_of(int round) {
    return round == 1 ? PgValue() : PgValue(std::to_string(-(round - 1)));
}

std::string default_lsn(int round) {
    return "ALTER TABLE public.ab_test_metrics ALTER COLUMN lsn SET DEFAULT " +
           std::to_string(-round);
}

struct Place {
    BackfillState state;
    PgValue last_created_at;
    PgValue last_id;
};

Place place_at(const PgRows& rows) {
    const auto count = [&](std::size_t column) {
        return static_cast<std::uint64_t>(rows.integer(0, column));
    };
    Place place;
    place.state.round = static_cast<int>(rows.integer(0, 0));
    place.last_created_at = rows.value(0, 1);
    place.last_id = rows.value(0, 2);
    place.state.counts = {count(3), count(4), count(5), count(6), count(7), count(8)};
    place.state.is_complete = rows.boolean(0, 9);
    place.state.folds_later_rows = rows.boolean(0, 10);
    return place;
}

/// The rows of one transaction on their way into the fold.
class RowFolder {
public:
    RowFolder(PgTransaction& open, WriterMemory& memory, Place& place)
        : open_(open), memory_(memory), place_(place) {}

    void fold_page(const PgRows& rows) {
        load_unknown(rows);
        for (std::size_t row = 0; row < rows.size(); ++row) {
            fold_row(rows, row);
        }
        const std::size_t last = rows.size() - 1;
        place_.last_created_at = rows.value(last, 6);
        place_.last_id = rows.value(last, 7);
    }

private:
    static MetricEvent event_at(const PgRows& rows, std::size_t row) {
        MetricEvent event;
        event.phase = kPhase;
        if (!rows.is_null(row, 0)) {
            event.experiment = parse_uuid(rows.text(row, 0)).value_or(Uuid{});
        }
        event.variant = rows.is_null(row, 1) ? std::string_view() : rows.text(row, 1);
        event.metric = rows.is_null(row, 2) ? std::string_view() : rows.text(row, 2);
        event.created_unix_ms = rows.is_null(row, 5) ? 0 : rows.integer(row, 5);
        return event;
    }

    /// The dictionary keeps the experiments that may still get events; older ones are read when
    /// rows name them, once a transaction each.
    void load_unknown(const PgRows& rows) {
        std::vector<Uuid> wanted;
        for (std::size_t row = 0; row < rows.size(); ++row) {
            const MetricEvent event = event_at(rows, row);
            if (event.experiment != Uuid{} && !asked_.contains(event.experiment) &&
                !is_usable(event)) {
                asked_.insert(event.experiment);
                wanted.push_back(event.experiment);
            }
        }
        memory_.cells.load(open_.native(), wanted);
    }

    bool is_usable(const MetricEvent& event) {
        return is_short(event) && memory_.cells.place(event).has_value();
    }

    static bool is_short(const MetricEvent& event) {
        return event.variant.size() <= kTextSizeMax && event.metric.size() <= kTextSizeMax &&
               !event.metric.empty();
    }

    // In the order in which the metric writer decides.
    void fold_row(const PgRows& rows, std::size_t row) {
        const MetricEvent event = event_at(rows, row);
        BackfillCounts& counts = place_.state.counts;
        counts.row_count += 1;
        if (!is_short(event) || rows.is_null(row, 3)) {
            counts.unusable += 1;
            return;
        }
        const auto found = memory_.cells.place(event);
        const double value = rows.number(row, 3);
        if (!found) {
            counts.unknown += 1;
        } else if (rows.is_null(row, 4)) {
            counts.without_unit += 1;
        } else if (rows.is_null(row, 5) || !found->is_within_dates) {
            counts.outside_dates += 1;
        } else if (!(std::abs(value) <= kFoldedValueMax) ||
                   rows.text(row, 4).size() > kTextSizeMax) {
            counts.unusable += 1;
        } else {
            memory_.cells.use(found->cell);
            memory_.fold.add(hash64(rows.text(row, 4)), found->cell, value, event.created_unix_ms);
            counts.folded += 1;
        }
    }

    PgTransaction& open_;
    WriterMemory& memory_;
    Place& place_;
    std::set<Uuid> asked_;  // experiments that were looked up; at most one a row
};

void move_on(PgTransaction& open, const Place& place) {
    const BackfillCounts& counts = place.state.counts;
    open.query(kMoveOn, {std::to_string(place.state.round), place.last_created_at, place.last_id,
                         std::to_string(counts.row_count), std::to_string(counts.folded),
                         std::to_string(counts.unknown), std::to_string(counts.without_unit),
                         std::to_string(counts.outside_dates), std::to_string(counts.unusable),
                         place.state.is_complete ? "t" : "f"});
}

BackfillState fold_some(PgTransaction& open, WriterMemory& memory, std::uint64_t rows_max) {
    const PgRows locked = open.query(kLockOpenRound);
    if (locked.empty()) {
        return place_at(open.query(kNewestRound)).state;  // somebody else has finished it
    }
    Place place = place_at(locked);
    const PgValue marker = marker_of(place.state.round);
    open.script(kReadingSettings);
    memory.fold.clear();
    memory.cells.refresh(open.native());
    open.query(kDeclare, {place.last_created_at.value_or("-infinity"),
                          place.last_id.value_or("00000000-0000-0000-0000-000000000000"), marker,
                          std::to_string(rows_max)});
    RowFolder folder(open, memory, place);
    std::uint64_t rows_read = 0;
    bool is_end = false;
    // New cells are bounded too: texts of metrics come from anybody.
    while (rows_read < rows_max && !is_end && !memory.cells.is_full()) {
        const PgRows page = open.query(kFetch);
        is_end = page.size() < kPageRows && rows_read + page.size() < rows_max;
        rows_read += page.size();
        if (!page.empty()) {
            folder.fold_page(page);
        }
    }
    if (is_end) {
        const auto timeless =
            static_cast<std::uint64_t>(open.query(kCountTimeless, {marker}).integer(0, 0));
        place.state.counts.row_count += timeless;
        place.state.counts.outside_dates += timeless;
    }
    place.state.is_complete = is_end;
    merge_units(open, memory);
    move_on(open, place);
    return place.state;
}

}  // namespace

MetricBackfill::MetricBackfill(PgSession& session, BackfillOptions options)
    : session_(session), options_(options) {
    BURGEE_ASSERT(options_.rows_per_transaction > 0);
}

SyncResult<BackfillState> MetricBackfill::open() {
    return session_.transaction(PgAccess::kReadWrite, [this](PgTransaction& open) {
        require_schema(open);
        open.script(kOpeningLimits);
        open.script("SET LOCAL row_security = off");
        const PgRows newest = open.query(kNewestRound);
        BackfillState before;  // of round 0, that is none
        if (!newest.empty()) {
            before = place_at(newest).state;
            const bool is_to_change = options_.folds_later_rows.value_or(before.folds_later_rows) !=
                                      before.folds_later_rows;
            const bool has_rows =
                !before.folds_later_rows &&
                open.query(kHasUncounted, {marker_of(before.round + 1)}).boolean(0, 0);
            if (!before.is_complete || (!is_to_change && !has_rows)) {
                return before;
            }
        }
        BackfillState state;
        state.round = before.round + 1;
        state.folds_later_rows = options_.folds_later_rows.value_or(before.folds_later_rows);
        // What would be this round's has been folded while it was written.
        state.is_complete = before.folds_later_rows;
        // The exclusive lock is the boundary: whoever wrote before has committed, whoever writes
        // after gets the new default, and with it meets the trigger.
        open.script(default_lsn(state.round));
        open.query(kInsertRound, {std::to_string(state.round), state.is_complete ? "t" : "f"});
        if (state.folds_later_rows || before.folds_later_rows) {
            open.query(kFoldLaterRows,
                       {std::to_string(state.round), state.folds_later_rows ? "t" : "f"});
        }
        return state;
    });
}

SyncResult<BackfillState> MetricBackfill::step() {
    SyncResult<BackfillState> state =
        session_.transaction(PgAccess::kReadWrite, [this](PgTransaction& open) {
            return fold_some(open, memory_, options_.rows_per_transaction);
        });
    memory_.cells.settle(state.has_value());
    return state;
}

}  // namespace burgee::sync
