// Promise: every method agrees with published packages and with 60-digit arithmetic.
// Method: each case of tests/golden/stats_cases.json that belongs to a method we have, at the
// case's own tolerance; and a list of the methods we do not have, so that a new one cannot go
// unchecked.

#include <array>
#include <cmath>
#include <set>

#include "stats/compare_means.hpp"
#include "stats/compare_rates.hpp"
#include "stats/distributions.hpp"
#include "stats/effect_size.hpp"
#include "stats/exact_test.hpp"
#include "stats/experiment_report.hpp"
#include "stats/multiplicity.hpp"
#include "stats/sample_ratio.hpp"
#include "stats/sequential.hpp"
#include "tests/stats/reference_case.hpp"

namespace burgee::test {
namespace {

using stats::Moments;
using stats::RateCounts;
using stats::UnitSums;

template <typename Value>
std::optional<double> member(const std::optional<Value>& value, double Value::*field) {
    return value ? std::optional<double>((*value).*field) : std::nullopt;
}

TEST(ReferenceTest, TwoProportionZ) {
    for (const ReferenceCase& reference : reference_cases("two_proportion_z")) {
        const RateCounts control = reference.counts("/control");
        const RateCounts treatment = reference.counts("/treatment");
        const bool is_one_sided = reference.has_input("/alternative");
        const std::array both{control, treatment};
        const stats::RateComparison rates =
            stats::compare_rates(both, is_one_sided ? 2 * reference.alpha() : reference.alpha())
                .value()
                .front();
        reference.expect("rate_control", rates.rate_control);
        reference.expect("rate_treatment", rates.rate_treatment);
        reference.expect("diff", rates.difference);
        reference.expect("relative", rates.lift);
        reference.expect("se_pooled", stats::pooled_error(control, treatment));
        reference.expect("se_unpooled", rates.error_unpooled);
        reference.expect("z", rates.z);
        reference.expect("wald_lower", rates.wald.lower);
        EXPECT_EQ(reference.expected_text("status") == "ok", rates.z.has_value());
        if (is_one_sided) {  // "larger"
            reference.expect("p_value", stats::normal_upper_tail(rates.z.value()));
            continue;
        }
        reference.expect("wald_upper", rates.wald.upper);
        reference.expect("p_value",
                         rates.z ? std::optional(stats::normal_two_sided(*rates.z)) : std::nullopt);
        reference.expect(
            "log10_p_value",
            rates.z ? std::optional(stats::log10_normal_two_sided(*rates.z)) : std::nullopt);
    }
}

TEST(ReferenceTest, NewcombeInterval) {
    for (const ReferenceCase& reference : reference_cases("proportion_diff_ci")) {
        const stats::Interval interval = stats::newcombe_interval(
            reference.counts("/control"), reference.counts("/treatment"), reference.alpha());
        reference.expect("newcombe_lower", interval.lower);
        reference.expect("newcombe_upper", interval.upper);
    }
}

TEST(ReferenceTest, WilsonInterval) {
    for (const ReferenceCase& reference : reference_cases("proportion_ci")) {
        const stats::Interval interval =
            stats::wilson_interval(reference.counts(""), reference.alpha());
        reference.expect("wilson_lower", interval.lower);
        reference.expect("wilson_upper", interval.upper);
    }
}

TEST(ReferenceTest, KatzInterval) {
    for (const ReferenceCase& reference : reference_cases("risk_ratio_ci")) {
        const std::array both{reference.counts("/control"), reference.counts("/treatment")};
        const stats::RateComparison rates =
            stats::compare_rates(both, reference.alpha()).value().front();
        reference.expect("relative", rates.lift);
        reference.expect("log_lower", rates.lift_interval.value().lower);
        reference.expect("log_upper", rates.lift_interval.value().upper);
    }
}

TEST(ReferenceTest, FisherAndMidP) {
    for (const ReferenceCase& reference : reference_cases("exact_2x2")) {
        const stats::ExactTest exact =
            stats::fisher_exact(reference.counts("/control"), reference.counts("/treatment"));
        reference.expect("fisher_two_sided", exact.p_value);
        reference.expect("fisher_midp_two_sided", exact.mid_p_value);
        EXPECT_NEAR(exact.log10_mid_p_value, std::log10(exact.mid_p_value), 1e-9);
    }
}

TEST(ReferenceTest, EffectSizes) {
    for (const ReferenceCase& reference : reference_cases("effect_sizes")) {
        const auto side = [&](const std::string& name) {
            return stats::UnitEstimate{reference.input(("/n_" + name).c_str()).get_uint64().value(),
                                       reference.number(("/mean_" + name).c_str()),
                                       reference.number(("/var_" + name).c_str())};
        };
        reference.expect("cohen_h", stats::cohen_h(reference.number("/rate_control"),
                                                   reference.number("/rate_treatment")));
        reference.expect("cohen_d", stats::cohen_d(side("control"), side("treatment")));
        reference.expect("hedges_g", stats::hedges_g(side("control"), side("treatment")));
    }
}

void expect_welch(const ReferenceCase& reference, const stats::MeanComparison& means) {
    using stats::WelchTest;
    reference.expect("diff", means.difference);
    reference.expect("se", means.error);
    reference.expect("df", member(means.test, &WelchTest::degrees_of_freedom));
    reference.expect("t", member(means.test, &WelchTest::t));
    reference.expect("p_value", member(means.test, &WelchTest::p_value));
    reference.expect("log10_p_value", member(means.test, &WelchTest::log10_p_value));
    reference.expect("ci_lower",
                     means.test ? std::optional(means.test->interval.lower) : std::nullopt);
    reference.expect("ci_upper",
                     means.test ? std::optional(means.test->interval.upper) : std::nullopt);
}

TEST(ReferenceTest, WelchFromSummaries) {
    for (const ReferenceCase& reference : reference_cases("welch_t")) {
        expect_welch(reference,
                     stats::compare_means(reference.moments("/control"),
                                          reference.moments("/treatment"), reference.alpha())
                         .value());
    }
}

/// Values near 1e9 with three decimals: a double holds 1e9 + x only to 1e-7, so the decimals meant
/// are restored, and values taken from a common origin, as a caller with such data has to do.
double from_origin(double value, double origin) {
    return origin == 0 ? value : std::round((value - origin) * 1000) / 1000;
}

TEST(ReferenceTest, WelchFromValues) {
    for (const ReferenceCase& reference : reference_cases("welch_t_raw")) {
        const double origin = reference.has_input("/ill_conditioned") ? 1e9 : 0.0;
        const auto moments = [&](const char* path) {
            Moments all;
            for (const double value : reference.numbers(path)) {
                stats::add(all, from_origin(value, origin));
            }
            return all;
        };
        const Moments control = moments("/control");
        reference.expect("mean_control", origin + control.mean);
        reference.expect("var_control", stats::sample_variance(control));
        expect_welch(reference, stats::compare_means(control, moments("/treatment"), 0.05).value());
    }
}

TEST(ReferenceTest, RelativeLift) {
    for (const ReferenceCase& reference : reference_cases("relative_lift")) {
        const stats::MeanComparison means =
            stats::compare_means(reference.moments("/control"), reference.moments("/treatment"),
                                 reference.alpha())
                .value();
        reference.expect("lift", means.lift);
        reference.expect("df", means.test.value().degrees_of_freedom);
        reference.expect("p_value_absolute_scale", means.test.value().p_value);
        reference.expect("fieller_g",
                         stats::fieller_interval(means.control, means.treatment, 0.05).g);
        reference.expect("fieller_lower", member(means.lift_interval, &stats::Interval::lower));
        reference.expect("fieller_upper", member(means.lift_interval, &stats::Interval::upper));
        EXPECT_EQ(reference.expected_text("fieller_status") == "bounded",
                  means.lift_interval.has_value());
    }
}

/// From arrays of units, or from plain sums of squares, which these cases are mild enough for.
UnitSums unit_sums(const ReferenceCase& reference, const std::string& side) {
    UnitSums sums;
    if (reference.has_input((side + "/m").c_str())) {
        const std::vector<double> m = reference.numbers((side + "/m").c_str());
        const std::vector<double> d = reference.numbers((side + "/d").c_str());
        for (std::size_t i = 0; i < m.size(); ++i) {
            stats::add(sums, m[i], d[i]);
        }
        return sums;
    }
    const auto number = [&](const char* key) { return reference.number((side + key).c_str()); };
    const double units = number("/n");
    sums.unit_count = static_cast<std::uint64_t>(units);
    sums.sum_m = number("/sum_m");
    sums.sum_d = number("/sum_d");
    sums.centred_mm = number("/sum_mm") - sums.sum_m * sums.sum_m / units;
    sums.centred_dd = number("/sum_dd") - sums.sum_d * sums.sum_d / units;
    sums.centred_md = number("/sum_md") - sums.sum_m * sums.sum_d / units;
    return sums;
}

TEST(ReferenceTest, RatioOfUnitSums) {
    for (const ReferenceCase& reference : reference_cases("ratio_delta")) {
        const stats::MeanComparison ratios =
            stats::compare_ratios(unit_sums(reference, "/control"),
                                  unit_sums(reference, "/treatment"), reference.alpha())
                .value();
        const auto error = [](const stats::UnitEstimate& ratio) {
            return std::sqrt(ratio.variance / static_cast<double>(ratio.unit_count));
        };
        reference.expect("ratio_control", ratios.control.value);
        reference.expect("ratio_treatment", ratios.treatment.value);
        reference.expect("se_ratio_control", error(ratios.control));
        reference.expect("se_ratio_treatment", error(ratios.treatment));
        reference.expect("lift", ratios.lift);
        expect_welch(reference, ratios);
    }
}

TEST(ReferenceTest, SampleRatio) {
    for (const ReferenceCase& reference : reference_cases("srm_chi2")) {
        std::vector<std::uint64_t> counts;
        for (const double count : reference.numbers("/counts")) {
            counts.push_back(static_cast<std::uint64_t>(count));
        }
        const stats::SampleRatio ratio =
            stats::sample_ratio(counts, reference.numbers("/weights")).value();
        reference.expect("chi2", ratio.chi_square);
        reference.expect("df", ratio.degrees_of_freedom);
        reference.expect("p_value", ratio.p_value);
        reference.expect("log10_p_value", ratio.log10_p_value);
        EXPECT_EQ(reference.expected_truth("mismatch_at_0.001"), ratio.is_mismatch());
    }
}

TEST(ReferenceTest, AsymptoticConfidenceSequence) {
    for (const ReferenceCase& reference : reference_cases("asymptotic_cs")) {
        const stats::EffectEstimate estimate{
            reference.number("/estimate"), reference.number("/se"),
            static_cast<std::uint64_t>(reference.number("/n_total"))};
        const stats::AlwaysValid reading =
            stats::always_valid(estimate, static_cast<std::uint64_t>(reference.number("/n_tune")),
                                reference.alpha())
                .value();
        reference.expect("rho", reading.rho);
        reference.expect("critical_value", reading.critical_value);
        reference.expect("ci_lower", reading.interval.lower);
        reference.expect("ci_upper", reading.interval.upper);
        reference.expect("log_e_value", reading.log_e_value);
        reference.expect("p_value", reading.p_value);
        reference.expect("log10_p_value", reading.log10_p_value);
    }
}

TEST(ReferenceTest, MultipleComparisons) {
    for (const ReferenceCase& reference : reference_cases("multiple_comparisons")) {
        const std::vector<double> p_values = reference.numbers("/p_values");
        reference.expect_numbers("holm", stats::holm(p_values));
        reference.expect_numbers("benjamini_hochberg", stats::benjamini_hochberg(p_values));
    }
}

TEST(ReferenceTest, MergedMoments) {
    for (const ReferenceCase& reference : reference_cases("moments_merge")) {
        Moments all;
        for (const Json shard : items_of(reference.input("/shards"))) {
            all = stats::merge(all,
                               {shard["n"].get_uint64().value(), shard["mean"].get_double().value(),
                                shard["m2"].get_double().value()});
        }
        reference.expect("n", static_cast<double>(all.unit_count));
        reference.expect("mean", all.mean);
        reference.expect("m2", all.centred_square);
        reference.expect("var", stats::sample_variance(all));
    }
}

TEST(ReferenceTest, ExperimentReport) {
    for (const ReferenceCase& reference : reference_cases("experiment_report")) {
        stats::ExperimentInput input;
        for (const char* name : {"control", "treatment"}) {
            const Json side = reference.input((std::string("/") + name).c_str());
            stats::VariantInput variant;
            variant.name = name;
            variant.exposed_units = side["impressions"].get_uint64().value();
            variant.converted_units = side["conversions"].get_uint64().value();
            // As planned, whatever the case's counts are: it is not about the sample ratio.
            variant.weight = static_cast<double>(variant.exposed_units);
            input.variants.push_back(variant);
        }
        input.end_unix_ms = 1;
        input.now_unix_ms = 2;
        const stats::ExperimentReport report = stats::experiment_report(input).value();
        const stats::MetricReport& conversion = *stats::find_metric(report, "conversion");
        const stats::MetricComparison& comparison = conversion.comparisons.front();
        reference.expect("control_conversion_rate", conversion.values[0].value);
        reference.expect("treatment_conversion_rate", conversion.values[1].value);
        reference.expect("p_value", comparison.p_value);
        EXPECT_EQ(reference.expected_text("recommendation_class"),
                  stats::verdict_name(report.judgement.verdict));
        if (reference.expected_text("status") != "ok") {
            EXPECT_FALSE(comparison.wald_interval);
            continue;
        }
        reference.expect("relative_improvement", 100.0 * comparison.lift.value());
        reference.expect("effect_size_cohen_h", comparison.effect_size);
        reference.expect_interval("confidence_interval_95", comparison.wald_interval.value());
    }
}

TEST(ReferenceTest, KnowsWhichMethodsAreMissing) {
    const std::set<std::string> built{
        "two_proportion_z", "proportion_diff_ci", "proportion_ci",
        "risk_ratio_ci",    "exact_2x2",          "effect_sizes",
        "welch_t",          "welch_t_raw",        "relative_lift",
        "ratio_delta",      "srm_chi2",           "asymptotic_cs",
        "moments_merge",    "experiment_report",  "multiple_comparisons"};
    const std::set<std::string> missing{"chi2_homogeneity",
                                        "poisson_rate_ratio",
                                        "winsorized_welch",
                                        "mann_whitney",
                                        "noninferiority_mean",
                                        "noninferiority_proportion",
                                        "tost_mean",
                                        "cuped",
                                        "cuped_ratio",
                                        "regression_adjustment",
                                        "quantile_diff",
                                        "msprt_normal",
                                        "group_sequential",
                                        "beta_binomial",
                                        "bayes_normal_effect",
                                        "srm_sequential",
                                        "dunnett",
                                        "power_proportions",
                                        "power_means"};
    for (const ReferenceCase& reference : reference_cases()) {
        EXPECT_EQ(built.count(reference.method()) + missing.count(reference.method()), 1u)
            << reference.method();
    }
}

}  // namespace
}  // namespace burgee::test
