#include "stats/sequential.hpp"

#include <cmath>
#include <numbers>

namespace burgee::stats {

Result<AlwaysValid> always_valid(const EffectEstimate& estimate, std::uint64_t tuned_units,
                                 double alpha) {
    if (!std::isfinite(estimate.effect) || !std::isfinite(estimate.error)) {
        return StatsError::kNotFinite;
    }
    if (estimate.error <= 0) {
        return StatsError::kNegative;
    }
    if (estimate.unit_count == 0 || tuned_units == 0) {
        return StatsError::kTooFewSamples;
    }
    if (!(alpha > 0 && alpha < 1)) {
        return StatsError::kOutOfRange;
    }
    const double two_log = -2.0 * std::log(alpha);
    const double rho_square = (two_log + std::log1p(two_log)) / static_cast<double>(tuned_units);
    const double information = static_cast<double>(estimate.unit_count) * rho_square;
    const double k = information + 1.0;
    const double z = estimate.effect / estimate.error;
    AlwaysValid reading;
    reading.rho = std::sqrt(rho_square);
    reading.critical_value =
        std::sqrt(2.0 * (k / information) * (0.5 * std::log1p(information) - std::log(alpha)));
    const double half_width = reading.critical_value * estimate.error;
    reading.interval = {estimate.effect - half_width, estimate.effect + half_width};
    reading.log_e_value = 0.5 * (information / k) * z * z - 0.5 * std::log1p(information);
    if (!std::isfinite(half_width) || !std::isfinite(reading.log_e_value)) {
        return StatsError::kNotFinite;
    }
    if (reading.log_e_value > 0) {
        reading.p_value = std::exp(-reading.log_e_value);
        reading.log10_p_value = -reading.log_e_value / std::numbers::ln10;
    }
    return reading;
}

}  // namespace burgee::stats
