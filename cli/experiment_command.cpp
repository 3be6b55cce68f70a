// burgee experiment create|list|show|pause|resume|complete.

#include <memory>

#include "cli/command.hpp"
#include "cli/database.hpp"
#include "cli/instant.hpp"
#include "cli/json_parts.hpp"
#include "cli/table.hpp"
#include "shm/json_text.hpp"
#include "sync/experiment_store.hpp"

namespace burgee::cli {
namespace {

using sync::ExperimentChange;
using sync::ExperimentRow;

struct Options {
    std::string experiment;
    std::string status;
    sync::NewExperiment wanted;
    std::vector<std::string> metrics;
    std::optional<double> days;
    std::string why;
};

/// "conversion" becomes a name, a JSON object stays one: {"name": "revenue", "total": true}.
std::string metrics_json(const std::vector<std::string>& metrics) {
    JsonWriter json(JsonWriter::Style::kCompact);
    json.begin_array();
    for (const std::string& metric : metrics) {
        json_members(metric) ? json.raw(metric) : json.value(metric);
    }
    return json.end_array().take();
}

std::string join(const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) {
        all += (all.empty() ? "" : " ") + text;
    }
    return all;
}

void write_row(JsonWriter& json, const ExperimentRow& row) {
    json.begin_object().key("id").value(sync::to_text(row.id)).key("name").value(row.name);
    json.key("flag").value(row.flag_name).key("flag_status").value(row.flag_status);
    json.key("hypothesis").value(row.hypothesis);
    json.key("success_metrics").raw(row.success_metrics_json);
    json.key("status").value(row.status).key("phase").value(std::uint64_t{row.phase});
    json.key("start_date").value(instant_text(row.start_unix_ms)).key("end_date");
    row.end_unix_ms ? json.value(instant_text(*row.end_unix_ms)) : json.null();
    json.key("created_at").value(instant_text(row.created_unix_ms));
    json.key("variants").begin_array();
    for (const std::string& variant : row.variants) {
        json.value(variant);
    }
    json.end_array().end_object();
}

ExitCode print_one(const ExperimentRow& row, Terminal& terminal) {
    if (terminal.is_json()) {
        JsonWriter json;
        write_row(json, row);
        terminal.print_line(json.take());
        return ExitCode::kOk;
    }
    if (terminal.is_name()) {
        terminal.print_line(printable(row.name));
        return ExitCode::kOk;
    }
    const std::vector<std::pair<const char*, std::string>> fields{
        {"name", row.name},
        {"id", sync::to_text(row.id)},
        {"flag", row.flag_name + " (" + row.flag_status + ")"},
        {"variants", join(row.variants)},
        {"hypothesis", row.hypothesis},
        {"metrics", row.success_metrics_json},
        {"status", row.status},
        {"phase", std::to_string(row.phase)},
        {"start", instant_text(row.start_unix_ms)},
        {"end", row.end_unix_ms ? instant_text(*row.end_unix_ms) : "open"}};
    for (const auto& [name, value] : fields) {
        std::string line(name);
        line.resize(12, ' ');
        terminal.print_line(line + (value.empty() ? "-" : printable(value)));
    }
    return ExitCode::kOk;
}

ExitCode create(const Options& options, Terminal& terminal) {
    sync::NewExperiment wanted = options.wanted;
    wanted.success_metrics_json = metrics_json(options.metrics);
    wanted.days = options.days.value_or(wanted.days);
    wanted.why = options.why;
    sync::PgSession session(database_options(terminal));
    const ExperimentRow row = take(sync::create_experiment(session, wanted));
    print_one(row, terminal);
    terminal.advise("next: burgee results " + printable(row.name));
    return ExitCode::kOk;
}

ExitCode list(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    const auto rows = take(sync::list_experiments(session, options.status));
    if (terminal.is_json()) {
        JsonWriter json;
        json.begin_array();
        for (const ExperimentRow& row : rows) {
            write_row(json, row);
        }
        terminal.print_line(json.end_array().take());
        return ExitCode::kOk;
    }
    std::vector<Column> columns{{"NAME"}, {"FLAG"}, {"STATUS"}, {"VARIANTS"}, {"START"}, {"END"}};
    if (terminal.is_wide()) {
        columns.insert(columns.end(), {{"ID"}, {"PHASE", Column::Align::kRight}, {"HYPOTHESIS"}});
    }
    Table table(columns);
    for (const ExperimentRow& row : rows) {
        std::vector<std::string> cells{row.name,
                                       row.flag_name,
                                       row.status,
                                       join(row.variants),
                                       instant_text(row.start_unix_ms),
                                       row.end_unix_ms ? instant_text(*row.end_unix_ms) : "open"};
        if (terminal.is_wide()) {
            cells.insert(cells.end(),
                         {sync::to_text(row.id), std::to_string(row.phase), row.hypothesis});
        }
        if (terminal.is_name()) {
            terminal.print_line(printable(row.name));
        }
        table.add_row(std::move(cells));
    }
    if (!terminal.is_name()) {
        terminal.print(table.text());
    }
    if (rows.empty()) {
        terminal.advise(
            "no experiments yet; next: burgee experiment create --flag FLAG --name NAME");
    }
    return ExitCode::kOk;
}

ExitCode show(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    return print_one(take(sync::find_experiment(session, options.experiment)), terminal);
}

Command change_command(const std::shared_ptr<Options>& options, const char* verb,
                       const char* summary, ExperimentChange change) {
    const std::string start = std::string("burgee experiment ") + verb + " model_comparison";
    return {"experiment",
            verb,
            summary,
            {start + " --why 'see the incident of Monday'", start + " -o json"},
            {{"EXPERIMENT", &options->experiment, "name or id", true},
             {"--why", &options->why, "the reason, kept in the history"}},
            [options, change](Terminal& terminal) {
                sync::PgSession session(database_options(terminal));
                return print_one(take(sync::change_experiment(session, options->experiment, change,
                                                              options->why)),
                                 terminal);
            }};
}

Command create_command(const std::shared_ptr<Options>& options) {
    return {"experiment",
            "create",
            "Starts an experiment on an ab_test flag",
            {"burgee experiment create --flag model_comparison --name models --metric conversion",
             "burgee experiment create --flag chat --name chat-2 --metric quality_score --days 7"},
            {{"--flag", &options->wanted.flag_name, "an ab_test flag with two variants", true},
             {"--name", &options->wanted.name, "the experiment's name", true},
             {"--hypothesis", &options->wanted.hypothesis, "what you expect, in a sentence"},
             {"--metric", &options->metrics, "a metric that decides, by name; repeat for more"},
             {"--days", &options->days, "planned length (default 14)"},
             {"--why", &options->why, "the reason, kept in the history"}},
            [options](Terminal& terminal) { return create(*options, terminal); }};
}

}  // namespace

std::vector<Command> experiment_commands() {
    const auto options = std::make_shared<Options>();
    return {
        create_command(options),
        {"experiment",
         "list",
         "Lists all experiments, newest first",
         {"burgee experiment list", "burgee experiment list --status active -o json"},
         {{"--status",
           &options->status,
           "only those",
           false,
           {"active", "paused", "completed", "cancelled"}}},
         [options](Terminal& terminal) { return list(*options, terminal); }},
        {"experiment",
         "show",
         "Shows one experiment",
         {"burgee experiment show model_comparison", "burgee experiment show models -o json"},
         {{"EXPERIMENT", &options->experiment, "name or id", true}},
         [options](Terminal& terminal) { return show(*options, terminal); }},
        change_command(options, "pause", "Stops counting for a while", ExperimentChange::kPause),
        change_command(options, "resume", "Counts again", ExperimentChange::kResume),
        change_command(options, "complete", "Ends an experiment", ExperimentChange::kComplete),
    };
}

}  // namespace burgee::cli
