#pragma once

// Folds events to one row per (unit, cell), in memory, so that PostgreSQL merges rows instead of
// events. Relied on by the metric writer. Knows no SQL.
//
// Invariants: 1. no two rows share (unit, cell); 2. n >= 1, min <= max, first <= last in every row.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace burgee::sync {

/// The state of one unit in one cell, as far as one batch knows it.
struct FoldedRow {
    std::int64_t unit = 0;  ///< the unit's hash as PostgreSQL's bigint holds it
    std::uint32_t cell = 0;
    std::int64_t n = 0;
    double sum = 0;
    double sum_of_squares = 0;
    double min = 0;
    double max = 0;
    std::int64_t first_unix_ms = 0;
    std::int64_t last_unix_ms = 0;
};

/// Not safe for several threads. Memory: 72 bytes a row and 4 to 8 bytes of index.
class MetricFold {
public:
    MetricFold();

    /// Adds one event. Cost: about 50 ns while the rows fit the cache. Precondition: value is
    /// finite and its square is too.
    void add(std::uint64_t unit, std::uint32_t cell, double value, std::int64_t created_unix_ms);

    std::size_t row_count() const { return rows_.size(); }

    /// Replaces each row's cell by numbers[cell] and returns the rows ordered by (unit, cell), as
    /// indexes into rows(). Precondition: numbers maps distinct cells to distinct numbers. add()
    /// may not be called again before clear().
    std::vector<std::uint32_t> finish(std::span<const std::uint32_t> numbers);

    std::span<const FoldedRow> rows() const { return rows_; }

    /// Forgets all rows, keeps the memory for the next batch.
    void clear();

private:
    void grow();
    std::size_t slot_of(std::int64_t unit, std::uint32_t cell) const;

    std::vector<FoldedRow> rows_;
    std::vector<std::uint32_t> slots_;  ///< open addressing: 0 is empty, else index of a row + 1
};

}  // namespace burgee::sync
