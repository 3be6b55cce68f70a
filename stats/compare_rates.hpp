#pragma once

// Do two variants convert at different rates? One deciding p-value, on the absolute scale, with the
// method named; intervals for the difference and for the relative lift beside it.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "stats/proportion_interval.hpp"
#include "stats/stats_error.hpp"

namespace burgee::stats {

/// The Python system's documented rule: a variant is judged only with more than 30 units.
inline constexpr std::uint64_t kUnitsMin = 31;

enum class RateTest {
    kNone,        ///< nobody or everybody converted in both: there is nothing to test
    kPooledZ,     ///< two-sided pooled z
    kFisherMidP,  ///< Fisher's exact test with mid-p, for small counts
};

struct RateComparison {
    double rate_control = 0;
    double rate_treatment = 0;
    double difference = 0;      ///< treatment minus control, a fraction
    double error_unpooled = 0;  ///< standard error of the difference
    RateTest test = RateTest::kNone;
    std::optional<double> z;        ///< pooled z, also when the exact test decides
    std::optional<double> p_value;  ///< two-sided, of `test`; 0 if below the double range
    std::optional<double> log10_p_value;
    Interval newcombe;           ///< of the difference
    Interval wald;               ///< of the difference, for the old contract
    std::optional<double> lift;  ///< treatment / control - 1; none if the control's rate is 0
    /// Katz's log interval of the lift; none unless both variants have a conversion.
    std::optional<Interval> lift_interval;
    double cohen_h = 0;
};

/// Compares each treatment's conversion rate with the control's.
///
/// @param variants shape (k), k >= 2; variants[0] is the control. Both counts are distinct units.
/// @param alpha    two-sided error rate of each interval, a fraction; 0.05 gives 95 %.
/// @return         shape (k - 1), in the order of variants[1..].
/// @error          kNoTreatment      k < 2
///                 kMoreThanExposed  a variant with converted > exposed
///                 kTooFewSamples    a variant with exposed < kUnitsMin
///                 kOutOfRange       exposed > kUnitsMax, or alpha outside (0, 1)
///
/// Thread safety: pure. Cost: O(k), plus at most 100 000 terms where the exact test is used.
/// No correction for k > 2: see holm().
/// Source: pooled z; Lancaster (1961), JASA 56:223 for mid-p; Newcombe (1998) method 10 and
/// Katz et al. (1978), Biometrics 34:469 for the intervals.
Result<std::vector<RateComparison>> compare_rates(std::span<const RateCounts> variants,
                                                  double alpha);

/// The pooled z; none if the pooled error is 0. Swapping the variants negates it.
/// Preconditions: as for rate_difference().
std::optional<double> pooled_z(const RateCounts& control, const RateCounts& treatment);

}  // namespace burgee::stats
