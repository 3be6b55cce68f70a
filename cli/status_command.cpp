// burgee status: what a service of this host sees, and what burgeed says about itself. The daemon
// leaves its counters beside the snapshots once a second, as text for people and as JSON.

#include "cli/command.hpp"
#include "cli/daemon_file.hpp"
#include "cli/publication.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "shm/json_text.hpp"

namespace burgee::cli {
namespace {

struct StateName {
    ControlState bit;
    const char* name;
};

constexpr StateName kStateNames[] = {
    {kStateDatabaseDown, "database down"},
    {kStateStale, "stale"},
    {kStateShedding, "refusing events"},
    {kStateDiskFull, "disk full"},
    {kStatePublishFailed, "publish failed"},
    {kStateGuardHeld, "suspicious change held back"},
    {kStateRetired, "retired"},
};

std::vector<std::string> state_names(std::uint64_t state) {
    std::vector<std::string> names;
    for (const StateName& known : kStateNames) {
        if ((state & known.bit) != 0) {
            names.emplace_back(known.name);
        }
    }
    return names;
}

bool is_well(const ClientStatus& status) {
    return status.is_ready && status.daemon == DaemonLife::kAlive &&
           state_names(status.control_state).empty();
}

std::string status_json(const ClientStatus& status, const std::string& directory,
                        const std::optional<DaemonFile>& daemon) {
    JsonWriter json;
    json.begin_object().member("directory", directory).member("is_well", is_well(status));
    json.member("daemon", to_string(status.daemon)).key("state").begin_array();
    for (const std::string& name : state_names(status.control_state)) {
        json.value(name);
    }
    json.end_array().member("is_ready", status.is_ready);
    json.member("generation", status.generation).member("revision", status.revision);
    json.member("flags", status.flag_count);
    json.member("published_age_ms", status.published_age_ms);
    json.key("error");
    status.error_text().empty() ? json.null() : json.value(status.error_text());
    json.key("burgeed");
    daemon ? json.raw(daemon->content.substr(0, daemon->content.find_last_not_of("\n") + 1))
           : json.null();
    return json.end_object().take();
}

std::string status_text(const ClientStatus& status, const Terminal& terminal) {
    std::string state;
    for (const std::string& name : state_names(status.control_state)) {
        state += ", " + name;
    }
    const bool is_good = is_well(status);
    std::string text =
        terminal.coloured((is_good ? "ok" : "NOT OK") + std::string(": burgeed is ") +
                              std::string(to_string(status.daemon)) + state,
                          is_good ? Colour::kGood : Colour::kBad);
    text += "\nflags       " + std::to_string(status.flag_count) + " in generation " +
            std::to_string(status.generation) + ", revision " + std::to_string(status.revision);
    if (status.published_age_ms >= 0) {
        text += ", published " + json_number(static_cast<double>(status.published_age_ms) / 1000) +
                " s ago";
    }
    text += "\ndirectory   " + printable(terminal.options().directory) + "\n";
    if (!status.error_text().empty()) {
        text += "last error  " + printable(status.error_text()) + "\n";
    }
    return text;
}

ExitCode run(Terminal& terminal) {
    const std::string& directory = terminal.options().directory;
    Publication publication(directory);
    const ClientStatus status = publication.client().status();
    if (terminal.is_json()) {
        terminal.print_line(
            status_json(status, directory, read_daemon_file(directory + "/status.json")));
    } else if (terminal.is_name()) {
        terminal.print_line(to_string(status.daemon));
    } else {
        std::string text = status_text(status, terminal);
        if (const auto daemon = read_daemon_file(directory + "/status.txt")) {
            text +=
                "\nburgeed, " + std::to_string(daemon->age_seconds) + " s ago\n" + daemon->content;
        }
        terminal.print(text);
    }
    if (!status.is_ready || status.daemon != DaemonLife::kAlive) {
        throw Failure(ExitCode::kUnreachable, publication.problem());
    }
    return ExitCode::kOk;
}

}  // namespace

std::vector<Command> status_commands() {
    return {{"",
             "status",
             "Shows whether this host answers, from what, and how burgeed is",
             {"burgee status", "burgee status -o json"},
             {},
             [](Terminal& terminal) { return run(terminal); }}};
}

}  // namespace burgee::cli
