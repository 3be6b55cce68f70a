#pragma once

// Effect sizes without units, for comparing effects across metrics; none of them decides anything.

#include <optional>

#include "stats/compare_means.hpp"

namespace burgee::stats {

/// Cohen's h: 2 asin sqrt(pt) - 2 asin sqrt(pc). Preconditions: both rates in [0, 1].
/// Source: Cohen (1988), Statistical Power Analysis, 2nd ed., chapter 6.
double cohen_h(double rate_control, double rate_treatment);

/// Cohen's d: the difference over the pooled standard deviation; none if that is 0.
/// Precondition: both sides have two units or more.
std::optional<double> cohen_d(const UnitEstimate& control, const UnitEstimate& treatment);

/// d with the exact small-sample correction of Hedges (1981).
std::optional<double> hedges_g(const UnitEstimate& control, const UnitEstimate& treatment);

}  // namespace burgee::stats
