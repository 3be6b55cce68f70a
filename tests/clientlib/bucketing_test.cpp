// Promise: a unit stands at the same place on every host, in every language, for ever.
// Method: golden vectors made with libxxhash and Python's hashlib, compared as exact integers; then
// the properties that the numbers must have in bulk, with a fixed seed.

#include <burgee/bucketing.hpp>

#include <array>
#include <cmath>
#include <limits>
#include <random>

#include "tests/clientlib/golden_cases.hpp"

namespace burgee::test {
namespace {

std::uint64_t number_of(simdjson::dom::element element) {
    return std::stoull(text_of(element));
}

std::string hex(const Md5::Digest& digest) {
    std::string text;
    for (const std::uint8_t byte : digest) {
        text += "0123456789abcdef"[byte >> 4U];
        text += "0123456789abcdef"[byte & 0xFU];
    }
    return text;
}

TEST(BucketingTest, GivesTheGoldenSeeds) {
    const GoldenFile golden("bucketing.json");
    for (const simdjson::dom::element row : golden.cases("seeds")) {
        EXPECT_EQ(seed(text_of(row["purpose"]), text_of(row["salt"])), number_of(row["seed"]))
            << "case " << std::uint64_t(row["number"]);
    }
}

TEST(BucketingTest, GivesTheGoldenBuckets) {
    const GoldenFile golden("bucketing.json");
    for (const simdjson::dom::element row : golden.cases("buckets")) {
        const std::string unit = text_of(row["unit"]);
        const std::uint64_t seed = number_of(row["seed"]);
        EXPECT_EQ(hash64(unit, seed), number_of(row["hash"]))
            << "case " << std::uint64_t(row["number"]);
        EXPECT_EQ(bucket(unit, seed), std::uint64_t(row["bucket"]))
            << "case " << std::uint64_t(row["number"]);
    }
}

TEST(BucketingTest, GivesTheDigestsOfRfc1321) {
    const GoldenFile golden("bucketing.json");
    for (const simdjson::dom::element row : golden.cases("md5")) {
        const std::string text = text_of(row["text"]);
        for (const std::size_t split : {std::size_t{0}, text.size() / 3, text.size()}) {
            Md5 md5;
            md5.update(std::string_view(text).substr(0, split));
            md5.update(std::string_view(text).substr(split));
            EXPECT_EQ(hex(md5.finish()), text_of(row["digest"]))
                << "case " << std::uint64_t(row["number"]) << " split at " << split;
        }
    }
}

TEST(BucketingTest, GivesThePlacesOfThePythonSystem) {
    const GoldenFile golden("bucketing.json");
    for (const simdjson::dom::element row : golden.cases("legacy")) {
        EXPECT_EQ(legacy_hundredths(text_of(row["salt"]), text_of(row["identifier"])),
                  std::uint64_t(row["hundredths"]))
            << "case " << std::uint64_t(row["number"]);
    }
}

TEST(BucketingTest, ReachesBothEndsOfTheRange) {
    EXPECT_EQ(bucket_of_hash(0), 0U);
    EXPECT_EQ(bucket_of_hash(std::numeric_limits<std::uint64_t>::max()), kBucketCount - 1);
}

TEST(BucketingTest, FormatsIntegersAsDecimalText) {
    detail::DecimalText digits;
    EXPECT_EQ(digits.format(std::int64_t{0}), "0");
    EXPECT_EQ(digits.format(std::int64_t{-7}), "-7");
    EXPECT_EQ(digits.format(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
    EXPECT_EQ(digits.format(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
}

TEST(BucketingTest, SpreadsUnitsEvenly) {
    constexpr std::size_t kCells = 100;
    constexpr std::size_t kUnits = 200'000;
    constexpr double kCritical = 148.23;  // chi-square, 99 degrees of freedom, p = 0.001
    for (const char* salt : {"search.enhanced", "s", "model_comparison"}) {
        const std::uint64_t rollout = seed(kPurposeRollout, salt);
        std::array<std::uint64_t, kCells> counts{};
        for (std::size_t unit = 0; unit < kUnits; ++unit) {
            ++counts[bucket("user-" + std::to_string(unit), rollout) / (kBucketCount / kCells)];
        }
        double chi_square = 0;
        constexpr double kExpected = double{kUnits} / kCells;
        for (const std::uint64_t count : counts) {
            const double difference = static_cast<double>(count) - kExpected;
            chi_square += difference * difference / kExpected;
        }
        EXPECT_LT(chi_square, kCritical) << salt;
    }
}

TEST(BucketingTest, DrawsPurposesAndFlagsIndependently) {
    constexpr double kCritical = 10.83;  // chi-square, 1 degree of freedom, p = 0.001
    constexpr std::uint32_t kHalf = kBucketCount / 2;
    const std::array<std::pair<std::uint64_t, std::uint64_t>, 3> pairs{
        {{seed(kPurposeRollout, "f"), seed(kPurposeVariant, "f")},
         {seed(kPurposeRollout, "f"), seed(kPurposeRollout, "g")},
         {seed(kPurposeLayer, "f"), seed(kPurposeVariant, "f")}}};
    for (const auto& [one, other] : pairs) {
        double both = 0;
        double first = 0;
        double second = 0;
        constexpr int kUnits = 100'000;
        for (int unit = 0; unit < kUnits; ++unit) {
            const std::string id = std::to_string(unit);
            const bool in_one = bucket(id, one) < kHalf;
            const bool in_other = bucket(id, other) < kHalf;
            both += in_one && in_other ? 1 : 0;
            first += in_one ? 1 : 0;
            second += in_other ? 1 : 0;
        }
        const double expected = first * second / kUnits;
        const double variance = expected * (1 - first / kUnits) * (1 - second / kUnits);
        EXPECT_LT(std::pow(both - expected, 2) / variance, kCritical);
    }
}

}  // namespace
}  // namespace burgee::test
