#pragma once

// What the metric writer knows about experiments, and the numbers of their cells. A cell is one
// (experiment, phase, variant, metric, drawn by chance or assigned by hand); its number in
// burgee.cells is half of the key of a unit's state. Relied on by the metric writer alone.
//
// Invariants:
//   1. In one history of the database a cell's number never changes and is never used for another.
//      After a restore or a failover it may: forget() comes first.
//   2. A number that a transaction made is forgotten unless that transaction committed.
//   3. Dates and phases are as new as the revision the batch's own transaction sees.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "shm/flag_set.hpp"
#include "sync/metric_event.hpp"

namespace pqxx {
class transaction_base;
}

namespace burgee::sync {

/// What can be wrong with where an event says it belongs.
enum class CellProblem : std::uint8_t { kUnknownExperiment, kUnknownVariant, kUnknownPhase };

/// "unknown experiment", as burgee.dead_letter shows it.
const char* to_text(CellProblem problem);

class CellDictionary {
public:
    struct Place {
        std::uint32_t cell = 0;        ///< index here, not the number in the database
        bool is_within_dates = false;  ///< the event's time lies in [start_date, end_date)
    };

    /// Forgets all that was read, for a database that may have gone back in time.
    void forget();

    /// Reads the experiments anew when the database's revision has moved since the last time. Costs
    /// one row when it has not. Throws what libpqxx throws, like every call with a transaction.
    void refresh(pqxx::transaction_base& transaction);

    /// Reads experiments that are not known, or whose variants have changed; what the database does
    /// not have stays unknown.
    void load(pqxx::transaction_base& transaction, const std::vector<Uuid>& experiments);

    /// The place of an event, adding its cell here when it is new; nothing when its experiment,
    /// variant or phase is unknown. Cost: about 40 ns.
    std::optional<Place> place(const MetricEvent& event);

    /// Why place() gave nothing. Precondition: it did.
    CellProblem problem(const MetricEvent& event) const;

    /// Notes that the batch folds rows into this cell, so that it needs a number.
    void use(std::uint32_t cell) { cells_[cell].is_used = true; }

    /// Numbers of all cells by index; makes those that are used and missing. Unused ones are 0.
    std::vector<std::uint32_t> numbers(pqxx::transaction_base& transaction);

    /// Ends a batch: keeps the numbers made since the last call, or forgets them (invariant 2).
    void settle(bool is_committed);

    /// Whether a batch should end because it has met too many new cells. Texts of metrics come from
    /// clients, so their number needs a bound; a batch that ends here just makes room for the next.
    bool is_full() const { return cells_.size() >= kCellsMax; }

private:
    static constexpr std::size_t kCellsMax = 20'000;  // at about 200 bytes each: 4 MB

    struct UuidHash {
        std::size_t operator()(const Uuid& id) const;
    };
    struct Experiment {
        std::uint32_t phase = 1;
        std::int64_t start_unix_ms = 0;
        std::int64_t end_unix_ms = 0;
        std::vector<std::string> variants;
    };
    struct Cell {
        Uuid experiment{};
        std::uint32_t phase = 0;
        bool is_randomised = true;
        std::string variant;
        std::string metric;
        std::int64_t start_unix_ms = 0;
        std::int64_t end_unix_ms = 0;
        std::uint32_t number = 0;  // 0: not known, the database counts from 1
        bool is_number_new = false;
        bool is_used = false;
    };

    void read_experiments(pqxx::transaction_base& transaction, const std::string& ids);
    void read_numbers(pqxx::transaction_base& transaction, const std::string& wanted, bool is_new);
    std::string wanted_cells() const;
    std::optional<std::uint32_t> find(const MetricEvent& event, std::uint32_t phase) const;
    void insert_slot(std::uint32_t index);

    std::int64_t revision_ = -1;
    std::unordered_map<Uuid, Experiment, UuidHash> experiments_;
    std::vector<Cell> cells_;
    std::vector<std::uint32_t> slots_ =
        std::vector<std::uint32_t>(4 * kCellsMax);  // 0, or index + 1
};

}  // namespace burgee::sync
