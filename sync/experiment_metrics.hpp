#pragma once

// What the statistics need to know about one phase of an experiment: sufficient statistics,
// computed set-wise in PostgreSQL from burgee.unit_metrics. Relied on by `burgee results`. No
// verdicts here.
//
// Words: a unit is *exposed* when it has an `impression` in exactly one variant of the phase; seen
// in two it is a *crossover*, with events but no impression *unexposed*; both are left out and
// counted. Units whose variant was assigned by hand are no part of the comparison and are counted
// apart.

#include <boost/system/result.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shm/flag_set.hpp"
#include "sync/pg_session.hpp"

namespace burgee::sync {

/// Unit sums of one metric in one variant, over exposed units that have it. m is a unit's sum of
/// values, d its number of events: the metric is sum_m / sum_d, a ratio of unit sums. The squared
/// sums are centred on the means, so nothing cancels however far the values lie from zero.
struct MetricMoments {
    std::string metric;
    bool is_total = false;  ///< declared "total": m per exposed unit, 0 where a unit has none; then
                            ///< units = exposed units and the sums include those zeros
    std::uint64_t units = 0;
    double sum_m = 0;
    double sum_d = 0;
    double centred_mm = 0;  ///< sum over units of (m - mean m)^2
    double centred_dd = 0;  ///< sum of (d - mean d)^2
    double centred_md = 0;  ///< sum of (m - mean m)(d - mean d)
    double value_min = 0;   ///< smallest and largest single event
    double value_max = 0;
};

struct VariantData {
    std::string name;
    double weight = 0;  ///< percent, as the flag says now; 0 when it no longer names it
    bool is_control = false;
    std::uint64_t exposed_units = 0;
    std::uint64_t converted_units = 0;  ///< exposed units with a conversion (sum > 0)
    std::uint64_t error_units = 0;      ///< exposed units with an error (sum > 0)
    std::uint64_t unexposed_units = 0;  ///< events in this variant, no impression in any
    // Events of randomised units, whether they were exposed, crossed over or neither.
    std::uint64_t impressions = 0;
    std::uint64_t conversions = 0;
    std::uint64_t errors = 0;
    // Assigned by hand: left out.
    std::uint64_t by_hand_units = 0;
    std::uint64_t by_hand_events = 0;
    std::vector<MetricMoments> metrics;  ///< all but impression, conversion, error; by name
};

struct ExperimentData {
    Uuid id{};
    std::string name;
    std::string flag_name;
    std::string hypothesis;
    std::string status;                ///< active, paused, completed, cancelled
    std::string success_metrics_json;  ///< as declared
    std::uint32_t phase = 1;
    std::int64_t start_unix_ms = 0;
    std::optional<std::int64_t> end_unix_ms;
    bool was_stopped_early = false;     ///< completed or cancelled before its planned end
    std::int64_t computed_unix_ms = 0;  ///< database time
    std::uint64_t crossover_units = 0;  ///< seen in two or more variants
    std::uint64_t crossover_events = 0;
    std::uint64_t no_unit_events = 0;   ///< stored raw without a unit; 0 when raw rows are off
    std::vector<VariantData> variants;  ///< in the flag's order, the control first
};

/// Computes the data of one phase in one read-only snapshot of the database.
///
/// @param experiment  name or uuid. A name that two experiments share is refused: use the uuid.
/// @param phase       0: the current one.
/// @error kNotFound   no such experiment, or no such phase
///        otherwise   what the session says
/// Cost: 0.3 to 0.5 s for a million units with four metrics.
boost::system::result<ExperimentData, SyncError> load_experiment_data(PgSession& session,
                                                                      const std::string& experiment,
                                                                      std::uint32_t phase = 0);

/// Keeps a computed result in burgee.experiment_results and in ab_test_experiments.results, where
/// the users of the old system look for it.
///
/// @param results_json  a JSON object
boost::system::result<void, SyncError> store_results(PgSession& session, const Uuid& experiment,
                                                     std::uint32_t phase,
                                                     const std::string& results_json);

}  // namespace burgee::sync
