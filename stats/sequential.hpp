#pragma once

// The always-valid reading: an interval and a p-value that hold at every look at once, so that
// watching an experiment does no harm. Wider than the fixed-horizon ones; that is its price.

#include <cstdint>
#include <optional>

#include "stats/stats_error.hpp"

namespace burgee::stats {

/// Total units at which the sequence is tightest when nothing is planned. Any constant chosen
/// before the data is valid; 10 000 is a middling experiment, chosen by feel.
inline constexpr std::uint64_t kTunedUnits = 10'000;

struct EffectEstimate {
    double effect = 0;
    double error = 0;              ///< standard error
    std::uint64_t unit_count = 0;  ///< all units of both variants
};

struct AlwaysValid {
    double rho = 0;
    double critical_value = 0;  ///< half-width of the interval in standard errors
    Interval interval;
    double log_e_value = 0;
    double p_value = 1;
    double log10_p_value = 0;
};

/// @param tuned_units the total number of units planned; fixed before looking, never the current
/// one.
/// @param alpha       error rate over all looks together, in (0, 1).
/// @error kNotFinite, kTooFewSamples (no units or no tuned units), kNegative (error <= 0),
///        kOutOfRange (alpha).
/// Thread safety: pure. Cost: constant.
/// Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2021), arXiv:2103.06476, eq. 9.
Result<AlwaysValid> always_valid(const EffectEstimate& estimate, std::uint64_t tuned_units,
                                 double alpha);

}  // namespace burgee::stats
