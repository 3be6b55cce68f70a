// Promise: `burgee results` tells people and scripts the same, in the keys that scripts know, on
// one axis a table, and never as "nan". Method: reports of known experiments, read back by another
// JSON parser.

#include <simdjson.h>

#include "cli/interval_plot.hpp"
#include "cli/results_json.hpp"
#include "cli/results_text.hpp"

namespace burgee::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kDayMs = 86'400'000;

class ResultsViewTest : public ::testing::Test {
protected:
    ResultsViewTest() {
        input_.name = "model \"comparison\"";
        input_.flag = "model_comparison";
        input_.variants = {variant("control", 1000, 120), variant("treatment", 1000, 150)};
        input_.end_unix_ms = 14 * kDayMs;
        input_.now_unix_ms = 14 * kDayMs;
    }

    static stats::VariantInput variant(std::string name, std::uint64_t exposed,
                                       std::uint64_t converted) {
        stats::VariantInput result;
        result.name = std::move(name);
        result.weight = 50;
        result.exposed_units = exposed;
        result.converted_units = converted;
        result.impressions = 2345;
        result.conversions = 234;
        for (const char* metric : {"response_time_ms", "quality_score", "tokens"}) {
            stats::UnitSums sums;
            for (int i = 0; i < 40; ++i) {
                stats::add(sums, 3.0 * (i % 5) + 1.0, 2.0);
            }
            result.metrics.push_back({metric, sums});
        }
        return result;
    }

    stats::ExperimentReport report() const { return stats::experiment_report(input_).value(); }
    std::string text() const { return cli::results_text(report()); }

    /// The number under a JSON pointer; none for null. Fails hard if there is no such key.
    std::optional<double> number(const std::string& pointer) {
        json_ = cli::results_json(report());
        const simdjson::dom::element found = parser_.parse(json_).at_pointer(pointer).value();
        return found.is_null() ? std::nullopt : std::optional(found.get_double().value());
    }

    stats::ExperimentInput input_;
    simdjson::dom::parser parser_;
    std::string json_;
};

TEST_F(ResultsViewTest, KeepsTheKeysThatScriptsKnow) {
    const std::string analysis = "/statistical_analysis/";
    EXPECT_NEAR(number(analysis + "control_conversion_rate").value(), 0.12, 1e-12);
    EXPECT_NEAR(number(analysis + "treatment_conversion_rate").value(), 0.15, 1e-12);
    EXPECT_NEAR(number(analysis + "relative_improvement").value(), 25.0, 1e-9);
    EXPECT_NEAR(number(analysis + "p_value").value(), 0.0496403868653688, 1e-10);
    EXPECT_NEAR(number(analysis + "confidence_interval_95/lower").value(), 7.60288212977862e-05,
                1e-14);
    EXPECT_NEAR(number(analysis + "confidence_interval_95/upper").value(), 0.0599239711787022,
                1e-12);
    const simdjson::dom::element root = parser_.parse(json_);
    EXPECT_EQ(std::string_view(root["experiment"]), input_.name);
    EXPECT_TRUE(bool(root["statistical_analysis"]["is_significant"]));
    EXPECT_THAT(std::string(std::string_view(root["statistical_analysis"]["recommendation"])),
                HasSubstr("Ship treatment"));
}

TEST_F(ResultsViewTest, KeepsTheKeysOfAVariant) {
    const std::string treatment = "/variants/treatment/";
    EXPECT_EQ(number(treatment + "impressions"), 2345);
    EXPECT_EQ(number(treatment + "conversions"), 234);
    EXPECT_EQ(number(treatment + "exposed_units"), 1000);
    EXPECT_EQ(number(treatment + "converted_units"), 150);
    EXPECT_NEAR(number(treatment + "conversion_rate").value(), 0.15, 1e-12);
    EXPECT_EQ(number(treatment + "error_rate"), 0);
    EXPECT_NEAR(number(treatment + "avg_response_time_ms").value(), 3.5, 1e-12);
    EXPECT_NEAR(number(treatment + "avg_quality_score").value(), 3.5, 1e-12);
    EXPECT_NEAR(number(treatment + "custom_metrics/tokens").value(), 3.5, 1e-12);
}

