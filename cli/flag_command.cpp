// burgee flag list|show|history|problems: looks at the flags in the database and changes nothing.

#include <memory>

#include "cli/command.hpp"
#include "cli/daemon_file.hpp"
#include "cli/database.hpp"
#include "cli/flag_lookup.hpp"
#include "cli/json_parts.hpp"
#include "cli/table.hpp"
#include "shm/json_text.hpp"

namespace burgee::cli {
namespace {

using sync::FlagHistoryEntry;
using sync::FlagRow;

struct Options {
    std::string name;
    std::string status;
    bool is_of_host = false;
};

/// "control:50 treatment:50", or "" for a row whose variants nobody can read.
std::string variants_summary(const std::string& variants) {
    std::string summary;
    for (const std::string& variant :
         json_elements(variants).value_or(std::vector<std::string>{})) {
        const std::string name = json_plain(json_member(variant, "name").value_or("?"));
        const std::string weight = json_member(variant, "weight").value_or("?");
        summary += (summary.empty() ? "" : " ") + name + ":" + weight;
    }
    return summary;
}

std::string percent(double value) {
    return json_number(value) + "%";
}

void write_flag(JsonWriter& json, const FlagRow& row) {
    const auto optional = [&json](const char* key, const std::optional<std::string>& text) {
        json.key(key);
        text ? json.value(*text) : json.null();
    };
    json.begin_object().key("name").value(row.name);
    optional("description", row.description);
    json.key("status").value(row.status);
    json.key("rollout_percentage").value(row.rollout_percentage);
    json.key("segments").raw(row.segments_json);
    json.key("variants").raw(row.variants_json);
    json.key("metadata").raw(row.metadata_json);
    optional("expires_at", row.expires_at);
    json.key("created_at").value(row.created_at).key("updated_at").value(row.updated_at);
    json.key("revision").value(row.revision).end_object();
}

ExitCode list_flags(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    std::vector<FlagRow> rows = take(sync::FlagStore(session).list());
    std::erase_if(rows, [&](const FlagRow& row) {
        return !options.status.empty() && row.status != options.status;
    });
    if (terminal.is_json()) {
        JsonWriter json;
        json.begin_array();
        for (const FlagRow& row : rows) {
            write_flag(json, row);
        }
        terminal.print_line(json.end_array().take());
        return ExitCode::kOk;
    }
    std::vector<Column> columns{
        {"NAME"}, {"STATUS"}, {"ROLLOUT", Column::Align::kRight}, {"VARIANTS"}, {"CHANGED"}};
    if (terminal.is_wide()) {
        columns.insert(columns.end(),
                       {{"EXPIRES"}, {"REVISION", Column::Align::kRight}, {"DESCRIPTION"}});
    }
    Table table(columns);
    for (const FlagRow& row : rows) {
        std::vector<std::string> cells{row.name, row.status, percent(row.rollout_percentage),
                                       variants_summary(row.variants_json), row.updated_at};
        if (terminal.is_wide()) {
            cells.insert(cells.end(), {row.expires_at.value_or(""), std::to_string(row.revision),
                                       row.description.value_or("")});
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
        terminal.advise("no flags yet; next: burgee flag create NAME --status enabled");
    }
    return ExitCode::kOk;
}

ExitCode show_flag(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    const FlagRow row =
        take_flag(session, sync::FlagStore(session).show(options.name), options.name);
    if (terminal.is_json()) {
        JsonWriter json;
        write_flag(json, row);
        terminal.print_line(json.take());
        return ExitCode::kOk;
    }
    if (terminal.is_name()) {
        terminal.print_line(printable(row.name));
        return ExitCode::kOk;
    }
    const std::vector<std::pair<const char*, std::string>> fields{
        {"name", row.name},
        {"description", row.description.value_or("")},
        {"status", row.status},
        {"rollout", percent(row.rollout_percentage)},
        {"segments", row.segments_json},
        {"variants", row.variants_json},
        {"metadata", row.metadata_json},
        {"expires", row.expires_at.value_or("never")},
        {"created", row.created_at},
        {"changed", row.updated_at},
        {"revision", std::to_string(row.revision)}};
    for (const auto& [name, value] : fields) {
        std::string line(name);
        line.resize(13, ' ');
        terminal.print_line(line + (value.empty() ? "-" : printable(value)));
    }
    return ExitCode::kOk;
}

/// "status: enabled -> disabled, rollout_percentage: 25 -> 50"
std::string change_summary(const FlagHistoryEntry& entry) {
    if (!entry.before_json) {
        return "created";
    }
    if (!entry.after_json) {
        return "deleted";
    }
    constexpr std::size_t kValueSizeMax = 40;  // chosen by feel; -o json has all of it
    const auto shown = [](const std::optional<std::string>& value) {
        const std::string text = json_plain(value.value_or("-"));
        return text.size() <= kValueSizeMax ? text : std::string("...");
    };
    std::string summary;
    for (const JsonMember& after :
         json_members(*entry.after_json).value_or(std::vector<JsonMember>{})) {
        const auto before = json_member(*entry.before_json, after.key);
        if (after.key != "updated_at" && before != after.value) {
            summary += (summary.empty() ? "" : ", ") + after.key + ": " + shown(before) + " -> " +
                       shown(after.value);
        }
    }
    return summary.empty() ? "nothing but the time" : summary;
}

void write_entry(JsonWriter& json, const FlagHistoryEntry& entry) {
    json.begin_object().key("revision").value(entry.revision);
    json.key("changed_at").value(entry.changed_at).key("changed_by").value(entry.changed_by);
    json.key("application").value(entry.application).key("why");
    entry.why ? json.value(*entry.why) : json.null();
    json.key("before").raw(entry.before_json.value_or("null"));
    json.key("after").raw(entry.after_json.value_or("null")).end_object();
}

ExitCode show_history(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    const auto entries =
        take_flag(session, sync::FlagStore(session).history(options.name), options.name);
    if (terminal.is_json()) {
        JsonWriter json;
        json.begin_array();
        for (const FlagHistoryEntry& entry : entries) {
            write_entry(json, entry);
        }
        terminal.print_line(json.end_array().take());
        return ExitCode::kOk;
    }
    Table table(
        {{"REVISION", Column::Align::kRight}, {"WHEN"}, {"WHO"}, {"WITH"}, {"CHANGE"}, {"WHY"}});
    for (const FlagHistoryEntry& entry : entries) {
        table.add_row({std::to_string(entry.revision), entry.changed_at, entry.changed_by,
                       entry.application, change_summary(entry), entry.why.value_or("")});
    }
    terminal.print(table.text());
    terminal.advise("next: burgee flag rollback " + printable(options.name) +
                    " --to REVISION --why REASON");
    return ExitCode::kOk;
}

/// What burgeed of this host says: the rows it refuses, and what it could not compile.
ExitCode show_host_problems(Terminal& terminal) {
    const std::string directory = terminal.options().directory;
    const std::string path = directory + (terminal.is_json() ? "/status.json" : "/problems.txt");
    const auto report = read_daemon_file(path);
    if (!report) {
        throw Failure(
            ExitCode::kUnreachable,
            "there is no " + printable(path) + ": is burgeed running, and is --directory right?");
    }
    terminal.print(terminal.is_json()
                       ? json_member(report->content, "problems").value_or("[]") + "\n"
                       : report->content);
    return ExitCode::kOk;
}

ExitCode show_problems(const Options& options, Terminal& terminal) {
    if (options.is_of_host) {
        return show_host_problems(terminal);
    }
    sync::PgSession session(database_options(terminal));
    const std::vector<FlagProblem> problems = take(sync::FlagStore(session).problems());
    if (terminal.is_json()) {
        JsonWriter json;
        json.begin_array();
        for (const FlagProblem& problem : problems) {
            json.begin_object().key("flag").value(problem.flag).key("field").value(problem.field);
            json.key("message").value(problem.message).key("is_refused").value(problem.is_refused);
            json.end_object();
        }
        terminal.print_line(json.end_array().take());
        return ExitCode::kOk;
    }
    if (problems.empty()) {
        terminal.advise("no problems: every flag can be published");
        return ExitCode::kOk;
    }
    Table table({{"FLAG"}, {"EFFECT"}, {"FIELD"}, {"PROBLEM"}});
    for (const FlagProblem& problem : problems) {
        table.add_row({problem.flag, problem.is_refused ? "refused" : "warning", problem.field,
                       problem.message});
    }
    terminal.print(table.text());
    return ExitCode::kOk;
}

}  // namespace

std::vector<Command> flag_commands() {
    const auto options = std::make_shared<Options>();
    return {
        {"flag",
         "list",
         "Lists all flags",
         {"burgee flag list", "burgee flag list --status ab_test -o json"},
         {{"--status", &options->status, "only flags with this status"}},
         [options](Terminal& terminal) { return list_flags(*options, terminal); }},
        {"flag",
         "show",
         "Shows one flag with everything it holds",
         {"burgee flag show search.enhanced", "burgee flag show search.enhanced -o json"},
         {{"NAME", &options->name, "the flag's name", true}},
         [options](Terminal& terminal) { return show_flag(*options, terminal); }},
        {"flag",
         "history",
         "Shows who changed a flag, when and why; also of a deleted one",
         {"burgee flag history search.enhanced", "burgee flag history search.enhanced -o json"},
         {{"NAME", &options->name, "the flag's name", true}},
         [options](Terminal& terminal) { return show_history(*options, terminal); }},
        {"flag",
         "problems",
         "Names the flags that hosts refuse or warn about, and why",
         {"burgee flag problems", "burgee flag problems --host -o json"},
         {{"--host", &options->is_of_host,
           "what burgeed of this host reports, without the database"}},
         [options](Terminal& terminal) { return show_problems(*options, terminal); }},
    };
}

}  // namespace burgee::cli
