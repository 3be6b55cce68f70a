#include "stats/sample_ratio.hpp"

#include <cmath>

#include "stats/distributions.hpp"

namespace burgee::stats {
namespace {

/// What is left once variants with weight 0 are left out.
struct Totals {
    double weight = 0;
    double units = 0;
    int variant_count = 0;
};

}  // namespace

Result<SampleRatio> sample_ratio(std::span<const std::uint64_t> counts,
                                 std::span<const double> weights) {
    if (counts.size() != weights.size()) {
        return StatsError::kSizeMismatch;
    }
    Totals totals;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        if (!std::isfinite(weights[i])) {
            return StatsError::kNotFinite;
        }
        if (weights[i] < 0) {
            return StatsError::kNegative;
        }
        if (weights[i] > 0) {
            totals.weight += weights[i];
            totals.units += static_cast<double>(counts[i]);
            totals.variant_count += 1;
        }
    }
    if (totals.variant_count < 2) {
        return StatsError::kNoTreatment;
    }
    if (totals.units <= 0) {
        return StatsError::kTooFewSamples;
    }
    if (!std::isfinite(totals.weight)) {
        return StatsError::kNotFinite;
    }
    SampleRatio result;
    result.degrees_of_freedom = totals.variant_count - 1;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        if (weights[i] > 0) {
            const double expected = totals.units * (weights[i] / totals.weight);
            const double excess = static_cast<double>(counts[i]) - expected;
            result.chi_square += excess * (excess / expected);
        }
    }
    if (!std::isfinite(result.chi_square)) {
        return StatsError::kNotFinite;  // a weight so small that nothing can be expected there
    }
    result.p_value = chi_square_upper_tail(result.chi_square, result.degrees_of_freedom);
    result.log10_p_value =
        log10_chi_square_upper_tail(result.chi_square, result.degrees_of_freedom);
    return result;
}

}  // namespace burgee::stats