TEST_F(ResultsViewTest, WhatIsUnknownIsNullNeverNan) {
    input_.variants = {variant("control", 0, 0), variant("treatment", 30, 30)};
    for (stats::VariantInput& variant : input_.variants) {
        variant.metrics.clear();
    }
    EXPECT_FALSE(number("/variants/control/conversion_rate"));
    EXPECT_FALSE(number("/variants/control/avg_quality_score"));
    EXPECT_FALSE(number("/statistical_analysis/p_value"));
    EXPECT_FALSE(number("/statistical_analysis/relative_improvement"));
    EXPECT_FALSE(number("/statistical_analysis/confidence_interval_95"));
    for (const std::string& shown : {json_, text()}) {
        EXPECT_THAT(shown, Not(HasSubstr("nan")));
        EXPECT_THAT(shown, Not(HasSubstr("inf ")));
    }
    EXPECT_THAT(text(), HasSubstr("treatment has 30 units, 1 more needed"));
}

TEST_F(ResultsViewTest, TheVerdictComesFirst) {
    EXPECT_EQ(text().find("● "), 0u);
    EXPECT_LT(text().find("Ship treatment"), text().find("sample ratio"));
    EXPECT_THAT(text(), HasSubstr("ended, 2,000 units"));
    input_.now_unix_ms = 8 * kDayMs;
    EXPECT_THAT(text(), HasSubstr("day 9 of 14"));
    EXPECT_THAT(text(), HasSubstr("Keep running"));
    EXPECT_THAT(text(), HasSubstr("! Fixed-horizon"));
}

TEST_F(ResultsViewTest, EveryRowNamesMetricLiftIntervalAndP) {
    EXPECT_THAT(text(), HasSubstr("conversion *"));
    EXPECT_THAT(text(), HasSubstr("12.0%    15.0%  +25.0%"));
    EXPECT_THAT(text(), HasSubstr("0.0496"));
    EXPECT_THAT(text(), HasSubstr("pooled z"));
    EXPECT_THAT(text(), HasSubstr("95% INTERVAL"));
}

TEST_F(ResultsViewTest, ColourIsLeftOutUnlessAskedFor) {
    EXPECT_THAT(text(), Not(HasSubstr("\033")));
    EXPECT_THAT(cli::results_text(report(), {.has_colour = true, .plot_columns = 25}),
                HasSubstr("\033[32m●"));
}

TEST_F(ResultsViewTest, ANameCannotRepaintTheTerminal) {
    input_.name = "evil\033[2J\n";
    EXPECT_THAT(text(), Not(HasSubstr("\033")));
}

TEST(IntervalPlotTest, DrawsIntervalPointAndZero) {
    const cli::PlotAxis axis{10, 11};
    EXPECT_EQ(cli::plot_text({4, {2, 6}, true}, axis), "─────│┤●├──");
    EXPECT_EQ(cli::plot_text({0, {-6, 6}, true}, axis), "──┤━━●━━├──");
    EXPECT_EQ(cli::plot_text({-20, {-30, 4}, true}, axis), "◀━━━━━━├───");
    EXPECT_EQ(cli::plot_text({0, {-30, 30}, true}, axis), "◀━━━━●━━━━▶");
    EXPECT_EQ(cli::plot_text({40, {30, 50}, true}, axis), "─────│────▶");
    EXPECT_EQ(cli::plot_text({-40, {-50, -30}, true}, axis), "◀────│─────");
}

TEST(IntervalPlotTest, OneNoisyMetricDoesNotFlattenTheOthers) {
    const cli::PlotRow success{0.05, {0.02, 0.08}, true};
    const cli::PlotRow noisy{0.1, {-3.0, 3.0}, false};
    EXPECT_NEAR(cli::plot_axis({success, noisy}, 25).value().reach, 0.16, 1e-12);
    EXPECT_NEAR(cli::plot_axis({noisy}, 25).value().reach, 3.0, 1e-12);
    EXPECT_FALSE(cli::plot_axis({}, 25));
    EXPECT_FALSE(cli::plot_axis({{0, {0, 0}, true}}, 25));
    EXPECT_EQ(cli::plot_axis({success}, 24).value().columns, 25);
    EXPECT_EQ(cli::plot_axis({success}, 1).value().columns, 9);
}

TEST(IntervalPlotTest, TheAxisIsAsWideAsThePlot) {
    EXPECT_EQ(cli::axis_text({0.5, 25}), "-50.0%      0      +50.0%");
    EXPECT_EQ(cli::axis_text({0.5, 9}), "    0    ");
}

}  // namespace
}  // namespace burgee::test
