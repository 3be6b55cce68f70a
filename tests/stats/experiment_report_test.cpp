// Promise: from sufficient statistics to a verdict nothing is invented: what cannot be computed is
// absent, broken metrics take nothing else down, and what was left out is counted. Method: a
// plausible experiment, and one thing changed at a time.

#include "stats/experiment_report.hpp"

#include <cmath>
#include <limits>

namespace burgee::test {
namespace {

using stats::ExperimentReport;
using stats::MetricReport;
using stats::StatsError;
using stats::Verdict;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr std::int64_t kDayMs = 86'400'000;

class ExperimentReportTest : public ::testing::Test {
protected:
    ExperimentReportTest() {
        input_.name = "model_comparison";
        input_.flag = "model_comparison";
        input_.variants = {variant("control", 10'000, 1200), variant("treatment", 10'050, 1500)};
        input_.end_unix_ms = 14 * kDayMs;
        input_.now_unix_ms = 15 * kDayMs;
    }

    static stats::VariantInput variant(std::string name, std::uint64_t exposed,
                                       std::uint64_t converted) {
        stats::VariantInput result;
        result.name = std::move(name);
        result.weight = 50;
        result.exposed_units = exposed;
        result.converted_units = converted;
        result.impressions = exposed * 2;
        result.conversions = converted * 3;
        return result;
    }

    static stats::UnitSums sums(double mean) {
        stats::UnitSums all;
        for (int i = 0; i < 200; ++i) {
            stats::add(all, mean + (i * 7) % 13 - 6.0, 1.0 + i % 3);
        }
        return all;
    }

    ExperimentReport report() const { return stats::experiment_report(input_).value(); }
    StatsError error() const { return stats::experiment_report(input_).error(); }

