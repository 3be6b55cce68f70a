#include "stats/effect_size.hpp"

#include <cmath>

#include "stats/distributions.hpp"

namespace burgee::stats {
namespace {

double pooled_degrees(const UnitEstimate& control, const UnitEstimate& treatment) {
    return static_cast<double>(control.unit_count) + static_cast<double>(treatment.unit_count) -
           2.0;
}

}  // namespace

double cohen_h(double rate_control, double rate_treatment) {
    return 2.0 * (std::asin(std::sqrt(rate_treatment)) - std::asin(std::sqrt(rate_control)));
}

std::optional<double> cohen_d(const UnitEstimate& control, const UnitEstimate& treatment) {
    const double squares = static_cast<double>(control.unit_count - 1) * control.variance +
                           static_cast<double>(treatment.unit_count - 1) * treatment.variance;
    if (squares <= 0) {
        return std::nullopt;
    }
    const double pooled_deviation = std::sqrt(squares / pooled_degrees(control, treatment));
    return (treatment.value - control.value) / pooled_deviation;
}

std::optional<double> hedges_g(const UnitEstimate& control, const UnitEstimate& treatment) {
    const std::optional<double> d = cohen_d(control, treatment);
    if (!d) {
        return std::nullopt;
    }
    return *d * hedges_correction(pooled_degrees(control, treatment));
}

}  // namespace burgee::stats
