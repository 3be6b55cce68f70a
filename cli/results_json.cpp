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

void write(JsonWriter& json, std::string_view key, const std::optional<double>& value) {
    json.key(key);
    if (value && std::isfinite(*value)) {
        json.value(*value);
    } else {
        json.null();
    }
}

void write(JsonWriter& json, std::string_view key, const std::optional<Interval>& interval) {
    json.key(key);
    if (!interval) {
        json.null();
        return;
    }
    json.begin_object().key("lower").value(interval->lower).key("upper").value(interval->upper);
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
    json.key("impressions").value(variant.impressions);
    json.key("conversions").value(variant.conversions);
    write(json, "conversion_rate", metric_value(report, stats::kConversionMetric, index));
    write(json, "error_rate", metric_value(report, stats::kErrorMetric, index));
    write(json, "avg_response_time_ms", metric_value(report, "response_time_ms", index));
    write(json, "avg_quality_score", metric_value(report, "quality_score", index));
    json.key("custom_metrics").begin_object();
    for (const MetricReport& metric : report.metrics) {
        if (!is_built_in(metric.name)) {
            write(json, metric.name, metric.values[index].value);
        }
    }
    json.end_object();
    json.key("is_control").value(index == report.input.control_index);
    json.key("weight").value(variant.weight);
    json.key("exposed_units").value(variant.exposed_units);
    json.key("converted_units").value(variant.converted_units);
    json.key("error_units").value(variant.error_units);
    json.key("errors").value(variant.errors);
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
    json.key("treatment").value(report.input.variants[first.variant_index].name);
    write(json, "control_conversion_rate", conversion.values[report.input.control_index].value);
    write(json, "treatment_conversion_rate", conversion.values[first.variant_index].value);
    write(json, "relative_improvement",
          first.lift ? std::optional<double>(100.0 * *first.lift) : std::nullopt);
    write(json, "p_value", first.p_value);
    write(json, "log10_p_value", first.log10_p_value);
    json.key("is_significant").value(is_below_alpha(first.p_value));
    write(json, "confidence_interval_95", first.wald_interval);
    json.key("effect_size").begin_object().key("method").value("Cohen's h");
    write(json, "value", first.effect_size);
    json.end_object();
    write(json, "always_valid_p_value", first.always_valid_p);
    json.key("is_significant_at_any_look").value(is_below_alpha(first.always_valid_p));
    json.key("recommendation").value(report.judgement.recommendation);
    json.end_object();
}

void write_comparison(JsonWriter& json, const stats::ExperimentReport& report,
                      const MetricComparison& comparison) {
    json.begin_object();
    json.key("variant").value(report.input.variants[comparison.variant_index].name);
    write(json, "difference", comparison.difference);
    write(json, "difference_interval", comparison.interval);
    json.key("interval_method").value(comparison.interval_method);
    write(json, "lift", comparison.lift);
    write(json, "lift_interval", comparison.lift_interval);
    json.key("lift_method").value(comparison.lift_method);
    write(json, "p_value", comparison.p_value);
    write(json, "log10_p_value", comparison.log10_p_value);
    json.key("test_method").value(comparison.test_method);
    write(json, "p_value_adjusted", comparison.p_value_adjusted);
    write(json, "always_valid_p_value", comparison.always_valid_p);
    write(json, "always_valid_p_value_adjusted", comparison.always_valid_p_adjusted);
    write(json, "always_valid_interval", comparison.always_valid_interval);
    write(json, "effect_size", comparison.effect_size);
    json.key("effect_size_method").value(comparison.effect_size_method);
    write(json, "detectable_difference", comparison.detectable_difference);
    json.end_object();
}

void write_metric(JsonWriter& json, const stats::ExperimentReport& report,
                  const MetricReport& metric) {
    json.key(metric.name).begin_object();
    json.key("kind").value(metric.kind == stats::MetricKind::kRate ? "rate" : "ratio");
    json.key("is_success_metric").value(metric.is_success_metric);
    json.key("is_lower_better").value(metric.is_lower_better);
    json.key("values").begin_object();
    for (std::size_t i = 0; i < metric.values.size(); ++i) {
        json.key(report.input.variants[i].name).begin_object();
        write(json, "value", metric.values[i].value);
        json.key("units").value(metric.values[i].unit_count);
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
        json.begin_object().key("chi_square").value(report.sample_ratio->chi_square);
        json.key("degrees_of_freedom").value(report.sample_ratio->degrees_of_freedom);
        json.key("p_value").value(report.sample_ratio->p_value);
        json.key("is_mismatch").value(report.sample_ratio->is_mismatch()).end_object();
    } else {
        json.null();
    }
    json.key("analysed_units").value(report.analysed_units);
    json.key("crossover_units").value(input.crossover_units);
    json.key("crossover_share").value(report.crossover_share);
    json.key("unexposed_units").value(input.unexposed_units);
    json.key("by_hand_units").value(input.by_hand_units);
    json.key("events_without_unit").value(input.events_without_unit);
}

void write_verdict(JsonWriter& json, const stats::ExperimentReport& report) {
    const stats::Judgement& judgement = report.judgement;
    json.key("verdict").begin_object();
    json.key("class").value(stats::verdict_name(judgement.verdict));
    json.key("variant");
    if (judgement.variant) {
        json.value(*judgement.variant);
    } else {
        json.null();
    }
    json.key("rule").value(judgement.rule);
    json.key("recommendation").value(judgement.recommendation);
    json.key("is_final").value(report.is_final);
    json.key("alpha").value(report.input.alpha);
    json.end_object();
}

}  // namespace

std::string results_json(const stats::ExperimentReport& report) {
    JsonWriter json;
    json.begin_object();
    json.key("experiment").value(report.input.name);
    json.key("flag").value(report.input.flag);
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
    json.key("start_unix_ms").value(report.input.start_unix_ms);
    json.key("end_unix_ms");
    if (report.input.end_unix_ms) {
        json.value(*report.input.end_unix_ms);
    } else {
        json.null();
    }
    json.key("computed_unix_ms").value(report.input.now_unix_ms);
    json.key("notes").begin_array();
    for (const std::string& note : report.notes) {
        json.value(note);
    }
    json.end_array();
    return json.end_object().take();
}

}  // namespace burgee::cli
