// burgee flag list|show|history|problems: looks at the flags in the database and changes nothing.

#include <algorithm>
#include <memory>

#include "cli/command.hpp"
#include "cli/daemon_file.hpp"
#include "cli/database.hpp"
#include "cli/flag_definition.hpp"
#include "cli/flag_lookup.hpp"
#include "cli/flag_view.hpp"
#include "cli/instant.hpp"
#include "cli/json_parts.hpp"
#include "cli/problem_view.hpp"
#include "cli/publication.hpp"
#include "cli/publishability.hpp"
#include "cli/record_view.hpp"
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

ExitCode list_flags(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    std::vector<FlagRow> rows = take(sync::FlagStore(session).list());
    const bool has_any = !rows.empty();
    std::erase_if(rows, [&](const FlagRow& row) {
        return !options.status.empty() && row.status != options.status;
    });
    print_list(terminal, rows, flag_list_view());
    const auto refused =
        std::count_if(rows.begin(), rows.end(), [](const FlagRow& row) { return row.is_refused; });
    if (refused > 0) {
        terminal.advise(std::to_string(refused) + (refused == 1 ? " flag is" : " flags are") +
                        " refused: hosts keep what they had before; next: burgee flag problems");
    }
    if (rows.empty() && has_any) {
        terminal.advise("no flag has status " + options.status + "; next: burgee flag list");
    } else if (rows.empty()) {
        terminal.advise("no flags yet; next: burgee flag create NAME --status enabled");
    }
    return ExitCode::kOk;
}

ExitCode show_flag(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    const FlagRow row =
        take_flag(session, sync::FlagStore(session).show(options.name), options.name);
    print_record(terminal, row.name, flag_fields(row),
                 [&row](JsonWriter& json) { write_flag(json, row); });
    if (row.is_refused) {
        terminal.advise(
            "hosts refuse this row and keep what they had before; next: burgee flag "
            "problems");
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
    json.begin_object().member("revision", entry.revision);
    json.member("changed_at", entry.changed_at).member("changed_by", entry.changed_by);
    json.member("application", entry.application).member("why", entry.why);
    json.key("before").raw(entry.before_json.value_or("null"));
    json.key("after").raw(entry.after_json.value_or("null")).end_object();
}

ExitCode show_history(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    const auto entries =
        take_flag(session, sync::FlagStore(session).history(options.name), options.name);
    ListView<FlagHistoryEntry> view;
    view.columns = {
        {"REVISION", Column::Align::kRight}, {"WHEN"}, {"WHO"}, {"WITH"}, {"CHANGE"}, {"WHY"}};
    view.name = [](const FlagHistoryEntry& entry) { return std::to_string(entry.revision); };
    view.cells = [](const FlagHistoryEntry& entry) {
        return std::vector<std::string>{std::to_string(entry.revision),
                                        entry.changed_at,
                                        entry.changed_by,
                                        entry.application,
                                        change_summary(entry),
                                        entry.why.value_or("")};
    };
    view.write = write_entry;
    print_list(terminal, entries, view);
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
    Publication publication(directory);
    if (publication.client().status().daemon != DaemonLife::kAlive) {
        throw Failure(ExitCode::kUnreachable, "this is what burgeed said " +
                                                  age_text(report->age_seconds) + " ago; " +
                                                  publication.problem());
    }
    return ExitCode::kOk;
}

ExitCode show_problems(const Options& options, Terminal& terminal) {
    if (options.is_of_host) {
        return show_host_problems(terminal);
    }
    sync::PgSession session(database_options(terminal));
    const std::vector<FlagProblem> problems = publication_problems(read_publication(session));
    if (problems.empty() && !terminal.is_json()) {
        terminal.advise("no problems: every flag and segment can be published");
        return ExitCode::kOk;
    }
    print_list(terminal, problems, problem_list_view());
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
         {{"--status", &options->status, "only flags with this one", false, status_names()}},
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
         "Names the flags and segments that hosts refuse or warn about, and why",
         {"burgee flag problems", "burgee flag problems --host -o json"},
         {{"--host", &options->is_of_host,
           "what burgeed of this host reports, without the database"}},
         [options](Terminal& terminal) { return show_problems(*options, terminal); }},
    };
}

}  // namespace burgee::cli
