// Promise: numbers are shown with the digits that matter, and what is no number is shown as "-".

#include "stats/number_text.hpp"

#include <limits>

namespace burgee::test {
namespace {

const double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(NumberTextTest, PercentsKeepTwoDigits) {
    EXPECT_EQ(stats::percent_text(0.12), "12.0%");
    EXPECT_EQ(stats::percent_text(0), "0.0%");
    EXPECT_EQ(stats::percent_text(0.0082), "0.82%");
    EXPECT_EQ(stats::percent_text(0.00061), "0.061%");
    EXPECT_EQ(stats::percent_text(0.0000012), "0.00012%");
    EXPECT_EQ(stats::percent_text(1), "100.0%");
    EXPECT_EQ(stats::percent_text(123.4), "12340%");
    EXPECT_EQ(stats::percent_text(kNan), "-");
}

TEST(NumberTextTest, SignsAreShownWhereTheySaySomething) {
    EXPECT_EQ(stats::signed_percent_text(0.25), "+25.0%");
    EXPECT_EQ(stats::signed_percent_text(-0.031), "-3.1%");
    EXPECT_EQ(stats::signed_percent_text(0), "0.0%");
    EXPECT_EQ(stats::signed_percent_text(-0.0), "0.0%");
    EXPECT_EQ(stats::signed_quantity_text(3.6), "+3.6");
    EXPECT_EQ(stats::signed_quantity_text(-3.6), "-3.6");
    EXPECT_EQ(stats::signed_quantity_text(kNan), "-");
}

TEST(NumberTextTest, PValuesAreNeverZero) {
    EXPECT_EQ(stats::p_value_text(0.0496403868653688), "0.0496");
    EXPECT_EQ(stats::p_value_text(1), "1");
    EXPECT_EQ(stats::p_value_text(1.2465e-05), "1.25e-05");
    EXPECT_EQ(stats::p_value_text(0), "<1e-300");
    EXPECT_EQ(stats::p_value_text(kNan), "-");
}

TEST(NumberTextTest, QuantitiesAndCounts) {
    EXPECT_EQ(stats::quantity_text(236.94), "236.9");
    EXPECT_EQ(stats::quantity_text(0.78125), "0.7812");
    EXPECT_EQ(stats::quantity_text(50), "50");
    EXPECT_EQ(stats::quantity_text(kNan), "-");
    EXPECT_EQ(stats::count_text(0), "0");
    EXPECT_EQ(stats::count_text(999), "999");
    EXPECT_EQ(stats::count_text(48'211), "48,211");
    EXPECT_EQ(stats::count_text(1'000'000), "1,000,000");
}

}  // namespace
}  // namespace burgee::test
