// burgee results: reads an experiment's data, has it judged, shows the report and keeps it.

#include <memory>

#include "cli/command.hpp"
#include "cli/database.hpp"
#include "cli/json_parts.hpp"
#include "cli/results_json.hpp"
#include "cli/results_text.hpp"
#include "cli/table.hpp"
#include "stats/experiment_report.hpp"
#include "sync/experiment_metrics.hpp"

namespace burgee::cli {
namespace {

struct Options {
    std::string experiment;
    std::optional<std::int64_t> phase;
    bool is_not_kept = false;
};

stats::UnitSums unit_sums(const sync::MetricMoments& moments) {
    return {moments.units,      moments.sum_m,      moments.sum_d,
            moments.centred_mm, moments.centred_dd, moments.centred_md};
}

stats::VariantInput variant_input(const sync::VariantData& data) {
    stats::VariantInput input;
    input.name = data.name;
    input.weight = data.weight;
    input.exposed_units = data.exposed_units;
    input.converted_units = data.converted_units;
    input.error_units = data.error_units;
    input.impressions = data.impressions;
    input.conversions = data.conversions;
    input.errors = data.errors;
    for (const sync::MetricMoments& moments : data.metrics) {
        const stats::UnitSums sums = unit_sums(moments);
        input.metrics.push_back({moments.metric, moments.is_total ? stats::per_unit(sums) : sums});
    }
    return input;
}

/// The declared metrics: names, or objects with a "name" and perhaps "lower_is_better".
std::vector<stats::MetricGoal> success_metrics(const std::string& json) {
    std::vector<stats::MetricGoal> goals;
    for (const std::string& element : json_elements(json).value_or(std::vector<std::string>{})) {
        stats::MetricGoal goal =
            stats::default_goal(json_plain(json_member(element, "name").value_or(element)));
        if (const auto lower = json_member(element, "lower_is_better")) {
            goal.is_lower_better = *lower == "true";
        }
        goals.push_back(std::move(goal));
    }
    return goals;
}

stats::ExperimentInput experiment_input(const sync::ExperimentData& data) {
    stats::ExperimentInput input;
    input.name = data.name;
    input.flag = data.flag_name;
    for (const sync::VariantData& variant : data.variants) {
        if (variant.is_control) {
            input.control_index = input.variants.size();
        }
        input.variants.push_back(variant_input(variant));
        input.unexposed_units += variant.unexposed_units;
        input.by_hand_units += variant.by_hand_units;
    }
    input.success_metrics = success_metrics(data.success_metrics_json);
    input.crossover_units = data.crossover_units;
    input.events_without_unit = data.no_unit_events;
    input.start_unix_ms = data.start_unix_ms;
    input.end_unix_ms = data.end_unix_ms;
    input.now_unix_ms = data.computed_unix_ms;
    input.was_stopped_early = data.was_stopped_early;
    return input;
}

/// Somebody who may only read still gets the results; they are just not kept.
void keep(sync::PgSession& session, const sync::ExperimentData& data, const std::string& json,
          const Terminal& terminal) {
    const auto stored = sync::store_results(session, data.id, data.phase, json);
    if (stored.has_error()) {
        terminal.advise("note: the results were not kept: " + stored.error().message);
    }
}

ExitCode run(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    const sync::ExperimentData data = take(sync::load_experiment_data(
        session, options.experiment, static_cast<std::uint32_t>(options.phase.value_or(0))));
    const auto report = stats::experiment_report(experiment_input(data));
    if (report.has_error()) {
        throw Failure(ExitCode::kFailed,
                      "the results of " + printable(data.name) +
                          " cannot be computed: " + std::string(describe(report.error())));
    }
    const std::string json = results_json(*report);
    if (!options.is_not_kept) {
        keep(session, data, json, terminal);
    }
    if (terminal.is_json()) {
        terminal.print_line(json);
    } else if (terminal.is_name()) {
        terminal.print_line(stats::verdict_name(report->judgement.verdict));
    } else {
        ResultsTextOptions text;
        text.has_colour = terminal.is_coloured();
        terminal.print(results_text(*report, text));
    }
    return ExitCode::kOk;
}

}  // namespace

std::vector<Command> results_commands() {
    const auto options = std::make_shared<Options>();
    return {{"",
             "results",
             "Judges an experiment by what its units did",
             {"burgee results model_comparison", "burgee results model_comparison -o json"},
             {{"EXPERIMENT", &options->experiment, "name or id", true},
              {"--phase",
               &options->phase,
               "an earlier phase (default: the current one)",
               false,
               {},
               NumberRange{1, UINT32_MAX}},
              {"--no-keep", &options->is_not_kept, "does not store the results"}},
             [options](Terminal& terminal) { return run(*options, terminal); }}};
}

}  // namespace burgee::cli
