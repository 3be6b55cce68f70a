// Promise: adjusted p-values are never below the raw ones, keep their order, and one question is
// not adjusted. Method: properties over fixed lists; values are checked in reference_test.cpp.

#include "stats/multiplicity.hpp"

namespace burgee::test {
namespace {

TEST(MultiplicityTest, OneQuestionIsNotAdjusted) {
    EXPECT_EQ(stats::holm(std::vector{0.03}), std::vector{0.03});
    EXPECT_EQ(stats::benjamini_hochberg(std::vector{0.03}), std::vector{0.03});
    EXPECT_TRUE(stats::holm({}).empty());
    EXPECT_TRUE(stats::benjamini_hochberg({}).empty());
}

TEST(MultiplicityTest, HolmIsAtLeastBenjaminiHochbergIsAtLeastRaw) {
    const std::vector<double> raw{0.8, 0.01, 0.02, 0.03, 0.5, 0.0, 1.0, 0.02};
    const std::vector<double> holm = stats::holm(raw);
    const std::vector<double> hochberg = stats::benjamini_hochberg(raw);
    for (std::size_t i = 0; i < raw.size(); ++i) {
        EXPECT_GE(hochberg[i], raw[i]);
        EXPECT_GE(holm[i], hochberg[i]);
        EXPECT_LE(holm[i], 1.0);
    }
    EXPECT_EQ(holm[2], holm[7]);
}

}  // namespace
}  // namespace burgee::test