    stats::ExperimentInput input_;
};

TEST_F(ExperimentReportTest, JudgesRatesByUnitAndKeepsEventCounts) {
    const ExperimentReport result = report();
    const MetricReport& conversion = *stats::find_metric(result, "conversion");
    EXPECT_NEAR(conversion.values[0].value.value(), 0.12, 1e-12);
    EXPECT_EQ(result.input.variants[0].conversions, 3600u);
    EXPECT_EQ(result.judgement.verdict, Verdict::kTreatmentBetter);
    EXPECT_TRUE(result.is_final);
    EXPECT_EQ(result.analysed_units, 20'050u);
    EXPECT_TRUE(conversion.is_success_metric);
    EXPECT_FALSE(stats::find_metric(result, "no such metric"));
}

TEST_F(ExperimentReportTest, ControlIsTheOneNamedNotTheFirst) {
    std::swap(input_.variants[0], input_.variants[1]);
    input_.control_index = 1;
    const ExperimentReport result = report();
    const stats::MetricComparison& comparison =
        stats::find_metric(result, "conversion")->comparisons.front();
    EXPECT_EQ(comparison.variant_index, 0u);
    EXPECT_GT(comparison.difference.value(), 0);
    EXPECT_EQ(result.judgement.variant, "treatment");
}

TEST_F(ExperimentReportTest, LeftOutUnitsAreCountedAndBlockAboveOnePercent) {
    input_.crossover_units = 202;
    EXPECT_NEAR(report().crossover_share, 202.0 / 20'252, 1e-15);
    EXPECT_EQ(report().judgement.verdict, Verdict::kTreatmentBetter);
    input_.crossover_units = 203;
    EXPECT_EQ(report().judgement.verdict, Verdict::kTooManyCrossovers);
}

TEST_F(ExperimentReportTest, AnUnplannedSplitBlocks) {
    input_.variants[1].weight = 60;
    input_.variants[0].weight = 40;
    EXPECT_EQ(report().judgement.verdict, Verdict::kSampleRatioMismatch);
}

TEST_F(ExperimentReportTest, NoUnitsAtAllGivesAReportWithoutNumbers) {
    input_.variants = {variant("control", 0, 0), variant("treatment", 0, 0)};
    const ExperimentReport result = report();
    EXPECT_EQ(result.judgement.verdict, Verdict::kInsufficientData);
    EXPECT_FALSE(result.sample_ratio);
    EXPECT_EQ(result.crossover_share, 0.0);
    for (const MetricReport& metric : result.metrics) {
        EXPECT_FALSE(metric.values[0].value);
        EXPECT_FALSE(metric.comparisons[0].p_value);
        EXPECT_FALSE(metric.comparisons[0].interval);
    }
}

TEST_F(ExperimentReportTest, NobodyAndEverybodyConvertedIsUndefined) {
    for (const std::uint64_t converted : {0u, 10'000u}) {
        input_.variants = {variant("control", 10'000, converted),
                           variant("treatment", 10'000, converted)};
        const ExperimentReport result = report();
        EXPECT_EQ(result.judgement.verdict, Verdict::kUndefined);
        EXPECT_FALSE(result.metrics[0].comparisons[0].p_value);
        EXPECT_FALSE(result.metrics[0].comparisons[0].always_valid_p);
        EXPECT_FALSE(result.metrics[0].comparisons[0].wald_interval);
    }
}

TEST_F(ExperimentReportTest, ABrokenMetricIsNamedAndTakesNothingElseDown) {
    input_.variants[0].metrics = {{"quality_score", sums(10)}, {"broken", sums(1)}};
    input_.variants[1].metrics = {{"quality_score", sums(11)}, {"broken", sums(1)}};
    input_.variants[1].metrics[1].sums.sum_m = std::numeric_limits<double>::quiet_NaN();
    const ExperimentReport result = report();
    EXPECT_EQ(result.judgement.verdict, Verdict::kTreatmentBetter);
    EXPECT_FALSE(stats::find_metric(result, "broken")->comparisons[0].p_value);
    EXPECT_FALSE(stats::find_metric(result, "broken")->values[1].value);
    EXPECT_TRUE(stats::find_metric(result, "quality_score")->comparisons[0].p_value);
    EXPECT_THAT(result.notes, Contains(HasSubstr("broken of treatment is left out")));
}

TEST_F(ExperimentReportTest, AMetricOfOneVariantOnlyIsShownNotTested) {
    input_.variants[1].metrics = {{"quality_score", sums(11)}};
    input_.success_metrics = {stats::default_goal("quality_score")};
    const ExperimentReport result = report();
    const MetricReport& metric = *stats::find_metric(result, "quality_score");
    EXPECT_FALSE(metric.values[0].value);
    EXPECT_TRUE(metric.values[1].value);
    EXPECT_FALSE(metric.comparisons[0].p_value);
    EXPECT_EQ(result.judgement.verdict, Verdict::kUndefined);
}

TEST_F(ExperimentReportTest, SuccessMetricsShareTheirAlpha) {
    input_.variants[0].metrics = {{"quality_score", sums(10)}};
    input_.variants[1].metrics = {{"quality_score", sums(10.05)}};
    input_.success_metrics = {stats::default_goal("conversion"),
                              stats::default_goal("quality_score"),
                              stats::default_goal("conversion")};
    const ExperimentReport result = report();
    const stats::MetricComparison& rate = result.metrics[0].comparisons[0];
    EXPECT_NEAR(rate.p_value_adjusted.value(), 2 * rate.p_value.value(), 1e-15);
    EXPECT_FALSE(stats::find_metric(result, "error")->comparisons[0].p_value_adjusted);
    EXPECT_THAT(result.notes, Contains(HasSubstr("Holm for 2 comparisons")));
}

TEST_F(ExperimentReportTest, BeforeThePlannedEndItSaysWhatMayBeActedOn) {
    input_.now_unix_ms = 9 * kDayMs;
    const ExperimentReport result = report();
    EXPECT_FALSE(result.is_final);
    EXPECT_THAT(result.notes, Contains(HasSubstr("until then the always-valid ones decide")));
    input_.end_unix_ms.reset();
    EXPECT_FALSE(report().is_final);
}

TEST_F(ExperimentReportTest, StoppingEarlyDoesNotMakeTheFixedHorizonCount) {
    input_.variants = {variant("control", 1000, 120), variant("treatment", 1000, 150)};
    EXPECT_EQ(report().judgement.verdict, Verdict::kTreatmentBetter);  // p 0.0496 at the end
    input_.was_stopped_early = true;
    EXPECT_FALSE(report().is_final);
    EXPECT_EQ(report().judgement.verdict, Verdict::kNotSignificant);
    EXPECT_THAT(report().notes, Contains(HasSubstr("only the always-valid")));
}

TEST_F(ExperimentReportTest, FirstDayMiraclesAreDoubted) {
    input_.now_unix_ms = kDayMs / 2;
    input_.variants[1].converted_units = 2400;
    EXPECT_THAT(report().notes, Contains(HasSubstr("Check the data: conversion")));
    input_.now_unix_ms = 2 * kDayMs;
    EXPECT_THAT(report().notes, ::testing::Not(Contains(HasSubstr("Check the data"))));
}

TEST_F(ExperimentReportTest, AVariantWithoutWeightAndUnitsHoldsNothingUp) {
    input_.variants.push_back(variant("retired", 0, 0));
    input_.variants[2].weight = 0;
    EXPECT_EQ(report().judgement.verdict, Verdict::kTreatmentBetter);
    input_.variants[2].weight = 1;
    EXPECT_EQ(report().judgement.verdict, Verdict::kInsufficientData);
}

TEST_F(ExperimentReportTest, AlwaysValidReadingWaitsForTenConversions) {
    input_.variants = {variant("control", 1000, 2), variant("treatment", 1000, 7)};
    EXPECT_FALSE(report().metrics[0].comparisons[0].always_valid_p);
    input_.variants[1].converted_units = 8;
    EXPECT_TRUE(report().metrics[0].comparisons[0].always_valid_p);
}

TEST_F(ExperimentReportTest, RefusesWhatIsNoExperiment) {
    input_.control_index = 2;
    EXPECT_EQ(error(), StatsError::kNoControl);
    input_.control_index = 0;
    input_.alpha = std::nan("");
    EXPECT_EQ(error(), StatsError::kOutOfRange);
    input_.alpha = 0.05;
    input_.variants[0].weight = std::nan("");
    EXPECT_EQ(error(), StatsError::kNotFinite);
    input_.variants[0].weight = -1;
    EXPECT_EQ(error(), StatsError::kNegative);
    input_.variants[0].weight = 50;
    input_.variants[1].error_units = 20'000;
    EXPECT_EQ(error(), StatsError::kMoreThanExposed);
    input_.variants.pop_back();
    EXPECT_EQ(error(), StatsError::kNoTreatment);
}

}  // namespace
}  // namespace burgee::test
