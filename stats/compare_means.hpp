#pragma once

// Do two variants differ in a mean per unit, or in a ratio of unit sums (a mean per event,
// clustered by unit)? Welch's t on the absolute scale decides; Fieller's interval says what it
// means in percent.

#include <optional>

#include "stats/moments.hpp"
#include "stats/stats_error.hpp"

namespace burgee::stats {

/// One variant's estimate with the variance of its per-unit part: error = sqrt(variance / units).
struct UnitEstimate {
    std::uint64_t unit_count = 0;
    double value = 0;
    double variance = 0;  ///< sample variance (n - 1) of the units, or of their linearised ratios
};

/// What Welch's test says. Absent altogether if both variances are 0.
struct WelchTest {
    double degrees_of_freedom = 0;  ///< Satterthwaite's, not rounded
    double t = 0;
    double p_value = 1;  ///< two-sided; 0 if below the double range
    double log10_p_value = 0;
    Interval interval;  ///< of the difference
};

struct MeanComparison {
    UnitEstimate control;
    UnitEstimate treatment;
    double difference = 0;  ///< treatment minus control, in the metric's unit
    double error = 0;       ///< standard error of the difference
    std::optional<WelchTest> test;
    std::optional<double> lift;  ///< difference / |control|; none if the control's value is 0
    /// Fieller's interval of the lift; none if the control is too noisy for a percentage.
    std::optional<Interval> lift_interval;
    std::optional<double> cohen_d;  ///< none if both variances are 0
};

/// Compares means per unit.
/// @param alpha two-sided error rate of the intervals, in (0, 1).
/// @error kTooFewSamples (a side below two units), kNotFinite, kNegative, kOutOfRange.
/// Thread safety: pure. Cost: constant. Source: Welch (1947), Biometrika 34:28-35.
Result<MeanComparison> compare_means(const Moments& control, const Moments& treatment,
                                     double alpha);

/// Compares ratios of unit sums, sum_m / sum_d, with the unit as the thing that was randomised.
/// @error as compare_means, and kZeroDenominator if a side's sum_d is 0.
/// Thread safety: pure. Cost: constant. Source: delta method; Deng, Knoblich, Lu (2018), KDD,
/// arXiv:1803.06336, section 2.
Result<MeanComparison> compare_ratios(const UnitSums& control, const UnitSums& treatment,
                                      double alpha);

/// sum_m / sum_d with its delta-method variance. Errors as compare_ratios.
Result<UnitEstimate> ratio_estimate(const UnitSums& sums);

/// Fieller's set for treatment / control - 1 (with the sign of a lift if the control is negative).
struct Fieller {
    double g = 0;                      ///< squared relative noise of the control; bounded iff < 1
    std::optional<Interval> interval;  ///< only if bounded
};

/// Preconditions: both unit counts > 0, control.value != 0, 0 < alpha < 1.
/// Source: Fieller (1954), J. Royal Statistical Society B 16:175-185; normal quantile.
Fieller fieller_interval(const UnitEstimate& control, const UnitEstimate& treatment, double alpha);

}  // namespace burgee::stats
