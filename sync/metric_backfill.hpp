#pragma once

// Counts the metric rows that the former system wrote: folds them into burgee.unit_metrics as if
// they had come through a spool. Relied on by the adoption alone. docs/adoption.md tells the whole
// way.
//
// Invariants:
//   1. A row counts once. Which rows belong to a round is decided when the round is opened
//   (migration
//      008), and the place in that round moves in the transaction that merges what it passes; so
//      two callers, a crash or an unknown outcome change nothing.
//   2. No row of public.ab_test_metrics is touched, and nobody who writes there waits, but for the
//      moment in which a round is opened.
//   3. Memory is bounded by rows_per_transaction, whatever the table holds.

#include <cstdint>
#include <memory>
#include <optional>

#include "sync/pg_session.hpp"
#include "sync/unit_merge.hpp"

namespace burgee::sync {

/// Rows by what became of them; the parts add up to row_count.
struct BackfillCounts {
    std::uint64_t row_count = 0;
    std::uint64_t folded = 0;         ///< count for a result
    std::uint64_t unknown = 0;        ///< no such experiment, or no such variant of its flag
    std::uint64_t without_unit = 0;   ///< neither user_id nor session_id
    std::uint64_t outside_dates = 0;  ///< not within [start_date, end_date), or without a time
    std::uint64_t unusable = 0;       ///< a value above kFoldedValueMax, a text above 512 bytes

    friend bool operator==(const BackfillCounts&, const BackfillCounts&) = default;
};

struct BackfillState {
    int round = 0;            ///< 1, 2, ...
    BackfillCounts counts;    ///< of the whole round so far
    bool is_complete = true;  ///< nothing is left to do
    bool folds_later_rows =
        false;  ///< what others write after this round is folded as it is written
};

struct BackfillOptions {
    /// Larger ones fold better and repeat more after a crash. Chosen by feel: 200 000 rows take
    /// about 30 MB and one to two seconds.
    std::uint64_t rows_per_transaction = 200'000;
    /// Whether rows that others write from now on are folded while they are written, by a trigger
    /// on their table (migration 011); nothing: as it is.
    std::optional<bool> folds_later_rows = {};
};

class MetricBackfill {
public:
    /// `session` should wait for locks as long as a metric writer does (35 s): see adoption.cpp.
    explicit MetricBackfill(PgSession& session, BackfillOptions options = {});

    /// Continues the round that is not complete; else opens the next one if there are rows that no
    /// round has counted, or if the folding of later rows is to begin or to end, which only the
    /// opening of a round can do: call again after a round that was continued. Opening takes an
    /// exclusive lock on the table for a moment.
    /// @error  kBusy  somebody used the table for too long: try again
    ///         kConfiguration  not the owner of the table
    SyncResult<BackfillState> open();

    /// Counts the next rows_per_transaction rows in one transaction. After any error: call again,
    /// it goes on where the database says. Precondition: open() has said that something is left.
    SyncResult<BackfillState> step();

private:
    PgSession& session_;
    BackfillOptions options_;
    WriterMemory memory_;
};

}  // namespace burgee::sync
