#include "stats/experiment_report.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "stats/multiplicity.hpp"
#include "stats/number_text.hpp"
#include "stats/sequential.hpp"

namespace burgee::stats {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

/// Twyman's law: figures this good on the first day are usually a mistake in the data.
constexpr double kSuspiciousLift = 0.5;
constexpr double kSuspiciousP = 1e-20;

Result<void> check_input(const ExperimentInput& input) {
    if (input.variants.size() < 2) {
        return StatsError::kNoTreatment;
    }
    if (input.control_index >= input.variants.size()) {
        return StatsError::kNoControl;
    }
    if (!(input.alpha > 0 && input.alpha < 1)) {
        return StatsError::kOutOfRange;
    }
    for (const VariantInput& variant : input.variants) {
        if (!std::isfinite(variant.weight)) {
            return StatsError::kNotFinite;
        }
        if (variant.weight < 0) {
            return StatsError::kNegative;
        }
        if (std::max(variant.converted_units, variant.error_units) > variant.exposed_units) {
            return StatsError::kMoreThanExposed;
        }
        if (variant.exposed_units > kUnitsMax) {
            return StatsError::kOutOfRange;
        }
    }
    return input.crossover_units > kUnitsMax ? Result<void>(StatsError::kOutOfRange)
                                             : Result<void>();
}

/// The sums of one metric, one a variant; empty where a variant has none.
std::vector<UnitSums> sums_of(const ExperimentInput& input, const std::string& metric) {
    std::vector<UnitSums> all;
    for (const VariantInput& variant : input.variants) {
        const auto found = std::ranges::find(variant.metrics, metric, &MetricSums::name);
        all.push_back(found == variant.metrics.end() ? UnitSums{} : found->sums);
    }
    return all;
}

std::vector<RateCounts> rates_of(const ExperimentInput& input,
                                 std::uint64_t VariantInput::*converted) {
    std::vector<RateCounts> all;
    for (const VariantInput& variant : input.variants) {
        all.push_back({variant.exposed_units, variant.*converted});
    }
    return all;
}

/// Every metric that is not a rate of ours: those with data, and success metrics still without.
std::set<std::string> other_metrics(const ExperimentInput& input) {
    std::set<std::string> names;
    for (const VariantInput& variant : input.variants) {
        for (const MetricSums& metric : variant.metrics) {
            names.insert(metric.name);
        }
    }
    for (const MetricGoal& goal : input.success_metrics) {
        names.insert(goal.name);
    }
    names.erase(kConversionMetric);
    names.erase(kErrorMetric);
    return names;
}

void add_metrics(ExperimentReport& report) {
    const ExperimentInput& input = report.input;
    const ComparisonPlan plan{input.control_index,
                              input.planned_units > 0 ? input.planned_units : kTunedUnits,
                              input.alpha};
    report.metrics.push_back(
        rate_report(kConversionMetric, rates_of(input, &VariantInput::converted_units), plan));
    report.metrics.push_back(
        rate_report(kErrorMetric, rates_of(input, &VariantInput::error_units), plan));
    for (const std::string& name : other_metrics(input)) {
        const std::vector<UnitSums> sums = sums_of(input, name);
        report.metrics.push_back(ratio_report(name, sums, plan));
        for (std::size_t i = 0; i < sums.size(); ++i) {
            if (const Result<void> checked = check(sums[i]); checked.has_error()) {
                report.notes.push_back("Metric " + name + " of " + input.variants[i].name +
                                       " is left out: " + std::string(describe(checked.error())) +
                                       ".");
            }
        }
    }
    for (MetricReport& metric : report.metrics) {
        metric.is_lower_better = default_goal(metric.name).is_lower_better;
    }
}

/// Marks the success metrics and gives their comparisons Holm's adjusted p-values, as one family.
void adjust_success_metrics(ExperimentReport& report) {
    std::vector<MetricComparison*> family;
    for (const MetricGoal& goal : report.input.success_metrics) {
        const auto metric = std::ranges::find(report.metrics, goal.name, &MetricReport::name);
        if (metric->is_success_metric) {
            continue;  // named twice
        }
        metric->is_success_metric = true;
        metric->is_lower_better = goal.is_lower_better;
        for (MetricComparison& comparison : metric->comparisons) {
            family.push_back(&comparison);
        }
    }
    std::vector<double> fixed;
    std::vector<double> always_valid;
    for (const MetricComparison* comparison : family) {
        // What cannot be tested still belongs to the family: as a test that found nothing.
        fixed.push_back(comparison->p_value.value_or(1.0));
        always_valid.push_back(comparison->always_valid_p.value_or(1.0));
    }
    fixed = holm(fixed);
    always_valid = holm(always_valid);
    for (std::size_t i = 0; i < family.size(); ++i) {
        if (family[i]->p_value) {
            family[i]->p_value_adjusted = fixed[i];
        }
        if (family[i]->always_valid_p) {
            family[i]->always_valid_p_adjusted = always_valid[i];
        }
    }
}

void add_sample_ratio(ExperimentReport& report) {
    std::vector<std::uint64_t> counts;
    std::vector<double> weights;
    for (const VariantInput& variant : report.input.variants) {
        counts.push_back(variant.exposed_units);
        weights.push_back(variant.weight);
        report.analysed_units += variant.exposed_units;
    }
    if (const Result<SampleRatio> ratio = sample_ratio(counts, weights); ratio.has_value()) {
        report.sample_ratio = ratio.value();
    }
    const auto crossovers = static_cast<double>(report.input.crossover_units);
    const double exposed = crossovers + static_cast<double>(report.analysed_units);
    report.crossover_share = exposed > 0 ? crossovers / exposed : 0.0;
}

/// A variant that nobody should meet and nobody met holds no verdict up.
std::vector<VariantUnits> variants_that_count(const ExperimentInput& input) {
    double weight = 0;
    for (const VariantInput& variant : input.variants) {
        weight += variant.weight;
    }
    std::vector<VariantUnits> counted;
    for (std::size_t i = 0; i < input.variants.size(); ++i) {
        const VariantInput& variant = input.variants[i];
        if (variant.weight > 0 || variant.exposed_units > 0 || weight <= 0 ||
            i == input.control_index) {
            counted.push_back({variant.name, variant.exposed_units});
        }
    }
    return counted;
}

void add_evidence(std::vector<Evidence>& evidence, const ExperimentReport& report,
                  const MetricReport& metric) {
    for (const MetricComparison& comparison : metric.comparisons) {
        Evidence item;
        item.variant = report.input.variants[comparison.variant_index].name;
        item.metric = {metric.name, metric.is_lower_better};
        item.difference = comparison.difference.value_or(0.0);
        item.lift = comparison.lift;
        item.p_fixed = metric.is_success_metric ? comparison.p_value_adjusted : comparison.p_value;
        item.p_always_valid = metric.is_success_metric ? comparison.always_valid_p_adjusted
                                                       : comparison.always_valid_p;
        evidence.push_back(std::move(item));
    }
}

VerdictFacts facts_of(const ExperimentReport& report) {
    const ExperimentInput& input = report.input;
    VerdictFacts facts;
    facts.variants = variants_that_count(input);
    if (report.sample_ratio) {
        facts.sample_ratio_p = report.sample_ratio->p_value;
    }
    facts.crossover_share = report.crossover_share;
    facts.is_final = report.is_final;
    facts.was_stopped_early = input.was_stopped_early;
    facts.alpha = input.alpha;
    if (input.end_unix_ms && !report.is_final && !input.was_stopped_early) {
        facts.remaining_days = (*input.end_unix_ms - input.now_unix_ms + kDayMs - 1) / kDayMs;
    }
    for (const MetricReport& metric : report.metrics) {
        if (metric.is_success_metric) {
            add_evidence(facts.success, report, metric);
        } else if (metric.name == kErrorMetric) {
            add_evidence(facts.guardrail, report, metric);
        }
    }
    return facts;
}

bool is_suspicious(const MetricComparison& comparison) {
    return std::abs(comparison.lift.value_or(0.0)) > kSuspiciousLift ||
           comparison.p_value.value_or(1.0) < kSuspiciousP;
}

void add_notes(ExperimentReport& report) {
    const ExperimentInput& input = report.input;
    const bool is_first_day = input.now_unix_ms - input.start_unix_ms < kDayMs;
    std::size_t family_size = 0;
    for (const MetricReport& metric : report.metrics) {
        if (!metric.is_success_metric) {
            continue;
        }
        family_size += metric.comparisons.size();
        if (is_first_day && std::ranges::any_of(metric.comparisons, is_suspicious)) {
            report.notes.push_back("Check the data: " + metric.name +
                                   " looks too good or too bad for a first day.");
        }
    }
    if (family_size > 1) {
        report.notes.push_back("Verdicts use p-values adjusted by Holm for " +
                               std::to_string(family_size) + " comparisons.");
    }
    if (!report.is_final) {
        report.notes.push_back(
            input.end_unix_ms && !input.was_stopped_early
                ? "Fixed-horizon p-values and intervals are valid at the planned "
                  "end only; until then the always-valid ones decide."
                : "Without a planned end that was reached only the always-valid p-values and "
                  "intervals may be acted on.");
    }
}

}  // namespace

Result<ExperimentReport> experiment_report(const ExperimentInput& input) {
    if (const Result<void> checked = check_input(input); checked.has_error()) {
        return checked.error();
    }
    ExperimentReport report;
    report.input = input;
    if (report.input.success_metrics.empty()) {
        report.input.success_metrics.push_back(default_goal(kConversionMetric));
    }
    report.is_final =
        !input.was_stopped_early && input.end_unix_ms && input.now_unix_ms >= *input.end_unix_ms;
    add_metrics(report);
    adjust_success_metrics(report);
    add_sample_ratio(report);
    report.judgement = judge(facts_of(report));
    add_notes(report);
    return report;
}

const MetricReport* find_metric(const ExperimentReport& report, const std::string& name) {
    const auto found = std::ranges::find(report.metrics, name, &MetricReport::name);
    return found == report.metrics.end() ? nullptr : &*found;
}

}  // namespace burgee::stats
