#pragma once

// Merges folded rows into burgee.unit_metrics: the last step of every transaction that counts
// events. Relied on by the metric writer and by the backfill of an adopted database.
//
// Invariant: rows are merged in the order of (unit, cell), so that two writers on the same units
// wait for each other instead of deadlocking.

#include <cstdint>

#include "sync/cell_dictionary.hpp"
#include "sync/metric_fold.hpp"
#include "sync/metric_rows.hpp"
#include "sync/pg_session.hpp"

namespace burgee::sync {

/// What outlives a transaction: caches and buffers, one set for a writer.
struct WriterMemory {
    CellDictionary cells;
    MetricFold fold;
    MergeArrays arrays;
};

/// Numbers the cells that were used and merges all of memory.fold; returns how many rows that were.
/// The fold stays finished: clear() it before the next events. Whoever ends the transaction tells
/// memory.cells.settle() how. Throws as PgTransaction does. Cost: about 7 us a row.
std::uint64_t merge_units(PgTransaction& open, WriterMemory& memory);

}  // namespace burgee::sync
