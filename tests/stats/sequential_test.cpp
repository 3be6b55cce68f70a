// Promise: the always-valid reading is consistent with itself and refuses what has no error.
// Method: the duality of interval and p-value, and the edges. Coverage is in simulation_test.cpp.

#include "stats/sequential.hpp"

#include <limits>

namespace burgee::test {
namespace {

using stats::AlwaysValid;
using stats::StatsError;

TEST(AlwaysValidTest, IntervalExcludesZeroExactlyWhenPIsBelowAlpha) {
    for (double effect = -0.08; effect < 0.08; effect += 0.0005) {
        const AlwaysValid reading =
            stats::always_valid({effect, 0.0152676, 2000}, 5000, 0.05).value();
        const bool excludes = reading.interval.lower > 0 || reading.interval.upper < 0;
        ASSERT_EQ(excludes, reading.p_value < 0.05) << effect;
    }
}

TEST(AlwaysValidTest, IsWiderThanTheFixedHorizonAndTightestNearThePlan) {
    const auto width = [](std::uint64_t units) {
        return stats::always_valid({0.0, 1.0, units}, 10'000, 0.05).value().critical_value;
    };
    EXPECT_GT(width(10'000), 1.96);
    EXPECT_LT(width(10'000), width(100));
    EXPECT_LT(width(10'000), width(10'000'000));
}

TEST(AlwaysValidTest, RefusesWhatHasNoError) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    EXPECT_EQ(stats::always_valid({0.1, 0.0, 100}, 100, 0.05).error(), StatsError::kNegative);
    EXPECT_EQ(stats::always_valid({nan, 1.0, 100}, 100, 0.05).error(), StatsError::kNotFinite);
    EXPECT_EQ(stats::always_valid({0.1, 1.0, 0}, 100, 0.05).error(), StatsError::kTooFewSamples);
    EXPECT_EQ(stats::always_valid({0.1, 1.0, 9}, 0, 0.05).error(), StatsError::kTooFewSamples);
    EXPECT_EQ(stats::always_valid({0.1, 1.0, 9}, 9, 1.0).error(), StatsError::kOutOfRange);
    EXPECT_EQ(stats::always_valid({1e300, 1e-300, 9}, 9, 0.05).error(), StatsError::kNotFinite);
}

}  // namespace
}  // namespace burgee::test
