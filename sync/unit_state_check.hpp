#pragma once

// Computes the state of every unit a second time, from the raw rows, and compares it with
// burgee.unit_metrics. Relied on by `burgee db verify`. Reads only, in one snapshot of the
// database.
//
// What is compared is a unit's state in one metric of one variant, phases and assignments by hand
// together: a raw row does not say which phase it was, nor who chose its variant.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sync/pg_session.hpp"

namespace burgee::sync {

/// How many cells that differ are named; what comes after is a number. Chosen by feel: more than
/// anybody reads.
inline constexpr std::size_t kDifferingCellsMax = 1'000;

/// Units of an experiment, or of one metric of one variant, by what the comparison came to.
struct UnitComparison {
    std::uint64_t units = 0;           ///< in the state or in the raw rows
    std::uint64_t different = 0;       ///< of them, those that nothing explains
    std::uint64_t missing = 0;         ///< of `different`: in the raw rows and not in the state
    std::uint64_t surplus = 0;         ///< of `different`: in the state and not in the raw rows
    std::uint64_t by_dates = 0;        ///< differ as a change of the experiment's dates explains
    std::uint64_t by_gap = 0;          ///< have less raw rows than state where rows are known to be
                                       ///< missing
    std::uint64_t events_counted = 0;  ///< events in the state
    std::uint64_t events_raw = 0;      ///< raw rows that count by today's dates
};

/// One metric of one variant in which something differs.
struct DifferingCell {
    std::string variant;
    std::string metric;
    UnitComparison units;
    std::int64_t example_unit = 0;  ///< the smallest of the units that differ: a key to look for
};

enum class StateVerdict : std::uint8_t {
    kEqual,
    kDiffers,        ///< state and raw rows contradict each other
    kNotComparable,  ///< they do not, as far as the rows that are left tell; see `reasons`
};

/// "equal", "differs", "not comparable".
std::string_view to_string(StateVerdict verdict);

struct CheckedExperiment {
    std::string id;
    std::optional<std::string> name;  ///< nothing: the experiment was deleted
    StateVerdict verdict = StateVerdict::kEqual;
    std::vector<std::string> reasons;  ///< why some of it cannot be compared
    UnitComparison units;
    std::vector<DifferingCell> cells;
};

struct StateCheck {
    std::vector<CheckedExperiment> experiments;  ///< those with state or rows, by name
    std::uint64_t cells_omitted = 0;             ///< beyond kDifferingCellsMax

    bool has_differences() const;
};

/// Compares. Whole numbers and times must be equal to the last bit; sums to 1e-9 of the sum of the
/// absolute values, because floating-point addition depends on the order.
///
/// @param experiment  a uuid; empty: every experiment
/// @error  kConfiguration  no right to read public.ab_test_metrics, or row security hides rows of
/// it
///         kMissingSchema  the schema is older than this program
/// Thread safety: none but the session's. Memory: the server's work_mem, then its disk; here one
/// row an experiment and at most kDifferingCellsMax more. Cost: measured in docs/event_storage.md.
SyncResult<StateCheck> check_unit_state(PgSession& session, const std::string& experiment = {});

}  // namespace burgee::sync
