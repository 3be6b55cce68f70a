#include "cli/results_text.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "cli/interval_plot.hpp"
#include "cli/table.hpp"
#include "stats/number_text.hpp"

namespace burgee::cli {
namespace {

using stats::count_text;
using stats::MetricComparison;
using stats::MetricReport;
using stats::Verdict;

constexpr std::int64_t kDayMs = 86'400'000;

const char* colour_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::kTreatmentBetter:
            return "\033[32m";
        case Verdict::kTreatmentWorse:
        case Verdict::kSampleRatioMismatch:
        case Verdict::kTooManyCrossovers:
            return "\033[31m";
        default:
            return "\033[33m";
    }
}

/// "day 9 of 14", "day 9", or "ended" once the planned end has passed.
std::string day_text(const stats::ExperimentReport& report) {
    const stats::ExperimentInput& input = report.input;
    if (report.is_final) {
        return "ended";
    }
    if (input.was_stopped_early) {
        return "stopped early";
    }
    const std::int64_t elapsed_ms =
        std::max<std::int64_t>(0, input.now_unix_ms - input.start_unix_ms);
    std::string text = "day " + std::to_string(elapsed_ms / kDayMs + 1);
    if (input.end_unix_ms && *input.end_unix_ms > input.start_unix_ms) {
        const std::int64_t planned_ms = *input.end_unix_ms - input.start_unix_ms;
        text += " of " + std::to_string((planned_ms + kDayMs - 1) / kDayMs);
    }
    return text;
}

std::string head_lines(const stats::ExperimentReport& report, bool has_colour) {
    const std::string dot =
        has_colour ? std::string(colour_of(report.judgement.verdict)) + "●\033[0m" : "●";
    return dot + " " + printable(report.input.name) + "  flag " + printable(report.input.flag) +
           ", " + day_text(report) + ", " + count_text(report.analysed_units) + " units\n" +
           printable(report.judgement.recommendation) + "\n\n";
}

std::string sample_ratio_line(const stats::ExperimentReport& report) {
    std::string text = "sample ratio  ";
    if (report.sample_ratio) {
        text += report.sample_ratio->is_mismatch() ? "MISMATCH" : "ok";
        text += " (p " + stats::p_value_text(report.sample_ratio->p_value) + "): ";
    } else {
        text += "not testable: ";
    }
    bool is_first = true;
    for (const stats::VariantInput& variant : report.input.variants) {
        text += (is_first ? "" : ", ") + printable(variant.name) + " " +
                count_text(variant.exposed_units) + " (weight " +
                stats::quantity_text(variant.weight) + "%)";
        is_first = false;
    }
    return text + "\n";
}

std::string left_out_line(const stats::ExperimentReport& report) {
    const stats::ExperimentInput& input = report.input;
    return "left out      crossovers " + count_text(input.crossover_units) + " (" +
           stats::percent_text(report.crossover_share) + "), unexposed " +
           count_text(input.unexposed_units) + ", assigned by hand " +
           count_text(input.by_hand_units) + ", events without a unit " +
           count_text(input.events_without_unit) + "\n\n";
}

std::string value_text(const MetricReport& metric, std::size_t variant_index) {
    const std::optional<double>& value = metric.values[variant_index].value;
    if (!value) {
        return "";
    }
    return metric.kind == stats::MetricKind::kRate ? stats::percent_text(*value)
                                                   : stats::quantity_text(*value);
}

std::string p_text(const std::optional<double>& p_value) {
    return p_value ? stats::p_value_text(*p_value) : "";
}

/// The row's interval on the axis of lifts; none where the lift is undefined.
std::optional<PlotRow> plot_row(const MetricReport& metric, const MetricComparison& comparison) {
    if (!comparison.lift || !comparison.lift_interval) {
        return std::nullopt;
    }
    return PlotRow{*comparison.lift, *comparison.lift_interval, metric.is_success_metric};
}

std::optional<PlotAxis> axis_of(const stats::ExperimentReport& report, int columns) {
    std::vector<PlotRow> rows;
    for (const MetricReport& metric : report.metrics) {
        for (const MetricComparison& comparison : metric.comparisons) {
            if (const std::optional<PlotRow> row = plot_row(metric, comparison)) {
                rows.push_back(*row);
            }
        }
    }
    return plot_axis(rows, columns);
}

std::vector<std::string> cells_of(const stats::ExperimentReport& report, const MetricReport& metric,
                                  const MetricComparison& comparison,
                                  const std::optional<PlotAxis>& axis) {
    const std::optional<PlotRow> row = plot_row(metric, comparison);
    std::string interval;
    if (row) {
        interval = "[" + stats::signed_percent_text(row->interval.lower) + ", " +
                   stats::signed_percent_text(row->interval.upper) + "]";
    }
    const std::size_t control = report.input.control_index;
    return {metric.name + (metric.is_success_metric ? " *" : ""),
            report.input.variants[comparison.variant_index].name,
            value_text(metric, control),
            value_text(metric, comparison.variant_index),
            comparison.lift ? stats::signed_percent_text(*comparison.lift) : "",
            interval,
            row && axis ? plot_text(*row, *axis) : "",
            p_text(comparison.p_value),
            p_text(comparison.always_valid_p)};
}

std::string metric_table(const stats::ExperimentReport& report, int plot_columns) {
    using enum Column::Align;
    const std::optional<PlotAxis> axis = axis_of(report, plot_columns);
    const std::string level =
        stats::quantity_text(100.0 * (1.0 - report.input.alpha)) + "% INTERVAL";
    Table table({{"METRIC", kLeft},
                 {"VARIANT", kLeft},
                 {"CONTROL", kRight},
                 {"TREATED", kRight},
                 {"LIFT", kRight},
                 {level, kRight},
                 {axis ? axis_text(*axis) : "PLOT", kLeft},
                 {"P", kLeft},
                 {"P ANY LOOK", kLeft}});
    for (const MetricReport& metric : report.metrics) {
        for (const MetricComparison& comparison : metric.comparisons) {
            table.add_row(cells_of(report, metric, comparison, axis));
        }
    }
    return table.text();
}

/// "conversion: pooled z, intervals Newcombe (difference) and Katz log (lift)", each once.
std::string method_lines(const stats::ExperimentReport& report) {
    std::string text;
    for (const MetricReport& metric : report.metrics) {
        for (const MetricComparison& comparison : metric.comparisons) {
            if (!comparison.p_value) {
                continue;
            }
            const std::string line = std::string("p by ") + comparison.test_method +
                                     ", intervals by " + comparison.interval_method +
                                     " (difference) and " + comparison.lift_method + " (lift)\n";
            if (text.find(line) == std::string::npos) {
                text += "  " + line;
            }
        }
    }
    return text;
}

}  // namespace

std::string results_text(const stats::ExperimentReport& report, const ResultsTextOptions& options) {
    std::string text = head_lines(report, options.has_colour);
    text += sample_ratio_line(report) + left_out_line(report);
    text += metric_table(report, options.plot_columns);
    text += "  * success metric; P ANY LOOK: always-valid, may be acted on at any time\n";
    text += method_lines(report);
    for (const std::string& note : report.notes) {
        text += "! " + printable(note) + "\n";
    }
    return text;
}

}  // namespace burgee::cli
