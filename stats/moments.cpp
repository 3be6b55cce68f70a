#include "stats/moments.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace burgee::stats {
namespace {

double mean_of(double sum, std::uint64_t count) {
    return count == 0 ? 0.0 : sum / static_cast<double>(count);
}

/// True if |co-moment| <= sqrt(product of squares), with slack for rounding (Cauchy-Schwarz).
bool is_possible_covariance(const UnitSums& sums) {
    const double bound = std::sqrt(sums.centred_mm) * std::sqrt(sums.centred_dd);
    // The relative slack covers sums that come from SQL aggregates of a million rows; the absolute
    // one covers denominators that are constant, whose square rounds to 0.
    const double slack = 1e-6 * bound + 1e-9 * (1.0 + sums.centred_mm + sums.centred_dd);
    return std::abs(sums.centred_md) <= bound + slack;
}

}  // namespace

void add(Moments& moments, double value) {
    moments.unit_count += 1;
    const double from_old_mean = value - moments.mean;
    moments.mean += from_old_mean / static_cast<double>(moments.unit_count);
    moments.centred_square += from_old_mean * (value - moments.mean);
}

void add(UnitSums& sums, double m, double d) {
    sums = merge(sums, UnitSums{.unit_count = 1, .sum_m = m, .sum_d = d});
}

Moments merge(const Moments& left, const Moments& right) {
    if (left.unit_count == 0 || right.unit_count == 0) {
        return left.unit_count == 0 ? right : left;
    }
    const auto left_count = static_cast<double>(left.unit_count);
    const auto right_count = static_cast<double>(right.unit_count);
    const double all_count = left_count + right_count;
    const double apart = right.mean - left.mean;
    Moments merged;
    merged.unit_count = left.unit_count + right.unit_count;
    // Weighted from the larger side, so that adding a few to many does not disturb the mean.
    merged.mean = left_count >= right_count ? left.mean + apart * (right_count / all_count)
                                            : right.mean - apart * (left_count / all_count);
    merged.centred_square = left.centred_square + right.centred_square +
                            apart * apart * (left_count * (right_count / all_count));
    return merged;
}

UnitSums merge(const UnitSums& left, const UnitSums& right) {
    if (left.unit_count == 0 || right.unit_count == 0) {
        return left.unit_count == 0 ? right : left;
    }
    const auto left_count = static_cast<double>(left.unit_count);
    const auto right_count = static_cast<double>(right.unit_count);
    const double weight = left_count * (right_count / (left_count + right_count));
    const double m_apart =
        mean_of(right.sum_m, right.unit_count) - mean_of(left.sum_m, left.unit_count);
    const double d_apart =
        mean_of(right.sum_d, right.unit_count) - mean_of(left.sum_d, left.unit_count);
    UnitSums merged;
    merged.unit_count = left.unit_count + right.unit_count;
    merged.sum_m = left.sum_m + right.sum_m;
    merged.sum_d = left.sum_d + right.sum_d;
    merged.centred_mm = left.centred_mm + right.centred_mm + weight * m_apart * m_apart;
    merged.centred_dd = left.centred_dd + right.centred_dd + weight * d_apart * d_apart;
    merged.centred_md = left.centred_md + right.centred_md + weight * m_apart * d_apart;
    return merged;
}

UnitSums per_unit(const UnitSums& sums) {
    UnitSums totals;
    totals.unit_count = sums.unit_count;
    totals.sum_m = sums.sum_m;
    totals.sum_d = static_cast<double>(sums.unit_count);
    totals.centred_mm = sums.centred_mm;
    return totals;
}

double sample_variance(const Moments& moments) {
    if (moments.unit_count < 2) {
        return 0;
    }
    return moments.centred_square / static_cast<double>(moments.unit_count - 1);
}

Result<void> check(const Moments& moments) {
    if (!std::isfinite(moments.mean) || !std::isfinite(moments.centred_square)) {
        return StatsError::kNotFinite;
    }
    if (moments.centred_square < 0) {
        return StatsError::kNegative;
    }
    if (moments.unit_count > kUnitsMax) {
        return StatsError::kOutOfRange;
    }
    return {};
}

Result<void> check(const UnitSums& sums) {
    const std::array numbers{sums.sum_m, sums.sum_d, sums.centred_mm, sums.centred_dd,
                             sums.centred_md};
    if (!std::ranges::all_of(numbers, [](double number) { return std::isfinite(number); })) {
        return StatsError::kNotFinite;
    }
    if (sums.centred_mm < 0 || sums.centred_dd < 0) {
        return StatsError::kNegative;
    }
    if (sums.unit_count > kUnitsMax || !is_possible_covariance(sums)) {
        return StatsError::kOutOfRange;
    }
    return {};
}

}  // namespace burgee::stats
