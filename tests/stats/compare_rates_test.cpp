// Promise: rates are compared rightly at every size, from nobody to a thousand million, and a
// question that cannot be answered is refused. Method: published experiments, symmetry, and the
// edges.

#include "stats/compare_rates.hpp"

#include <array>
#include <cmath>

#include "stats/exact_test.hpp"
#include "stats/moments.hpp"

namespace burgee::test {
namespace {

using stats::RateComparison;
using stats::RateCounts;
using stats::RateTest;
using stats::StatsError;

stats::Result<std::vector<RateComparison>> compare(std::vector<RateCounts> variants,
                                                   double alpha = 0.05) {
    return stats::compare_rates(variants, alpha);
}

RateComparison compare_two(RateCounts control, RateCounts treatment) {
    return compare({control, treatment}).value().front();
}

// The "free trial screener" experiment of Udacity's course on A/B testing, 23 days of 2014; its
// published answer is -0.0206 with -0.0291 .. -0.0120 for gross conversion, not significant for
// net.
TEST(CompareRatesTest, FindsThePublishedAnswerForGrossConversion) {
    const RateComparison rates = compare_two({17'293, 3'785}, {17'260, 3'423});
    EXPECT_NEAR(rates.difference, -0.0205548745803616, 1e-15);
    EXPECT_NEAR(rates.z.value(), -4.70183002375398, 1e-12);
    EXPECT_NEAR(rates.p_value.value(), 2.57840103372063e-06, 1e-15);
    EXPECT_NEAR(rates.wald.lower, -0.0291201624159825, 1e-14);
    EXPECT_NEAR(rates.wald.upper, -0.0119895867447406, 1e-14);
    EXPECT_NEAR(rates.newcombe.lower, -0.0291184926387001, 1e-14);
    EXPECT_NEAR(rates.newcombe.upper, -0.0119878589021505, 1e-14);
}

TEST(CompareRatesTest, FindsThePublishedAnswerForNetConversion) {
    const RateComparison rates = compare_two({17'293, 2'033}, {17'260, 1'945});
    EXPECT_NEAR(rates.difference, -0.00487372267454416, 1e-15);
    EXPECT_NEAR(rates.p_value.value(), 0.155840682621502, 1e-12);
    EXPECT_NEAR(rates.wald.lower, -0.011604186136269, 1e-14);
    EXPECT_NEAR(rates.wald.upper, 0.00185674078718065, 1e-14);
    EXPECT_NEAR(compare_two({345'543, 28'378}, {344'660, 28'325}).p_value.value(),
                0.931735952447398, 1e-10);
}

TEST(CompareRatesTest, SwappingTheVariantsNegates) {
    const std::vector<std::array<RateCounts, 2>> pairs{
        {{{1000, 120}, {1000, 150}}}, {{{31, 0}, {400, 7}}},       {{{1000, 10}, {1000, 2}}},
        {{{500, 500}, {600, 590}}},   {{{40, 1}, {1'000'000, 9}}}, {{{90, 45}, {31, 15}}}};
    for (const auto& [left, right] : pairs) {
        const RateComparison there = compare_two(left, right);
        const RateComparison back = compare_two(right, left);
        EXPECT_EQ(there.difference, -back.difference);
        EXPECT_EQ(there.cohen_h, -back.cohen_h);
        EXPECT_EQ(there.z.value(), -back.z.value());
        EXPECT_NEAR(there.p_value.value() / back.p_value.value(), 1.0, 1e-12);
        EXPECT_NEAR(there.newcombe.lower, -back.newcombe.upper, 1e-15);
        EXPECT_NEAR(there.wald.lower, -back.wald.upper, 1e-15);
        if (there.lift_interval) {
            EXPECT_NEAR((1 + there.lift_interval->lower) * (1 + back.lift_interval.value().upper),
                        1.0, 1e-11);
        }
    }
}

TEST(CompareRatesTest, SmallCountsAreTestedExactly) {
    EXPECT_EQ(compare_two({40, 1}, {40, 8}).test, RateTest::kFisherMidP);
    EXPECT_EQ(compare_two({1000, 9}, {1000, 500}).test, RateTest::kFisherMidP);
    EXPECT_EQ(compare_two({1000, 991}, {1000, 500}).test, RateTest::kFisherMidP);
    EXPECT_EQ(compare_two({1000, 10}, {1000, 990}).test, RateTest::kPooledZ);
    EXPECT_EQ(compare_two({1000, 120}, {1000, 150}).test, RateTest::kPooledZ);
    // Too many tables share these margins to sum them: the z decides.
    EXPECT_EQ(compare_two({2'000'000, 5}, {2'000'000, 900'000}).test, RateTest::kPooledZ);
}

TEST(CompareRatesTest, ExactTestKeepsItsDigitsFarOut) {
    const stats::ExactTest exact = stats::fisher_exact({5000, 0}, {5000, 5000});
    EXPECT_EQ(exact.mid_p_value, 0.0);
    // One table of each kind, 2 / C(10000, 5000), half of it: log10 of 1 / C(10000, 5000).
    const double log_choose = std::lgamma(10'001) - 2 * std::lgamma(5'001);
    EXPECT_NEAR(exact.log10_mid_p_value, -log_choose / std::log(10.0), 1e-6);
}

TEST(CompareRatesTest, NobodyOrEverybodyConvertedIsNotATest) {
    for (const std::uint64_t converted : {0u, 500u}) {
        const RateComparison rates = compare_two({500, converted}, {500, converted});
        EXPECT_EQ(rates.test, RateTest::kNone);
        EXPECT_FALSE(rates.p_value);
        EXPECT_FALSE(rates.z);
        EXPECT_LT(rates.newcombe.lower, 0);
        EXPECT_GT(rates.newcombe.upper, 0);
    }
    EXPECT_FALSE(compare_two({500, 0}, {500, 0}).lift);
    EXPECT_FALSE(compare_two({500, 0}, {500, 31}).lift);
    EXPECT_FALSE(compare_two({500, 31}, {500, 0}).lift_interval);
    EXPECT_EQ(compare_two({500, 31}, {500, 0}).lift.value(), -1.0);
}

TEST(CompareRatesTest, OneVariantAtTheEdgeStillGivesAnAnswer) {
    EXPECT_LT(compare_two({1000, 0}, {1000, 31}).p_value.value(), 1e-8);
    EXPECT_NEAR(compare_two({1000, 1000}, {1000, 990}).p_value.value(), 0.001, 0.001);
}

TEST(CompareRatesTest, RefusesWhatItCannotCompare) {
    EXPECT_EQ(compare({}).error(), StatsError::kNoTreatment);
    EXPECT_EQ(compare({{100, 3}}).error(), StatsError::kNoTreatment);
    EXPECT_EQ(compare({{100, 3}, {100, 101}}).error(), StatsError::kMoreThanExposed);
    EXPECT_EQ(compare({{100, 3}, {30, 3}}).error(), StatsError::kTooFewSamples);
    EXPECT_EQ(compare({{0, 0}, {0, 0}}).error(), StatsError::kTooFewSamples);
    EXPECT_EQ(compare({{100, 3}, {stats::kUnitsMax + 1, 3}}).error(), StatsError::kOutOfRange);
    for (const double alpha : {0.0, 1.0, -0.1, std::nan("")}) {
        EXPECT_EQ(compare({{100, 3}, {100, 3}}, alpha).error(), StatsError::kOutOfRange);
    }
    EXPECT_TRUE(compare({{31, 3}, {31, 3}}).has_value());
}

TEST(CompareRatesTest, ComparesEachTreatmentWithTheControl) {
    const std::vector<RateComparison> all =
        compare({{1000, 100}, {1000, 120}, {2000, 180}}).value();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_NEAR(all[0].difference, 0.02, 1e-15);
    EXPECT_NEAR(all[1].difference, -0.01, 1e-15);
}

TEST(WilsonIntervalTest, NeverLeavesZeroToOneAndHoldsTheRate) {
    for (std::uint64_t exposed = 1; exposed < 60; ++exposed) {
        for (std::uint64_t converted = 0; converted <= exposed; ++converted) {
            const RateCounts counts{exposed, converted};
            const stats::Interval interval = stats::wilson_interval(counts, 0.05);
            ASSERT_GE(interval.lower, 0.0);
            ASSERT_LE(interval.upper, 1.0);
            ASSERT_LE(interval.lower, counts.rate());
            ASSERT_GE(interval.upper, counts.rate());
        }
    }
}

}  // namespace
}  // namespace burgee::test
