#pragma once

// One metric of an experiment: each variant's value, and each treatment against the control, with
// the method of every number named beside it.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "stats/compare_rates.hpp"
#include "stats/moments.hpp"
#include "stats/stats_error.hpp"

namespace burgee::stats {

/// One variant's value of one metric; none where no unit has it.
struct MetricValue {
    std::optional<double> value;
    std::uint64_t unit_count = 0;
    std::optional<Interval> interval;  ///< Wilson's, for rates only
};

/// One treatment against the control. What cannot be computed is absent, never NaN.
struct MetricComparison {
    std::size_t variant_index = 0;
    std::optional<double> difference;
    std::optional<Interval> interval;
    std::optional<Interval> wald_interval;  ///< rates only, always 95 %: the old contract's
    std::optional<double> lift;             ///< a fraction; 0.25 is + 25 %
    std::optional<Interval> lift_interval;
    std::optional<double> p_value;  ///< fixed horizon, two-sided
    std::optional<double> log10_p_value;
    std::optional<double> p_value_adjusted;  ///< Holm's, success metrics only
    std::optional<double> always_valid_p;
    std::optional<double> always_valid_p_adjusted;
    std::optional<Interval> always_valid_interval;
    std::optional<double> effect_size;
    /// The difference that a test of this size finds four times in five.
    std::optional<double> detectable_difference;
    const char* test_method = "none";
    const char* interval_method = "none";
    const char* lift_method = "none";
    const char* effect_size_method = "none";
};

enum class MetricKind { kRate, kRatio };

struct MetricReport {
    std::string name;
    MetricKind kind = MetricKind::kRatio;
    bool is_success_metric = false;
    bool is_lower_better = false;
    std::vector<MetricValue> values;            ///< one a variant, in their order
    std::vector<MetricComparison> comparisons;  ///< one a treatment, in their order
};

/// What all metrics of one experiment share.
struct ComparisonPlan {
    std::size_t control_index = 0;
    std::uint64_t tuned_units = 0;  ///< see always_valid()
    double alpha = 0.05;
};

/// A share of exposed units. Variants below kUnitsMin are shown, not tested.
/// Preconditions: converted <= exposed <= kUnitsMax; control_index < variants.size().
MetricReport rate_report(std::string name, std::span<const RateCounts> variants,
                         const ComparisonPlan& plan);

/// A ratio of unit sums. Variants below kUnitsMin are shown, not tested; a variant whose sums are
/// impossible has no value and is not tested.
/// Precondition: control_index < variants.size().
MetricReport ratio_report(std::string name, std::span<const UnitSums> variants,
                          const ComparisonPlan& plan);

/// Conversions (and, just as well, non-conversions) in both variants together before the
/// always-valid reading of a rate begins: below that the asymptotics behind it mean nothing.
inline constexpr std::uint64_t kAlwaysValidConversionsMin = 10;

}  // namespace burgee::stats
