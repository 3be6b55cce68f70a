#include "cli/results_json.hpp"

#include <cmath>
#include <optional>
#include <string_view>

#include "shm/json_text.hpp"
#include "stats/number_text.hpp"

namespace burgee::cli {
namespace {

using stats::Interval;
using stats::MetricComparison;
using stats::MetricReport;

void write(JsonWriter& json, std::string_view key, const std::optional<Interval>& interval) {
    json.key(key);
    if (!interval) {
        json.null();
        return;
    }
    json.begin_object().member("lower", interval->lower).member("upper", interval->upper);
    json.end_object();
}

/// The value of a metric for one variant; none if the metric or its data is missing.
std::optional<double> metric_value(const stats::ExperimentReport& report, const std::string& name,
                                   std::size_t variant_index) {
    const MetricReport* metric = stats::find_metric(report, name);
    return metric == nullptr ? std::nullopt : metric->values[variant_index].value;
}

bool is_built_in(const std::string& name) {
    return name == stats::kConversionMetric || name == stats::kErrorMetric ||
           name == "response_time_ms" || name == "quality_score";
}

void write_variant(JsonWriter& json, const stats::ExperimentReport& report, std::size_t index) {
    const stats::VariantInput& variant = report.input.variants[index];
    json.key(variant.name).begin_object();
    json.member("impressions", variant.impressions);
    json.member("conversions", variant.conversions);
    json.member("conversion_rate", metric_value(report, stats::kConversionMetric, index));
    json.member("error_rate", metric_value(report, stats::kErrorMetric, index));
    json.member("avg_response_time_ms", metric_value(report, "response_time_ms", index));
    json.member("avg_quality_score", metric_value(report, "quality_score", index));
    json.key("custom_metrics").begin_object();
    for (const MetricReport& metric : report.metrics) {
        if (!is_built_in(metric.name)) {
            json.member(metric.name, metric.values[index].value);
        }
    }
    json.end_object();
    json.member("is_control", index == report.input.control_index);
    json.member("weight", variant.weight);
    json.member("exposed_units", variant.exposed_units);
    json.member("converted_units", variant.converted_units);
    json.member("error_units", variant.error_units);
    json.member("errors", variant.errors);
    const MetricReport* conversion = stats::find_metric(report, stats::kConversionMetric);
    write(json, "conversion_rate_interval", conversion->values[index].interval);
    json.end_object();
}

/// The old contract's comparison: the first treatment against the control, on conversion.
void write_statistical_analysis(JsonWriter& json, const stats::ExperimentReport& report) {
    const MetricReport& conversion = *stats::find_metric(report, stats::kConversionMetric);
    const MetricComparison& first = conversion.comparisons.front();
    const double alpha = report.input.alpha;
    const auto is_below_alpha = [alpha](const std::optional<double>& p_value) {
        return p_value && *p_value < alpha;
    };
    json.key("statistical_analysis").begin_object();
    json.member("treatment", report.input.variants[first.variant_index].name);
    json.member("control_conversion_rate", conversion.values[report.input.control_index].value);
    json.member("treatment_conversion_rate", conversion.values[first.variant_index].value);
    json.member("relative_improvement",
                first.lift ? std::optional<double>(100.0 * *first.lift) : std::nullopt);
    json.member("p_value", first.p_value);
    json.member("log10_p_value", first.log10_p_value);
    json.member("is_significant", is_below_alpha(first.p_value));
    write(json, "confidence_interval_95", first.wald_interval);
    json.key("effect_size").begin_object().member("method", "Cohen's h");
    json.member("value", first.effect_size);
    json.end_object();
    json.member("always_valid_p_value", first.always_valid_p);
    json.member("is_significant_at_any_look", is_below_alpha(first.always_valid_p));
    json.member("recommendation", report.judgement.recommendation);
    json.end_object();
}

void write_comparison(JsonWriter& json, const stats::ExperimentReport& report,
                      const MetricComparison& comparison) {
    json.begin_object();
    json.member("variant", report.input.variants[comparison.variant_index].name);
    json.member("difference", comparison.difference);
    write(json, "difference_interval", comparison.interval);
    json.member("interval_method", comparison.interval_method);
    json.member("lift", comparison.lift);
    write(json, "lift_interval", comparison.lift_interval);
    json.member("lift_method", comparison.lift_method);
    json.member("p_value", comparison.p_value);
    json.member("log10_p_value", comparison.log10_p_value);
    json.member("test_method", comparison.test_method);
    json.member("p_value_adjusted", comparison.p_value_adjusted);
    json.member("always_valid_p_value", comparison.always_valid_p);
    json.member("always_valid_p_value_adjusted", comparison.always_valid_p_adjusted);
    write(json, "always_valid_interval", comparison.always_valid_interval);
    json.member("effect_size", comparison.effect_size);
    json.member("effect_size_method", comparison.effect_size_method);
    json.member("detectable_difference", comparison.detectable_difference);
    json.end_object();
}

void write_metric(JsonWriter& json, const stats::ExperimentReport& report,
                  const MetricReport& metric) {
    json.key(metric.name).begin_object();
    json.member("kind", metric.kind == stats::MetricKind::kRate ? "rate" : "ratio");
    json.member("is_success_metric", metric.is_success_metric);
    json.member("is_lower_better", metric.is_lower_better);
    json.key("values").begin_object();
    for (std::size_t i = 0; i < metric.values.size(); ++i) {
        json.key(report.input.variants[i].name).begin_object();
        json.member("value", metric.values[i].value);
        json.member("units", metric.values[i].unit_count);
        json.end_object();
    }
    json.end_object();
    json.key("comparisons").begin_array();
    for (const MetricComparison& comparison : metric.comparisons) {
        write_comparison(json, report, comparison);
    }
    json.end_array().end_object();
}

void write_health(JsonWriter& json, const stats::ExperimentReport& report) {
    const stats::ExperimentInput& input = report.input;
    json.key("sample_ratio");
    if (report.sample_ratio) {
        json.begin_object().member("chi_square", report.sample_ratio->chi_square);
        json.member("degrees_of_freedom", report.sample_ratio->degrees_of_freedom);
        json.member("p_value", report.sample_ratio->p_value);
        json.member("is_mismatch", report.sample_ratio->is_mismatch()).end_object();
    } else {
        json.null();
    }
    json.member("analysed_units", report.analysed_units);
    json.member("crossover_units", input.crossover_units);
    json.member("crossover_share", report.crossover_share);
    json.member("unexposed_units", input.unexposed_units);
    json.member("by_hand_units", input.by_hand_units);
    json.member("events_without_unit", input.events_without_unit);
}

void write_verdict(JsonWriter& json, const stats::ExperimentReport& report) {
    const stats::Judgement& judgement = report.judgement;
    json.key("verdict").begin_object();
    json.member("class", stats::verdict_name(judgement.verdict));
    json.member("variant", judgement.variant);
    json.member("rule", judgement.rule);
    json.member("recommendation", judgement.recommendation);
    json.member("is_final", report.is_final);
    json.member("alpha", report.input.alpha);
    json.end_object();
}

}  // namespace

std::string results_json(const stats::ExperimentReport& report) {
    JsonWriter json;
    json.begin_object();
    json.member("experiment", report.input.name);
    json.member("flag", report.input.flag);
    json.key("variants").begin_object();
    for (std::size_t i = 0; i < report.input.variants.size(); ++i) {
        write_variant(json, report, i);
    }
    json.end_object();
    write_statistical_analysis(json, report);
    write_verdict(json, report);
    write_health(json, report);
    json.key("metrics").begin_object();
    for (const MetricReport& metric : report.metrics) {
        write_metric(json, report, metric);
    }
    json.end_object();
    json.member("start_unix_ms", report.input.start_unix_ms);
    json.member("end_unix_ms", report.input.end_unix_ms);
    json.member("computed_unix_ms", report.input.now_unix_ms);
    json.key("notes").begin_array();
    for (const std::string& note : report.notes) {
        json.value(note);
    }
    json.end_array();
    return json.end_object().take();
}

}  // namespace burgee::cli
