// Promise: a split that is not as planned is noticed, and one that is gives no alarm.
// Method: a published experiment's counts, and the edges.

#include "stats/sample_ratio.hpp"

#include <limits>
#include <vector>

namespace burgee::test {
namespace {

using stats::StatsError;

stats::Result<stats::SampleRatio> ratio(std::vector<std::uint64_t> counts,
                                        std::vector<double> weights) {
    return stats::sample_ratio(counts, weights);
}

TEST(SampleRatioTest, FindsThePublishedAnswer) {
    // Udacity's "free trial screener" experiment: page views and clicks, planned half and half.
    EXPECT_NEAR(ratio({345'543, 344'660}, {50, 50}).value().chi_square, 1.129652, 1e-6);
    EXPECT_NEAR(ratio({345'543, 344'660}, {50, 50}).value().p_value, 0.287849641706597, 1e-12);
    EXPECT_NEAR(ratio({28'378, 28'325}, {1, 1}).value().p_value, 0.823867703981541, 1e-12);
}

TEST(SampleRatioTest, AVariantWithoutWeightTakesNoDegreeOfFreedom) {
    const stats::SampleRatio result = ratio({500, 560, 0}, {50, 50, 0}).value();
    EXPECT_EQ(result.degrees_of_freedom, 1);
    EXPECT_NEAR(result.p_value, 0.065, 0.001);
}

TEST(SampleRatioTest, AlarmsFarBelowFivePercentOnly) {
    EXPECT_FALSE(ratio({5100, 4900}, {50, 50}).value().is_mismatch());  // p 0.046
    EXPECT_TRUE(ratio({5200, 4800}, {50, 50}).value().is_mismatch());   // p 6e-5
}

TEST(SampleRatioTest, RefusesWhatItCannotTest) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    EXPECT_EQ(ratio({1, 2}, {50}).error(), StatsError::kSizeMismatch);
    EXPECT_EQ(ratio({}, {}).error(), StatsError::kNoTreatment);
    EXPECT_EQ(ratio({100}, {100}).error(), StatsError::kNoTreatment);
    EXPECT_EQ(ratio({100, 100}, {100, 0}).error(), StatsError::kNoTreatment);
    EXPECT_EQ(ratio({0, 0}, {50, 50}).error(), StatsError::kTooFewSamples);
    EXPECT_EQ(ratio({1, 1}, {50, nan}).error(), StatsError::kNotFinite);
    EXPECT_EQ(ratio({1, 1}, {50, -1}).error(), StatsError::kNegative);
    EXPECT_EQ(ratio({9, 9}, {1e308, 1e308}).error(), StatsError::kNotFinite);
}

}  // namespace
}  // namespace burgee::test
