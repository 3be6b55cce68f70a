// burgee db verify: computes unit state a second time from the raw rows and says where they differ.

#include <chrono>
#include <memory>

#include "cli/command.hpp"
#include "cli/database.hpp"
#include "cli/table.hpp"
#include "shm/json_text.hpp"
#include "sync/experiment_store.hpp"
#include "sync/unit_state_check.hpp"

namespace burgee::cli {
namespace {

using sync::CheckedExperiment;
using sync::DifferingCell;
using sync::StateCheck;
using sync::StateVerdict;
using sync::UnitComparison;

void write_units(JsonWriter& json, const UnitComparison& units) {
    json.member("units", units.units).member("different", units.different);
    json.member("missing", units.missing).member("surplus", units.surplus);
    json.member("by_dates", units.by_dates).member("by_gap", units.by_gap);
    json.member("events_counted", units.events_counted).member("events_raw", units.events_raw);
}

std::string check_json(const StateCheck& check) {
    JsonWriter json;
    json.begin_object().member("equal", !check.has_differences());
    json.member("cells_omitted", check.cells_omitted).key("experiments").begin_array();
    for (const CheckedExperiment& experiment : check.experiments) {
        json.begin_object().member("id", experiment.id).member("name", experiment.name);
        json.member("verdict", sync::to_string(experiment.verdict)).key("reasons").begin_array();
        for (const std::string& reason : experiment.reasons) {
            json.value(reason);
        }
        json.end_array();
        write_units(json, experiment.units);
        json.key("cells").begin_array();
        for (const DifferingCell& cell : experiment.cells) {
            json.begin_object().member("variant", cell.variant).member("metric", cell.metric);
            write_units(json, cell.units);
            json.member("example_unit", cell.example_unit).end_object();
        }
        json.end_array().end_object();
    }
    return json.end_array().end_object().take();
}

std::vector<std::string> with_counts(std::vector<std::string> cells, const UnitComparison& units) {
    for (const std::uint64_t count :
         {units.units, units.different, units.missing, units.surplus, units.by_dates + units.by_gap,
          units.events_counted, units.events_raw}) {
        cells.push_back(std::to_string(count));
    }
    return cells;
}

std::vector<Column> with_count_columns(std::vector<Column> columns) {
    for (const char* title : {"UNITS", "DIFFERENT", "MISSING", "SURPLUS", "EXPLAINED",
                              "EVENTS COUNTED", "EVENTS RAW"}) {
        columns.push_back({title, Column::Align::kRight});
    }
    return columns;
}

std::string name_of(const CheckedExperiment& experiment) {
    return experiment.name.value_or(experiment.id);
}

std::string check_text(const StateCheck& check) {
    Table experiments(with_count_columns({{"EXPERIMENT"}, {"VERDICT"}}));
    Table cells(with_count_columns({{"EXPERIMENT"}, {"VARIANT"}, {"METRIC"}}));
    std::string reasons;
    for (const CheckedExperiment& experiment : check.experiments) {
        const std::string name = name_of(experiment);
        experiments.add_row(with_counts({name, std::string(sync::to_string(experiment.verdict))},
                                        experiment.units));
        for (const std::string& reason : experiment.reasons) {
            reasons += "\n" + printable(name) + ": " + reason;
        }
        for (const DifferingCell& cell : experiment.cells) {
            cells.add_row(with_counts({name, cell.variant, cell.metric}, cell.units));
        }
    }
    std::string text = experiments.is_empty() ? "" : experiments.text();
    text += reasons.empty() ? "" : reasons + "\n";
    text += cells.is_empty() ? "" : "\n" + cells.text();
    if (check.cells_omitted > 0) {
        text += std::to_string(check.cells_omitted) + " metrics more differ and are not shown\n";
    }
    return text;
}

std::uint64_t count_of(const StateCheck& check, StateVerdict verdict) {
    std::uint64_t count = 0;
    for (const CheckedExperiment& experiment : check.experiments) {
        count += experiment.verdict == verdict ? 1 : 0;
    }
    return count;
}

ExitCode verify(const std::string& experiment, Terminal& terminal) {
    sync::PgOptions options = database_options(terminal);
    options.statement_timeout = std::chrono::milliseconds(0);  // as long as the rows take
    sync::PgSession session(options);
    std::string id;
    if (!experiment.empty()) {
        id = sync::to_text(take(sync::find_experiment(session, experiment)).id);
    }
    const StateCheck check = take(sync::check_unit_state(session, id));
    if (terminal.is_json()) {
        terminal.print_line(check_json(check));
    } else if (terminal.is_name()) {
        for (const CheckedExperiment& checked : check.experiments) {
            if (checked.verdict == StateVerdict::kDiffers) {
                terminal.print_line(printable(name_of(checked)));
            }
        }
    } else {
        terminal.print(check_text(check));
    }
    terminal.advise(std::to_string(count_of(check, StateVerdict::kEqual)) + " experiments equal, " +
                    std::to_string(count_of(check, StateVerdict::kNotComparable)) +
                    " not comparable, " + std::to_string(count_of(check, StateVerdict::kDiffers)) +
                    " differ");
    return check.has_differences() ? ExitCode::kFailed : ExitCode::kOk;
}

}  // namespace

std::vector<Command> db_verify_commands() {
    const auto experiment = std::make_shared<std::string>();
    return {{"db",
             "verify",
             "Computes unit state again from the raw rows and compares; exits 1 when they differ",
             {"burgee db verify", "burgee db verify --experiment 'new model' -o json"},
             {{"--experiment", experiment.get(), "this one alone, by name or id"}},
             [experiment](Terminal& terminal) { return verify(*experiment, terminal); }}};
}

}  // namespace burgee::cli
