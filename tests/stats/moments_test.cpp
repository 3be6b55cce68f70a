// Promise: merging shards gives what one pass gives, whatever their sizes, and keeps its digits far
// from zero. Method: the same values added one by one and merged from random pieces.

#include "stats/moments.hpp"

#include <cmath>
#include <limits>
#include <random>

namespace burgee::test {
namespace {

using stats::Moments;
using stats::StatsError;
using stats::UnitSums;

TEST(MomentsTest, MergesToWhatOnePassGives) {
    constexpr std::uint64_t seed = 20260901;
    std::mt19937_64 random(seed);
    std::normal_distribution<double> value(1e9, 1.0);
    Moments whole;
    Moments merged;
    for (int shard = 0; shard < 50; ++shard) {
        Moments piece;
        for (int i = 0; i < shard; ++i) {
            const double x = value(random);
            stats::add(whole, x);
            stats::add(piece, x);
        }
        merged = shard % 2 == 0 ? stats::merge(merged, piece) : stats::merge(piece, merged);
    }
    EXPECT_EQ(merged.unit_count, whole.unit_count) << "seed=" << seed;
    EXPECT_NEAR(merged.mean, whole.mean, 1e-6);
    EXPECT_NEAR(stats::sample_variance(merged), stats::sample_variance(whole), 1e-6);
    EXPECT_NEAR(stats::sample_variance(whole), 1.0, 0.15);
}

TEST(MomentsTest, EqualValuesHaveNoVarianceAtAll) {
    Moments moments;
    for (int i = 0; i < 1000; ++i) {
        stats::add(moments, 0.1);
    }
    EXPECT_EQ(moments.centred_square, 0.0);
}

TEST(MomentsTest, AnEmptySideChangesNothing) {
    const Moments some{.unit_count = 3, .mean = 2.0, .centred_square = 8.0};
    EXPECT_EQ(stats::merge(some, Moments{}), some);
    EXPECT_EQ(stats::merge(Moments{}, some), some);
    const UnitSums sums{.unit_count = 2, .sum_m = 3, .sum_d = 4, .centred_mm = 1};
    EXPECT_EQ(stats::merge(sums, UnitSums{}), sums);
    EXPECT_EQ(stats::merge(UnitSums{}, sums), sums);
}

TEST(MomentsTest, OneUnitHasNoVariance) {
    Moments one;
    stats::add(one, 17.0);
    EXPECT_EQ(one.mean, 17.0);
    EXPECT_EQ(stats::sample_variance(one), 0.0);
}

TEST(UnitSumsTest, MergeKeepsTheCovariance) {
    UnitSums whole;
    UnitSums left;
    UnitSums right;
    for (int i = 0; i < 100; ++i) {
        const double m = 1e6 + i % 7;
        const double d = 2.0 * (i % 7) + i % 3;
        stats::add(whole, m, d);
        stats::add(i < 10 ? left : right, m, d);
    }
    const UnitSums merged = stats::merge(left, right);
    EXPECT_EQ(merged.sum_m, whole.sum_m);
    EXPECT_NEAR(merged.centred_mm, whole.centred_mm, 1e-6);
    EXPECT_NEAR(merged.centred_dd, whole.centred_dd, 1e-6);
    EXPECT_NEAR(merged.centred_md, whole.centred_md, 1e-6);
    EXPECT_GT(merged.centred_md, 0);
}

TEST(UnitSumsTest, TotalsAreMeansPerUnit) {
    UnitSums sums;
    stats::add(sums, 10.0, 5.0);
    stats::add(sums, 0.0, 0.0);
    const UnitSums totals = stats::per_unit(sums);
    EXPECT_EQ(totals.sum_m / totals.sum_d, 5.0);
    EXPECT_EQ(totals.centred_mm, sums.centred_mm);
    EXPECT_EQ(totals.centred_dd, 0.0);
    EXPECT_EQ(totals.centred_md, 0.0);
}

TEST(UnitSumsTest, RefusesWhatNoDataCanHave) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const double infinity = std::numeric_limits<double>::infinity();
    const auto error = [](const auto& sums) { return stats::check(sums).error(); };
    EXPECT_EQ(error(Moments{2, nan, 0}), StatsError::kNotFinite);
    EXPECT_EQ(error(Moments{2, 0, -1}), StatsError::kNegative);
    EXPECT_EQ(error(UnitSums{2, infinity, 1, 1, 1, 1}), StatsError::kNotFinite);
    EXPECT_EQ(error(UnitSums{2, 1, 1, -1, 1, 0}), StatsError::kNegative);
    EXPECT_EQ(error(UnitSums{2, 1, 1, 1, 1, 5}), StatsError::kOutOfRange);
    EXPECT_EQ(error(UnitSums{stats::kUnitsMax + 1, 1, 1, 1, 1, 0}), StatsError::kOutOfRange);
    EXPECT_TRUE(stats::check(UnitSums{2, 1, 1, 1, 1, 1}).has_value());
}

TEST(StatsErrorTest, EveryCauseHasASentence) {
    for (int code = 0; code <= static_cast<int>(StatsError::kSizeMismatch); ++code) {
        EXPECT_NE(stats::describe(static_cast<StatsError>(code)), "unknown error") << code;
    }
}

}  // namespace
}  // namespace burgee::test
