#include "stats/metric_report.hpp"

#include <algorithm>
#include <array>

#include "stats/compare_means.hpp"
#include "stats/distributions.hpp"
#include "stats/sequential.hpp"

namespace burgee::stats {
namespace {

/// The old contract names its interval confidence_interval_95, whatever alpha is.
constexpr double kOldContractAlpha = 0.05;

/// "Power reached" is told as the effect that would have been found with this power: the power for
/// the effect that was seen says nothing beyond its p-value.
constexpr double kWantedPower = 0.8;

double detectable(double error, double alpha) {
    return (normal_upper_quantile(0.5 * alpha) + normal_upper_quantile(1.0 - kWantedPower)) * error;
}

/// Adds what depends on the estimate and its error alone.
void add_reading(MetricComparison& comparison, const EffectEstimate& estimate,
                 const ComparisonPlan& plan, bool is_always_valid_ripe) {
    if (estimate.error > 0) {
        comparison.detectable_difference = detectable(estimate.error, plan.alpha);
    }
    if (!is_always_valid_ripe) {
        return;
    }
    const Result<AlwaysValid> reading = always_valid(estimate, plan.tuned_units, plan.alpha);
    if (reading.has_value()) {
        comparison.always_valid_p = reading.value().p_value;
        comparison.always_valid_interval = reading.value().interval;
    }
}

const char* test_name(RateTest test) {
    switch (test) {
        case RateTest::kPooledZ:
            return "pooled z";
        case RateTest::kFisherMidP:
            return "Fisher mid-p";
        case RateTest::kNone:
            break;
    }
    return "none";
}

MetricComparison compare_rate(const RateCounts& control, const RateCounts& treatment,
                              const ComparisonPlan& plan) {
    MetricComparison comparison;
    const std::array both{control, treatment};
    const Result<std::vector<RateComparison>> compared = compare_rates(both, plan.alpha);
    if (compared.has_error()) {
        return comparison;
    }
    const RateComparison& rates = compared.value().front();
    comparison.difference = rates.difference;
    comparison.interval = rates.newcombe;
    comparison.interval_method = "Newcombe";
    comparison.lift = rates.lift;
    comparison.lift_interval = rates.lift_interval;
    comparison.lift_method = rates.lift_interval ? "Katz log" : "none";
    comparison.effect_size = rates.cohen_h;
    comparison.effect_size_method = "Cohen's h";
    comparison.p_value = rates.p_value;
    comparison.log10_p_value = rates.log10_p_value;
    comparison.test_method = test_name(rates.test);
    if (rates.test != RateTest::kNone) {
        comparison.wald_interval = wald_interval(control, treatment, kOldContractAlpha);
    }
    const std::uint64_t exposed = control.exposed + treatment.exposed;
    const std::uint64_t converted = control.converted + treatment.converted;
    const bool is_ripe = std::min(converted, exposed - converted) >= kAlwaysValidConversionsMin;
    add_reading(comparison, {rates.difference, rates.error_unpooled, exposed}, plan, is_ripe);
    return comparison;
}

MetricComparison compare_ratio(const UnitSums& control, const UnitSums& treatment,
                               const ComparisonPlan& plan) {
    MetricComparison comparison;
    if (std::min(control.unit_count, treatment.unit_count) < kUnitsMin) {
        return comparison;
    }
    const Result<MeanComparison> compared = compare_ratios(control, treatment, plan.alpha);
    if (compared.has_error()) {
        return comparison;
    }
    const MeanComparison& means = compared.value();
    comparison.difference = means.difference;
    comparison.lift = means.lift;
    comparison.lift_interval = means.lift_interval;
    comparison.lift_method = means.lift_interval ? "Fieller" : "none";
    if (means.cohen_d) {
        comparison.effect_size = means.cohen_d;
        comparison.effect_size_method = "Cohen's d";
    }
    if (means.test) {
        comparison.p_value = means.test->p_value;
        comparison.log10_p_value = means.test->log10_p_value;
        comparison.interval = means.test->interval;
        comparison.test_method = "Welch t, delta method";
        comparison.interval_method = "Welch t, delta method";
    }
    const EffectEstimate estimate{means.difference, means.error,
                                  control.unit_count + treatment.unit_count};
    add_reading(comparison, estimate, plan, means.error > 0);
    return comparison;
}

template <typename Counts, typename Compare>
std::vector<MetricComparison> against_control(std::span<const Counts> variants,
                                              const ComparisonPlan& plan, Compare compare) {
    std::vector<MetricComparison> comparisons;
    for (std::size_t i = 0; i < variants.size(); ++i) {
        if (i != plan.control_index) {
            comparisons.push_back(compare(variants[plan.control_index], variants[i], plan));
            comparisons.back().variant_index = i;
        }
    }
    return comparisons;
}

}  // namespace

MetricReport rate_report(std::string name, std::span<const RateCounts> variants,
                         const ComparisonPlan& plan) {
    MetricReport report;
    report.name = std::move(name);
    report.kind = MetricKind::kRate;
    for (const RateCounts& counts : variants) {
        MetricValue value{.value = std::nullopt, .unit_count = counts.exposed, .interval = {}};
        if (counts.exposed > 0) {
            value.value = counts.rate();
            value.interval = wilson_interval(counts, plan.alpha);
        }
        report.values.push_back(value);
    }
    report.comparisons = against_control(variants, plan, compare_rate);
    return report;
}

MetricReport ratio_report(std::string name, std::span<const UnitSums> variants,
                          const ComparisonPlan& plan) {
    MetricReport report;
    report.name = std::move(name);
    report.kind = MetricKind::kRatio;
    for (const UnitSums& sums : variants) {
        MetricValue value{.value = std::nullopt, .unit_count = sums.unit_count, .interval = {}};
        if (check(sums).has_value() && sums.sum_d != 0) {
            value.value = sums.sum_m / sums.sum_d;
        }
        report.values.push_back(value);
    }
    report.comparisons = against_control(variants, plan, compare_ratio);
    return report;
}

}  // namespace burgee::stats
