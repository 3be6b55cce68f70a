#pragma once

// Counts, means and centred second moments: all that the tests of means and ratios need to know of
// the data. They merge (hosts, days, shards) without the loss of digits that sums of squares
// suffer.
//
// Invariants:
//   1. Second moments are centred, sum((x - mean)^2), and never negative.
//   2. A value with unit_count 0 has every other field 0.

#include <cstdint>

#include "stats/stats_error.hpp"

namespace burgee::stats {

/// One quantity per unit.
struct Moments {
    std::uint64_t unit_count = 0;
    double mean = 0;
    double centred_square = 0;  ///< sum of (x - mean)^2

    friend bool operator==(const Moments&, const Moments&) = default;
};

/// Two sums per unit: numerator m and denominator d, as in "milliseconds over requests".
/// A mean per unit is the case d = 1 everywhere: sum_d = unit_count, centred_dd = centred_md = 0.
struct UnitSums {
    std::uint64_t unit_count = 0;
    double sum_m = 0;
    double sum_d = 0;
    double centred_mm = 0;  ///< sum of (m - mean of m)^2
    double centred_dd = 0;  ///< sum of (d - mean of d)^2
    double centred_md = 0;  ///< sum of (m - mean of m)(d - mean of d)

    friend bool operator==(const UnitSums&, const UnitSums&) = default;
};

/// Adds one unit's value. Source: Welford (1962), Technometrics 4:419-420. Precondition: finite.
void add(Moments& moments, double value);

/// Adds one unit's two sums; the same recurrence for both and for their product.
void add(UnitSums& sums, double m, double d);

/// The moments of both sets together. Commutative up to rounding; an empty side changes nothing.
/// Source: Chan, Golub, LeVeque (1983), The American Statistician 37:242-247, eq. 2.1.
Moments merge(const Moments& left, const Moments& right);
UnitSums merge(const UnitSums& left, const UnitSums& right);

/// The same units with their denominators replaced by 1: the sum per unit, for metrics that are
/// declared as totals. unit_count must then include the units whose sum is 0.
UnitSums per_unit(const UnitSums& sums);

/// The variance with n - 1 in the denominator; 0 for fewer than two units.
double sample_variance(const Moments& moments);

/// Refuses what no data can have: kNotFinite, kNegative (a centred square below 0), kOutOfRange
/// (more than kUnitsMax units). Thread safety: pure.
Result<void> check(const Moments& moments);
Result<void> check(const UnitSums& sums);

/// More units than people ever lived; products of two such counts still fit 128 bits.
inline constexpr std::uint64_t kUnitsMax = 1'000'000'000'000'000;

}  // namespace burgee::stats
