// Promise: tails keep their digits however small they are, and quantiles invert them. Method:
// identities between distributions, and agreement of the two ways a logarithm is taken on both
// sides of the switch.

#include "stats/distributions.hpp"

#include <cmath>

namespace burgee::test {
namespace {

TEST(NormalTest, QuantileInvertsTheTail) {
    for (const double tail : {1e-300, 1e-20, 0.001, 0.025, 0.5, 0.9}) {
        EXPECT_NEAR(stats::normal_upper_tail(stats::normal_upper_quantile(tail)) / tail, 1.0,
                    1e-11);
    }
    EXPECT_NEAR(stats::normal_upper_quantile(0.025), 1.959963984540054, 1e-14);
}

TEST(NormalTest, LogarithmIsSmoothWhereTheTailLeavesTheDoubleRange) {
    // log10 p of the normal is nearly a parabola: its second difference is -log10(e) h^2 plus
    // little.
    constexpr double step = 0.01;
    for (double z = 30; z < 45; z += step) {
        const double bend = stats::log10_normal_two_sided(z - step) -
                            2 * stats::log10_normal_two_sided(z) +
                            stats::log10_normal_two_sided(z + step);
        ASSERT_NEAR(bend / (step * step), -0.4343, 0.001) << z;
    }
    EXPECT_EQ(stats::normal_two_sided(40), 0.0);
}

TEST(StudentTest, LogarithmAgreesWithTheTailOnBothSidesOfTheSwitch) {
    // At the switch one side is a logarithm of a tail, the other a continued fraction.
    for (const double df : {3.5, 30.0, 500.0, 99'993.2, 1e6, 1e9}) {
        double low = 1.0;
        double high = 1e200;
        for (int i = 0; i < 300; ++i) {  // the t at which the tail is 1e-290
            const double middle = std::sqrt(low * high);
            (stats::student_two_sided(middle, df) > 1e-290 ? low : high) = middle;
        }
        const double above = stats::log10_student_two_sided(low * (1 - 1e-9), df);
        const double below = stats::log10_student_two_sided(high * (1 + 1e-9), df);
        EXPECT_NEAR(above, -290, 1e-5) << df;
        EXPECT_NEAR(below, above, 1e-5) << df;
    }
}

TEST(StudentTest, TendsToTheNormal) {
    EXPECT_NEAR(stats::student_two_sided(2.0, 1e15), stats::normal_two_sided(2.0), 1e-14);
    EXPECT_NEAR(stats::student_upper_quantile(0.025, 1e15), stats::normal_upper_quantile(0.025),
                1e-12);
}

TEST(StudentTest, OneDegreeOfFreedomIsCauchy) {
    EXPECT_NEAR(stats::student_two_sided(1.0, 1.0), 0.5, 1e-15);
    EXPECT_NEAR(stats::student_upper_quantile(0.25, 1.0), 1.0, 1e-13);
}

TEST(ChiSquareTest, OneDegreeOfFreedomIsASquaredNormal) {
    for (const double z : {0.1, 1.0, 3.3, 10.0, 36.0}) {
        EXPECT_NEAR(stats::log10_chi_square_upper_tail(z * z, 1), stats::log10_normal_two_sided(z),
                    1e-9 * (1 + z * z));
    }
    EXPECT_NEAR(stats::log10_chi_square_upper_tail(1e6, 1), stats::log10_normal_two_sided(1e3),
                1e-6);
}

TEST(ChiSquareTest, TwoDegreesOfFreedomAreExponential) {
    EXPECT_NEAR(stats::chi_square_upper_tail(3.0, 2), std::exp(-1.5), 1e-15);
    EXPECT_NEAR(stats::log10_chi_square_upper_tail(1e5, 2), -5e4 * std::log10(std::exp(1.0)), 1e-8);
}

TEST(HedgesTest, TendsToOne) {
    EXPECT_NEAR(stats::hedges_correction(10), 0.9227456, 1e-7);  // Hedges (1981), table
    EXPECT_NEAR(stats::hedges_correction(1e9), 1.0, 1e-8);
}

}  // namespace
}  // namespace burgee::test
