#include "stats/compare_means.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "stats/distributions.hpp"
#include "stats/effect_size.hpp"

namespace burgee::stats {
namespace {

double squared_error(const UnitEstimate& estimate) {
    return estimate.variance / static_cast<double>(estimate.unit_count);
}

double satterthwaite(const UnitEstimate& control, const UnitEstimate& treatment) {
    const double c = squared_error(control);
    const double t = squared_error(treatment);
    // As shares, so that tiny errors do not underflow when squared; both by division, so that
    // swapping the variants changes nothing.
    const double c_share = c / (c + t);
    const double t_share = t / (c + t);
    return 1.0 / (c_share * c_share / static_cast<double>(control.unit_count - 1) +
                  t_share * t_share / static_cast<double>(treatment.unit_count - 1));
}

Result<MeanComparison> compare(const UnitEstimate& control, const UnitEstimate& treatment,
                               double alpha) {
    if (!(alpha > 0 && alpha < 1)) {
        return StatsError::kOutOfRange;
    }
    MeanComparison comparison;
    comparison.control = control;
    comparison.treatment = treatment;
    comparison.difference = treatment.value - control.value;
    comparison.error = std::sqrt(squared_error(control) + squared_error(treatment));
    if (!std::isfinite(comparison.difference) || !std::isfinite(comparison.error)) {
        return StatsError::kNotFinite;
    }
    if (comparison.error > 0) {
        WelchTest test;
        test.degrees_of_freedom = satterthwaite(control, treatment);
        test.t = comparison.difference / comparison.error;
        test.p_value = student_two_sided(test.t, test.degrees_of_freedom);
        test.log10_p_value = log10_student_two_sided(test.t, test.degrees_of_freedom);
        const double half_width =
            student_upper_quantile(0.5 * alpha, test.degrees_of_freedom) * comparison.error;
        test.interval = {comparison.difference - half_width, comparison.difference + half_width};
        comparison.test = test;
    }
    const double lift = comparison.difference / std::abs(control.value);
    if (std::isfinite(lift)) {  // not if the control's value is 0, or as good as
        comparison.lift = lift;
        comparison.lift_interval = fieller_interval(control, treatment, alpha).interval;
    }
    comparison.cohen_d = cohen_d(control, treatment);
    return comparison;
}

}  // namespace

Result<MeanComparison> compare_means(const Moments& control, const Moments& treatment,
                                     double alpha) {
    for (const Moments* side : {&control, &treatment}) {
        if (const Result<void> checked = check(*side); checked.has_error()) {
            return checked.error();
        }
        if (side->unit_count < 2) {
            return StatsError::kTooFewSamples;
        }
    }
    return compare({control.unit_count, control.mean, sample_variance(control)},
                   {treatment.unit_count, treatment.mean, sample_variance(treatment)}, alpha);
}

Result<UnitEstimate> ratio_estimate(const UnitSums& sums) {
    if (const Result<void> checked = check(sums); checked.has_error()) {
        return checked.error();
    }
    if (sums.unit_count < 2) {
        return StatsError::kTooFewSamples;
    }
    if (sums.sum_d == 0) {
        return StatsError::kZeroDenominator;
    }
    const auto units = static_cast<double>(sums.unit_count);
    const double ratio = sums.sum_m / sums.sum_d;
    // The delta method: gradient' * covariance * gradient, the gradient of m/d at the two means.
    Eigen::Matrix2d covariance;
    covariance << sums.centred_mm, sums.centred_md, sums.centred_md, sums.centred_dd;
    covariance /= units - 1.0;
    const Eigen::Vector2d gradient = Eigen::Vector2d{1.0, -ratio} / (sums.sum_d / units);
    const double variance = gradient.dot(covariance * gradient);
    if (!std::isfinite(ratio) || !std::isfinite(variance)) {
        return StatsError::kNotFinite;
    }
    // Rounding may leave a hair below zero where every unit has the same ratio.
    return UnitEstimate{sums.unit_count, ratio, std::max(0.0, variance)};
}

Result<MeanComparison> compare_ratios(const UnitSums& control, const UnitSums& treatment,
                                      double alpha) {
    const Result<UnitEstimate> control_ratio = ratio_estimate(control);
    if (control_ratio.has_error()) {
        return control_ratio.error();
    }
    const Result<UnitEstimate> treatment_ratio = ratio_estimate(treatment);
    if (treatment_ratio.has_error()) {
        return treatment_ratio.error();
    }
    return compare(control_ratio.value(), treatment_ratio.value(), alpha);
}

Fieller fieller_interval(const UnitEstimate& control, const UnitEstimate& treatment, double alpha) {
    const double z = normal_upper_quantile(0.5 * alpha);
    // Relative to the control's value: roots of (r - q)^2 = z^2 (vt + q^2 vc), r the observed
    // ratio.
    const double ratio = treatment.value / control.value;
    const double scale = z * z / (control.value * control.value);
    const double g = scale * squared_error(control);
    const double h = scale * squared_error(treatment);
    Fieller fieller{.g = g, .interval = std::nullopt};
    if (!(g < 1)) {
        return fieller;
    }
    const double root = std::sqrt(std::max(0.0, h * (1.0 - g) + g * ratio * ratio));
    const double lower = (ratio - root) / (1.0 - g) - 1.0;
    const double upper = (ratio + root) / (1.0 - g) - 1.0;
    if (std::isfinite(lower) && std::isfinite(upper)) {
        fieller.interval = control.value > 0 ? Interval{lower, upper} : Interval{-upper, -lower};
    }
    return fieller;
}

}  // namespace burgee::stats
