// burgee experiment create|list|show|pause|resume|complete.

#include <memory>

#include "cli/command.hpp"
#include "cli/database.hpp"
#include "cli/flag_lookup.hpp"
#include "cli/instant.hpp"
#include "cli/publishability.hpp"
#include "cli/record_view.hpp"
#include "shm/suggestion.hpp"
#include "sync/experiment_store.hpp"
#include "sync/flag_store.hpp"
#include "sync/json_check.hpp"

namespace burgee::cli {
namespace {

using sync::ExperimentChange;
using sync::ExperimentRow;

constexpr double kDaysMax = 3'650;  // as the store has it

struct Options {
    std::string experiment;
    std::string status;
    sync::NewExperiment wanted;
    std::vector<std::string> metrics;
    std::optional<double> days;
    std::string why;
    bool is_dry = false;

    [[nodiscard]] sync::WriteMode mode() const {
        return is_dry ? sync::WriteMode::kDryRun : sync::WriteMode::kCommit;
    }
};

/// "conversion" becomes a name, a JSON object stays one: {"name": "revenue", "total": true}.
/// Throws Failure kUsage for what begins as an object and is none.
std::string metrics_json(const std::vector<std::string>& metrics) {
    JsonWriter json(JsonWriter::Style::kCompact);
    json.begin_array();
    for (const std::string& metric : metrics) {
        if (!metric.starts_with("{")) {
            json.value(metric);
        } else if (const auto complaint = sync::json_complaint(metric, sync::JsonShape::kObject)) {
            throw Failure(ExitCode::kUsage, "--metric " + *complaint);
        } else {
            json.raw(metric);
        }
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

std::string end_text(const ExperimentRow& row) {
    return row.end_unix_ms ? instant_text(*row.end_unix_ms) : "open";
}

void write_row(JsonWriter& json, const ExperimentRow& row) {
    json.begin_object().member("id", sync::to_text(row.id)).member("name", row.name);
    json.member("flag", row.flag_name).member("flag_status", row.flag_status);
    json.member("hypothesis", row.hypothesis);
    json.key("success_metrics").raw(row.success_metrics_json);
    json.member("status", row.status).member("phase", std::uint64_t{row.phase});
    json.member("start_date", instant_text(row.start_unix_ms)).key("end_date");
    row.end_unix_ms ? json.value(instant_text(*row.end_unix_ms)) : json.null();
    json.member("created_at", instant_text(row.created_unix_ms));
    json.key("variants").begin_array();
    for (const std::string& variant : row.variants) {
        json.value(variant);
    }
    json.end_array().end_object();
}

std::vector<Field> experiment_fields(const ExperimentRow& row) {
    return {{"name", row.name},
            {"id", sync::to_text(row.id)},
            {"flag", row.flag_name + " (" + row.flag_status + ")"},
            {"variants", join(row.variants)},
            {"hypothesis", row.hypothesis},
            {"metrics", row.success_metrics_json},
            {"status", row.status},
            {"phase", std::to_string(row.phase)},
            {"start", instant_text(row.start_unix_ms)},
            {"end", end_text(row)}};
}

ListView<ExperimentRow> experiment_list_view() {
    ListView<ExperimentRow> view;
    view.columns = {{"NAME"}, {"FLAG"}, {"STATUS"}, {"VARIANTS"}, {"START"}, {"END"}};
    view.wide_columns = {{"ID"}, {"PHASE", Column::Align::kRight}, {"HYPOTHESIS"}};
    view.name = [](const ExperimentRow& row) { return row.name; };
    view.cells = [](const ExperimentRow& row) {
        return std::vector<std::string>{row.name,
                                        row.flag_name,
                                        row.status,
                                        join(row.variants),
                                        instant_text(row.start_unix_ms),
                                        end_text(row),
                                        sync::to_text(row.id),
                                        std::to_string(row.phase),
                                        row.hypothesis};
    };
    view.write = write_row;
    return view;
}

ExitCode print_one(const ExperimentRow& row, const Terminal& terminal) {
    print_record(terminal, row.name, experiment_fields(row),
                 [&row](JsonWriter& json) { write_row(json, row); });
    return ExitCode::kOk;
}

/// What a dry run found: the fields that would differ, or all of a new experiment.
ExitCode print_dry_run(const std::optional<ExperimentRow>& before, const ExperimentRow& after,
                       const Terminal& terminal) {
    if (terminal.is_json()) {
        JsonWriter json;
        json.begin_object().member("is_dry_run", true).key("before");
        before ? write_row(json, *before) : static_cast<void>(json.null());
        json.key("after");
        write_row(json, after);
        terminal.print_line(json.end_object().take());
    } else if (terminal.is_name()) {
        terminal.print_line(printable(after.name));
    } else {
        std::vector<Field> old_fields;
        if (before) {
            old_fields = experiment_fields(*before);
        }
        std::vector<Field> new_fields = experiment_fields(after);
        if (!before) {  // the id is drawn anew when it is done in earnest
            std::erase_if(new_fields, [](const Field& field) { return field.name == "id"; });
        }
        terminal.print_line(printable(after.name) +
                            (before ? " would change" : " would be created"));
        print_differences(terminal, old_fields, new_fields);
    }
    terminal.advise("nothing was changed; the same without --dry-run does it");
    return ExitCode::kOk;
}

/// As take(), but "not found" suggests another experiment.
ExperimentRow take_experiment(sync::PgSession& session, sync::SyncResult<ExperimentRow> result,
                              const std::string& name) {
    if (result.has_error() && result.error().kind == sync::SyncErrorKind::kNotFound) {
        std::vector<std::string> names;
        const auto rows = sync::list_experiments(session);
        for (const ExperimentRow& row : rows ? *rows : std::vector<ExperimentRow>{}) {
            names.push_back(row.name);
        }
        throw Failure(ExitCode::kNotFound,
                      printable(result.error().message) + did_you_mean(name, names));
    }
    return take(std::move(result));
}

/// Throws Failure kFailed when hosts could not publish the flag while its units are counted.
void require_measurable_flag(sync::PgSession& session, const std::string& name) {
    require_measurable(session, take_flag(session, sync::FlagStore(session).show(name), name));
}

ExitCode create(const Options& options, Terminal& terminal) {
    sync::NewExperiment wanted = options.wanted;
    if (wanted.name.empty()) {
        throw Failure(ExitCode::kUsage, "--name is empty: give the experiment a name");
    }
    wanted.success_metrics_json = metrics_json(options.metrics);
    wanted.days = options.days.value_or(wanted.days);
    wanted.why = options.why;
    sync::PgSession session(database_options(terminal));
    require_measurable_flag(session, wanted.flag_name);
    const ExperimentRow row = take_flag(
        session, sync::create_experiment(session, wanted, options.mode()), wanted.flag_name);
    if (options.is_dry) {
        return print_dry_run(std::nullopt, row, terminal);
    }
    print_one(row, terminal);
    terminal.advise("next: burgee results " + printable(row.name));
    return ExitCode::kOk;
}

ExitCode list(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    const auto rows = take(sync::list_experiments(session, options.status));
    print_list(terminal, rows, experiment_list_view());
    if (rows.empty() && !options.status.empty()) {
        terminal.advise("no experiment is " + options.status + "; next: burgee experiment list");
    } else if (rows.empty()) {
        terminal.advise(
            "no experiments yet; next: burgee experiment create --flag FLAG --name NAME");
    }
    return ExitCode::kOk;
}

ExitCode show(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    return print_one(take_experiment(session, sync::find_experiment(session, options.experiment),
                                     options.experiment),
                     terminal);
}

ExitCode change_status(const Options& options, ExperimentChange change, Terminal& terminal) {
    const std::string& name = options.experiment;
    sync::PgSession session(database_options(terminal));
    const ExperimentRow before =
        take_experiment(session, sync::find_experiment(session, name), name);
    if (change == ExperimentChange::kResume) {
        require_measurable_flag(session, before.flag_name);
    }
    const ExperimentRow after =
        take(sync::change_experiment(session, name, change, options.why, options.mode()));
    return options.is_dry ? print_dry_run(before, after, terminal) : print_one(after, terminal);
}

Command change_command(const std::shared_ptr<Options>& options, const char* verb,
                       const char* summary, ExperimentChange change) {
    const std::string start = std::string("burgee experiment ") + verb + " model_comparison";
    return {"experiment",
            verb,
            summary,
            {start + " --why 'see the incident of Monday'", start + " --dry-run"},
            {{"EXPERIMENT", &options->experiment, "name or id", true},
             {"--why", &options->why, "the reason, kept in the history"},
             {"--dry-run", &options->is_dry, "shows what would change, and changes nothing"}},
            [options, change](Terminal& terminal) {
                return change_status(*options, change, terminal);
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
             {"--days",
              &options->days,
              "planned length (default 14)",
              false,
              {},
              NumberRange{0, kDaysMax, true}},
             {"--why", &options->why, "the reason, kept in the history"},
             {"--dry-run", &options->is_dry, "shows what would be created, and creates nothing"}},
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
