// Promise: means and ratios are compared by unit, p is on the absolute scale, and a lift is shown
// only where it means something. Method: identities, symmetry, and broken inputs.

#include "stats/compare_means.hpp"

#include <cmath>
#include <limits>

namespace burgee::test {
namespace {

using stats::MeanComparison;
using stats::Moments;
using stats::StatsError;
using stats::UnitSums;

Moments moments(std::uint64_t units, double mean, double variance) {
    return {units, mean, variance * static_cast<double>(units - 1)};
}

TEST(CompareMeansTest, SwappingTheVariantsNegates) {
    const Moments left = moments(400, -12.5, 30.25);
    const Moments right = moments(120, -11.1, 64.0);
    const MeanComparison there = stats::compare_means(left, right, 0.05).value();
    const MeanComparison back = stats::compare_means(right, left, 0.05).value();
    EXPECT_EQ(there.difference, -back.difference);
    EXPECT_EQ(there.test.value().t, -back.test.value().t);
    EXPECT_EQ(there.test->p_value, back.test->p_value);
    EXPECT_NEAR(there.test->interval.lower, -back.test->interval.upper, 1e-12);
    EXPECT_EQ(there.cohen_d.value(), -back.cohen_d.value());
}

TEST(CompareMeansTest, IntervalExcludesZeroExactlyWhenPIsBelowAlpha) {
    for (double mean = 0.9; mean < 1.1; mean += 0.001) {
        const MeanComparison means =
            stats::compare_means(moments(200, 1.0, 0.2), moments(150, mean, 0.1), 0.05).value();
        const bool excludes =
            means.test.value().interval.lower > 0 || means.test->interval.upper < 0;
        ASSERT_EQ(excludes, means.test->p_value < 0.05) << mean;
    }
}

TEST(CompareMeansTest, NoisyBaselineHasNoPercentage) {
    const MeanComparison means =
        stats::compare_means(moments(60, 0.2, 25.0), moments(60, 1.4, 25.0), 0.05).value();
    EXPECT_TRUE(means.lift);
    EXPECT_FALSE(means.lift_interval);
    const MeanComparison zero =
        stats::compare_means(moments(60, 0.0, 1.0), moments(60, 1.0, 1.0), 0.05).value();
    EXPECT_FALSE(zero.lift);
    EXPECT_FALSE(zero.lift_interval);
}

TEST(CompareMeansTest, NoVarianceIsNotATest) {
    const MeanComparison means =
        stats::compare_means(moments(100, 5.0, 0.0), moments(100, 6.0, 0.0), 0.05).value();
    EXPECT_FALSE(means.test);
    EXPECT_FALSE(means.cohen_d);
    EXPECT_EQ(means.difference, 1.0);
}

TEST(CompareMeansTest, RefusesBrokenMoments) {
    const Moments good = moments(100, 5.0, 1.0);
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const auto error = [&](const Moments& bad) {
        return stats::compare_means(good, bad, 0.05).error();
    };
    EXPECT_EQ(error({100, nan, 1}), StatsError::kNotFinite);
    EXPECT_EQ(error({100, 1, -1}), StatsError::kNegative);
    EXPECT_EQ(error({1, 1, 0}), StatsError::kTooFewSamples);
    EXPECT_EQ(error({0, 0, 0}), StatsError::kTooFewSamples);
    EXPECT_EQ(stats::compare_means(good, good, 1.5).error(), StatsError::kOutOfRange);
    EXPECT_EQ(stats::compare_means({100, 1e308, 1}, {100, -1e308, 1}, 0.05).error(),
              StatsError::kNotFinite);
}

TEST(CompareRatiosTest, IsTheMeanWhenEveryDenominatorIsOne) {
    UnitSums control;
    UnitSums treatment;
    Moments control_mean;
    Moments treatment_mean;
    for (int i = 0; i < 90; ++i) {
        const double x = 100 + (i * 37) % 41;
        const double y = 103 + (i * 53) % 29;
        stats::add(control, x, 1.0);
        stats::add(control_mean, x);
        stats::add(treatment, y, 1.0);
        stats::add(treatment_mean, y);
    }
    const MeanComparison ratios = stats::compare_ratios(control, treatment, 0.05).value();
    const MeanComparison means = stats::compare_means(control_mean, treatment_mean, 0.05).value();
    EXPECT_NEAR(ratios.difference, means.difference, 1e-10);
    EXPECT_NEAR(ratios.error, means.error, 1e-10);
    EXPECT_NEAR(ratios.test.value().p_value, means.test.value().p_value, 1e-10);
}

TEST(CompareRatiosTest, UnitsThatAllHaveTheSameRatioHaveNoVariance) {
    UnitSums sums;
    for (int i = 1; i < 50; ++i) {
        stats::add(sums, 0.3 * i, i);
    }
    EXPECT_NEAR(stats::ratio_estimate(sums).value().variance, 0.0, 1e-12);
}

TEST(CompareRatiosTest, RefusesRatiosWithoutDenominator) {
    const UnitSums good{.unit_count = 50, .sum_m = 50, .sum_d = 50, .centred_mm = 5};
    const UnitSums empty{.unit_count = 50};
    EXPECT_EQ(stats::compare_ratios(good, empty, 0.05).error(), StatsError::kZeroDenominator);
    EXPECT_EQ(stats::compare_ratios(empty, good, 0.05).error(), StatsError::kZeroDenominator);
    EXPECT_EQ(stats::compare_ratios(good, {}, 0.05).error(), StatsError::kTooFewSamples);
}

}  // namespace
}  // namespace burgee::test
