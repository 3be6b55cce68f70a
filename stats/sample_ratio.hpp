#pragma once

// Did units arrive in the proportions the weights ask for? A mismatch means that assignment or
// logging is broken, and no verdict can be trusted.

#include <cstdint>
#include <span>

#include "stats/stats_error.hpp"

namespace burgee::stats {

/// Alarm level; far below 5 % because the check runs on every look at every experiment.
inline constexpr double kSampleRatioAlpha = 0.001;

struct SampleRatio {
    double chi_square = 0;
    int degrees_of_freedom = 0;
    double p_value = 1;
    double log10_p_value = 0;

    bool is_mismatch() const { return p_value < kSampleRatioAlpha; }
};

/// Chi-square test of unit counts against weights.
/// @param counts  distinct units a variant, shape (k).
/// @param weights shape (k), any scale; a variant with weight 0 is left out of test and df.
/// @error kSizeMismatch, kNotFinite or kNegative (a weight), kNoTreatment (fewer than two weights
///        above 0), kTooFewSamples (no units at all).
/// Thread safety: pure. Cost: O(k). Source: Fabijan et al. (2019), KDD, on sample ratio mismatch.
Result<SampleRatio> sample_ratio(std::span<const std::uint64_t> counts,
                                 std::span<const double> weights);

}  // namespace burgee::stats
