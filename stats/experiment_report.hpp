#pragma once

// One experiment, judged: from sufficient statistics by unit to everything that is shown to people
// and written as JSON. Pure: the caller reads the database and the clock.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "stats/metric_report.hpp"
#include "stats/sample_ratio.hpp"
#include "stats/stats_error.hpp"
#include "stats/verdict.hpp"

namespace burgee::stats {

/// The shares of exposed units that converted, or met an error: metrics every experiment has.
inline constexpr const char* kConversionMetric = "conversion";
inline constexpr const char* kErrorMetric = "error";

struct MetricSums {
    std::string name;
    UnitSums sums;
};

/// What is known of one variant. Units are distinct units of the experiment's current phase that
/// were exposed to this variant alone; impressions, conversions and errors count events.
struct VariantInput {
    std::string name;
    double weight = 0;  ///< percent, as planned
    std::uint64_t exposed_units = 0;
    std::uint64_t converted_units = 0;
    std::uint64_t error_units = 0;
    std::uint64_t impressions = 0;
    std::uint64_t conversions = 0;
    std::uint64_t errors = 0;
    std::vector<MetricSums> metrics;  ///< every other metric; one missing here has no units
};

struct ExperimentInput {
    std::string name;
    std::string flag;
    std::vector<VariantInput> variants;  ///< in the flag's order
    std::size_t control_index = 0;
    std::vector<MetricGoal> success_metrics;  ///< empty means conversion
    std::uint64_t crossover_units = 0;        ///< met two variants: left out of all counts above
    std::uint64_t unexposed_units = 0;        ///< events but no impression: left out as well
    std::uint64_t by_hand_units = 0;          ///< not randomised: left out as well
    std::uint64_t events_without_unit = 0;    ///< stored, but nobody's
    std::int64_t start_unix_ms = 0;
    std::optional<std::int64_t> end_unix_ms;  ///< planned; none means open-ended
    std::int64_t now_unix_ms = 0;
    /// Ended by hand before the planned end: the fixed horizon was never reached, so that its
    /// p-values decide nothing, whatever end_unix_ms says by now.
    bool was_stopped_early = false;
    std::uint64_t planned_units = 0;  ///< all variants together; 0 means kTunedUnits
    double alpha = 0.05;
};

struct ExperimentReport {
    ExperimentInput input;  ///< as given, so that counts are shown beside what they led to
    std::vector<MetricReport> metrics;  ///< conversion, error, then the others by name
    std::optional<SampleRatio> sample_ratio;
    std::uint64_t analysed_units = 0;
    double crossover_share = 0;  ///< of all units that were exposed at all
    bool is_final = false;       ///< the planned end has passed: the fixed horizon counts
    Judgement judgement;
    std::vector<std::string> notes;  ///< full sentences
};

/// Judges an experiment.
/// @error kNoTreatment (fewer than two variants), kNoControl, kMoreThanExposed, kOutOfRange,
///        kNotFinite or kNegative (a weight). A metric whose sums are broken is reported without
///        numbers and named in the notes: it does not take the others down.
/// Thread safety: pure. Cost: a few microseconds a metric and treatment.
Result<ExperimentReport> experiment_report(const ExperimentInput& input);

/// The report on `name`; null if there is none. Conversion and error are always there.
const MetricReport* find_metric(const ExperimentReport& report, const std::string& name);

}  // namespace burgee::stats
