// burgee flag create|set|enable|disable|kill|rollback|delete: changes one flag in the database.
// Each change names its revision; hosts have it as soon as their snapshot reaches that revision.

#include <chrono>
#include <cmath>
#include <memory>

#include "cli/command.hpp"
#include "cli/database.hpp"
#include "cli/flag_definition.hpp"
#include "cli/flag_lookup.hpp"
#include "cli/flag_view.hpp"
#include "cli/publication.hpp"
#include "cli/publishability.hpp"
#include "cli/table.hpp"
#include "shm/json_text.hpp"

namespace burgee::cli {
namespace {

using sync::FlagStore;
using sync::FlagWritten;

constexpr double kKillTimeoutSecondsMax = 86'400;  // a day: nobody watches longer
constexpr double kRevisionMax = 9e15;              // what a double counts exactly, and far away
constexpr double kKillTimeoutSeconds = 10;         // ten polls of a daemon that has no LISTEN

struct Options {
    FlagOptions flag;
    std::optional<std::int64_t> to_revision;
    std::optional<double> timeout_seconds;
    bool is_dry = false;

    [[nodiscard]] sync::WriteMode mode() const {
        return is_dry ? sync::WriteMode::kDryRun : sync::WriteMode::kCommit;
    }
};

/// "its experiment "models"", or how many there are and their names.
std::string experiments_text(const std::vector<std::string>& names) {
    std::string all;
    for (const std::string& name : names) {
        all += (all.empty() ? "\"" : ", \"") + printable(name) + "\"";
    }
    return names.size() == 1 ? "its experiment " + all
                             : "its " + std::to_string(names.size()) + " experiments " + all;
}

void warn(const FlagWritten& written, const Terminal& terminal) {
    for (const FlagProblem& problem : written.warnings) {
        terminal.advise("warning: " +
                        printable(problem.flag + ": " + problem.field + " " + problem.message));
    }
}

/// Tells what was done; `elapsed_ms` only when a publication was awaited.
void report(const std::string& name, const std::string& done, const FlagWritten& written,
            const Terminal& terminal, std::optional<double> elapsed_ms = std::nullopt) {
    if (terminal.is_json()) {
        JsonWriter json;
        json.begin_object().member("flag", name).member("action", done);
        json.member("revision", written.revision).member("is_changed", written.is_changed);
        if (elapsed_ms) {
            json.member("published_after_ms", *elapsed_ms);
        }
        write_consequences(json, written);
        terminal.print_line(json.end_object().take());
    } else if (terminal.is_name()) {
        terminal.print_line(printable(name));
    } else {
        const std::string what = written.is_changed ? done : "unchanged, it was like that already:";
        const std::string also = written.experiments_removed.empty()
                                     ? ""
                                     : " and " + experiments_text(written.experiments_removed);
        terminal.print_line(what + " " + printable(name) + also + " (revision " +
                            std::to_string(written.revision) + ")");
    }
    warn(written, terminal);
}

/// Tries `change(FlagStore&)`, which gives a result, then does it in earnest unless it is only to
/// be tried: a flag that could not be published is refused before anything is written.
template <class Change>
FlagWritten write_publishable(sync::PgSession& session, const Options& options, Change&& change) {
    FlagStore trial(session, sync::WriteMode::kDryRun);
    const std::string& name = options.flag.name;
    FlagWritten tried = take_flag(session, change(trial), name);
    if (tried.after) {
        require_publishable(session, *tried.after);
    }
    if (options.is_dry) {
        return tried;
    }
    FlagStore store(session);
    return take_flag(session, change(store), name);
}

/// What every dry run ends with.
ExitCode report_dry_run(const std::string& name, const FlagWritten& written,
                        const Terminal& terminal) {
    print_dry_run(terminal, name, written);
    warn(written, terminal);
    terminal.advise("nothing was changed; the same without --dry-run does it");
    return ExitCode::kOk;
}

ExitCode create_flag(const Options& options, Terminal& terminal) {
    const std::string& name = options.flag.name;
    const sync::FlagRow row = new_flag(options.flag);
    sync::PgSession session(database_options(terminal));
    const FlagWritten written = write_publishable(
        session, options, [&](FlagStore& store) { return store.create(row, options.flag.why); });
    for (const std::string& sentence : idle_options(options.flag, row.status)) {
        terminal.advise("warning: " + sentence);
    }
    if (options.is_dry) {
        return report_dry_run(name, written, terminal);
    }
    report(name, "created", written, terminal);
    terminal.advise("next: burgee eval " + printable(name) + " --user ID");
    return ExitCode::kOk;
}

ExitCode set_flag(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    const std::string& name = options.flag.name;
    const sync::FlagRow present = take_flag(session, FlagStore(session).show(name), name);
    const sync::FlagEdit edit = edit_of(options.flag, present);
    const FlagWritten written = write_publishable(session, options, [&](FlagStore& store) {
        return store.update(name, edit, options.flag.why);
    });
    for (const std::string& sentence :
         idle_options(options.flag, edit.status.value_or(present.status))) {
        terminal.advise("warning: " + sentence);
    }
    if (options.is_dry) {
        return report_dry_run(name, written, terminal);
    }
    report(name, "changed", written, terminal);
    return ExitCode::kOk;
}

FlagWritten set_disabled(sync::PgSession& session, const Options& options) {
    sync::FlagEdit edit;
    edit.status = "disabled";
    const std::string& name = options.flag.name;
    FlagStore store(session, options.mode());
    return take_flag(session, store.update(name, edit, options.flag.why), name);
}

ExitCode enable_flag(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    sync::FlagEdit edit;
    edit.status = "enabled";
    const FlagWritten written = write_publishable(session, options, [&](FlagStore& store) {
        return store.update(options.flag.name, edit, options.flag.why);
    });
    if (options.is_dry) {
        return report_dry_run(options.flag.name, written, terminal);
    }
    report(options.flag.name, "enabled", written, terminal);
    return ExitCode::kOk;
}

/// Nothing may stand in the way of switching off.
ExitCode disable_flag(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    const FlagWritten written = set_disabled(session, options);
    if (options.is_dry) {
        return report_dry_run(options.flag.name, written, terminal);
    }
    report(options.flag.name, "disabled", written, terminal);
    return ExitCode::kOk;
}

ExitCode kill_flag(const Options& options, Terminal& terminal) {
    if (options.is_dry) {
        return disable_flag(options, terminal);
    }
    const Publication publication(terminal.options().directory);
    sync::PgSession session(database_options(terminal));
    // The clock starts before the change is sent: the commit's own time belongs to the answer.
    const auto start = std::chrono::steady_clock::now();
    const FlagWritten written = set_disabled(session, options);
    const double timeout_seconds = options.timeout_seconds.value_or(kKillTimeoutSeconds);
    if (!publication.wait_for_revision(written.revision, timeout_seconds)) {
        throw Failure(ExitCode::kUnreachable,
                      printable(options.flag.name) + " is disabled in the database (revision " +
                          std::to_string(written.revision) + "), but " + publication.problem() +
                          "; processes of this host may still answer as before: burgee status");
    }
    const std::chrono::duration<double, std::milli> elapsed =
        std::chrono::steady_clock::now() - start;
    const double elapsed_ms = std::round(elapsed.count() * 10) / 10;
    report(options.flag.name, "killed", written, terminal, elapsed_ms);
    if (!terminal.is_json() && !terminal.is_name()) {
        terminal.print_line("every process of this host answers from generation " +
                            std::to_string(publication.generation()) + ", " +
                            json_number(elapsed_ms) + " ms after the change was sent");
    }
    terminal.advise("next: burgee flag rollback " + printable(options.flag.name) +
                    " --why REASON brings it back");
    return ExitCode::kOk;
}

/// The revision of --to, which must be one of the flag's own: a slip of the finger must not restore
/// whatever state happened to be in force then.
std::uint64_t checked_revision(sync::PgSession& session, const std::string& name,
                               std::int64_t wanted) {
    const auto entries = take_flag(session, FlagStore(session).history(name), name);
    for (const sync::FlagHistoryEntry& entry : entries) {
        if (wanted > 0 && entry.revision == static_cast<std::uint64_t>(wanted)) {
            return entry.revision;
        }
    }
    throw Failure(ExitCode::kNotFound, printable(name) + " has no revision " +
                                           std::to_string(wanted) + ": burgee flag history " +
                                           printable(name) + " lists them");
}

ExitCode rollback_flag(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    const std::string& name = options.flag.name;
    std::optional<std::uint64_t> to_revision;
    if (options.to_revision) {
        to_revision = checked_revision(session, name, *options.to_revision);
    }
    const FlagWritten written = write_publishable(session, options, [&](FlagStore& store) {
        return store.rollback(name, to_revision, options.flag.why);
    });
    if (options.is_dry) {
        return report_dry_run(name, written, terminal);
    }
    report(name, "rolled back", written, terminal);
    return ExitCode::kOk;
}

ExitCode delete_flag(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    const std::string& name = options.flag.name;
    const FlagWritten written =
        take_flag(session, FlagStore(session, options.mode()).remove(name, options.flag.why), name);
    if (!written.experiments_removed.empty()) {
        terminal.advise("warning: " + experiments_text(written.experiments_removed) +
                        (options.is_dry ? " would be gone" : " went with it") +
                        " for good: burgee flag rollback brings back the flag alone");
    }
    if (options.is_dry) {
        return report_dry_run(name, written, terminal);
    }
    report(name, "deleted", written, terminal);
    terminal.advise("next: burgee flag rollback " + printable(name) +
                    " --why REASON brings it back");
    return ExitCode::kOk;
}

Argument dry_run_argument(Options& options) {
    return {"--dry-run", &options.is_dry, "shows what would change, and changes nothing"};
}

std::vector<Argument> definition_arguments(Options& options) {
    std::vector<Argument> arguments = flag_arguments(options.flag);
    arguments.push_back(dry_run_argument(options));
    return arguments;
}

/// A command that takes a name and a reason, and perhaps more.
Command named(Options& options, const char* verb, const char* summary,
              std::array<std::string, 2> examples, std::vector<Argument> more,
              std::function<ExitCode(Terminal&)> run) {
    std::vector<Argument> arguments{{"NAME", &options.flag.name, "the flag's name", true},
                                    {"--why", &options.flag.why, "the reason, kept in the history"},
                                    dry_run_argument(options)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return {"flag", verb, summary, std::move(examples), std::move(arguments), std::move(run)};
}

}  // namespace

std::vector<Command> flag_change_commands() {
    const auto options = std::make_shared<Options>();
    const auto run = [options](auto function) {
        return [options, function](Terminal& terminal) { return function(*options, terminal); };
    };
    return {
        {"flag",
         "create",
         "Creates a flag",
         {"burgee flag create search.enhanced --status gradual_rollout --rollout 25 --why 'first "
          "step'",
          "burgee flag create chat --status ab_test --variant control=50 --variant treatment=50"},
         definition_arguments(*options),
         run(create_flag)},
        {"flag",
         "set",
         "Changes what is given and leaves the rest",
         {"burgee flag set search.enhanced --rollout 50 --why 'no complaints'",
          "burgee flag set chat --variants @variants.json --expires 2027-01-31T00:00:00Z"},
         definition_arguments(*options),
         run(set_flag)},
        named(*options, "enable", "Switches a flag on for everybody",
              {"burgee flag enable search.enhanced --why 'rollout complete'",
               "burgee flag enable search.enhanced -o json"},
              {}, run(enable_flag)),
        named(*options, "disable", "Switches a flag off",
              {"burgee flag disable search.enhanced --why 'not ready'",
               "burgee flag disable search.enhanced -o json"},
              {}, run(disable_flag)),
        named(*options, "kill", "Switches a flag off and waits until this host answers so",
              {"burgee flag kill search.enhanced --why 'latency alarm'",
               "burgee flag kill search.enhanced --timeout 2 -o json"},
              {{"--timeout",
                &options->timeout_seconds,
                "seconds to wait (default 10)",
                false,
                {},
                NumberRange{0, kKillTimeoutSecondsMax}}},
              run(kill_flag)),
        named(*options, "rollback", "Writes a former state again; brings back a deleted flag",
              {"burgee flag rollback search.enhanced --dry-run",
               "burgee flag rollback search.enhanced --to 41 --why 'as on Monday'"},
              {{"--to",
                &options->to_revision,
                "the revision whose state it gets",
                false,
                {},
                NumberRange{1, kRevisionMax}}},
              run(rollback_flag)),
        named(*options, "delete", "Deletes a flag and its ended experiments; its history stays",
              {"burgee flag delete search.enhanced --why 'always on now'",
               "burgee flag delete search.enhanced --dry-run"},
              {}, run(delete_flag)),
    };
}

}  // namespace burgee::cli
