// Promise: percentages become the same buckets on every host, for ever; legacy flags keep exactly
// the units that the Python system gave them. Method: golden values worked out by hand; properties
// over random weights; brute force over all 10 000 hundredths with the very comparison the Python
// system makes.

#include <cmath>
#include <numeric>
#include <random>

#include "shm/bucket_ranges.hpp"
#include "tests/shm/random_seed.hpp"

namespace burgee::test {
namespace {

std::vector<std::uint32_t> ends_of(const std::vector<double>& weights,
                                   Bucketing bucketing = Bucketing::kXxh3) {
    std::vector<std::uint32_t> ends(weights.size());
    range_ends_of(weights, bucketing, ends);
    return ends;
}

TEST(GateEndTest, RoundsHalfAwayFromZero) {
    EXPECT_EQ(gate_end_of(0, Bucketing::kXxh3), 0U);
    EXPECT_EQ(gate_end_of(25, Bucketing::kXxh3), 250'000U);
    EXPECT_EQ(gate_end_of(100, Bucketing::kXxh3), 1'000'000U);
    EXPECT_EQ(gate_end_of(0.0001, Bucketing::kXxh3), 1U);
    EXPECT_EQ(gate_end_of(0.00005, Bucketing::kXxh3), 1U);
    EXPECT_EQ(gate_end_of(0.00004, Bucketing::kXxh3), 0U);
    EXPECT_EQ(gate_end_of(33.33335, Bucketing::kXxh3), 333'334U);
}

TEST(RangeEndsTest, GivesTheGoldenRanges) {
    using Ends = std::vector<std::uint32_t>;
    EXPECT_EQ(ends_of({50, 50}), (Ends{500'000, 1'000'000}));
    EXPECT_EQ(ends_of({10, 20, 70}), (Ends{100'000, 300'000, 1'000'000}));
    EXPECT_EQ(ends_of({0, 100, 0}), (Ends{0, 1'000'000, 1'000'000}));
    // A third each: one bucket is missing, all remainders are equal, the first variant gets it.
    const double third = 100.0 / 3;
    EXPECT_EQ(ends_of({third, third, third}), (Ends{333'334, 666'667, 1'000'000}));
    // A sixth each: rounding up gives two too many, the last two give them back.
    const double sixth = 100.0 / 6;
    EXPECT_EQ(ends_of({sixth, sixth, sixth, sixth, sixth, sixth}),
              (Ends{166'667, 333'334, 500'001, 666'668, 833'334, 1'000'000}));
    // Written with two digits the thirds sum to 99.99: 100 buckets go round three times, the first
    // variant has one more.
    EXPECT_EQ(ends_of({33.33, 33.33, 33.33}), (Ends{333'334, 666'667, 1'000'000}));
    EXPECT_EQ(ends_of({33.34, 33.34, 33.33}), (Ends{333'367, 666'734, 1'000'000}));
    // The largest remainder decides, not the place.
    EXPECT_EQ(ends_of({20.00003, 30.00004, 49.99993}), (Ends{200'000, 500'001, 1'000'000}));
}

TEST(RangeEndsTest, NeverGivesAnythingToWeightZero) {
    EXPECT_EQ(ends_of({0, 33.33, 66.66}), (std::vector<std::uint32_t>{0, 333'350, 1'000'000}));
}

TEST(RangeEndsTest, TilesAllBucketsWithinOneOfTheExactShare) {
    std::mt19937_64 random(random_seed());
    for (int round = 0; round < 20'000; ++round) {
        std::vector<double> weights(random() % (kVariantCountMax - 1) + 2);
        for (double& weight : weights) {
            weight = random() % 8 == 0 ? 0.0 : std::uniform_real_distribution<>(0, 1)(random);
        }
        weights.front() += 0.5;
        const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
        for (double& weight : weights) {
            weight *= 100.0 / sum;
        }
        const std::vector<std::uint32_t> ends = ends_of(weights);
        std::uint32_t begin = 0;
        for (std::size_t number = 0; number < ends.size(); ++number) {
            ASSERT_GE(ends[number], begin);
            ASSERT_NEAR(ends[number] - begin, weights[number] * 10'000, 1.0 + 1e-6);
            begin = ends[number];
        }
        ASSERT_EQ(begin, kBucketCount);
    }
}

TEST(LegacyGateTest, AgreesWithBruteForce) {
    std::mt19937_64 random(random_seed());
    std::vector<double> percentages{0, 100, 0.01, 0.005, 99.99, 99.995, 29, 33.3, 57.99, 1e-9};
    for (int number = 0; number <= 10'000; number += 7) {
        percentages.push_back(number / 100.0);
    }
    for (int round = 0; round < 500; ++round) {
        percentages.push_back(std::uniform_real_distribution<>(0, 100)(random));
    }
    for (const double percentage : percentages) {
        std::uint32_t inside = 0;
        for (std::uint32_t hundredths = 0; hundredths < kLegacyBucketCount; ++hundredths) {
            inside += static_cast<double>(hundredths) / 100.0 < percentage ? 1U : 0U;
        }
        ASSERT_EQ(gate_end_of(percentage, Bucketing::kLegacyMd5), inside) << percentage;
    }
}

TEST(LegacyRangesTest, AgreeWithBruteForce) {
    std::mt19937_64 random(random_seed());
    for (int round = 0; round < 300; ++round) {
        std::vector<double> weights(random() % 6 + 2);
        for (double& weight : weights) {
            weight = static_cast<double>(random() % 4'000) / 100.0;  // sums below and above 100
        }
        const std::vector<std::uint32_t> ends = ends_of(weights, Bucketing::kLegacyMd5);
        for (std::uint32_t hundredths = 0; hundredths < kLegacyBucketCount; ++hundredths) {
            const double bucket = static_cast<double>(hundredths) / 100.0;
            std::size_t expected = weights.size() - 1;  // nobody below: the last one
            double cumulative = 0;
            for (std::size_t number = 0; number < weights.size(); ++number) {
                cumulative += weights[number];
                if (bucket < cumulative) {
                    expected = number;
                    break;
                }
            }
            std::size_t own = 0;
            while (own < ends.size() && hundredths >= ends[own]) {
                ++own;
            }
            ASSERT_EQ(own, expected) << "hundredths=" << hundredths;
        }
    }
}

}  // namespace
}  // namespace burgee::test
