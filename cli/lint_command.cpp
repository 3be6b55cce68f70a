// burgee flag lint: what hosts would refuse or warn about, and what is hardly meant, in the
// database or in a file; changes nothing.

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>

#include "cli/command.hpp"
#include "cli/database.hpp"
#include "cli/flag_advice.hpp"
#include "cli/flag_file.hpp"
#include "cli/problem_view.hpp"
#include "cli/publishability.hpp"
#include "cli/table.hpp"
#include "shm/suggestion.hpp"
#include "sync/flag_check.hpp"

namespace burgee::cli {
namespace {

struct Options {
    std::vector<std::string> names;
    std::string file;
    bool is_strict = false;
};

struct Report {
    std::size_t flag_count = 0;
    std::vector<FlagProblem> problems;  ///< by flag

    [[nodiscard]] std::size_t refusal_count() const {
        return static_cast<std::size_t>(
            std::ranges::count(problems, true, &FlagProblem::is_refused));
    }
    [[nodiscard]] std::size_t warning_count() const { return problems.size() - refusal_count(); }
};

std::int64_t now_unix_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

std::vector<std::string> flag_names(const FlagChanges& changes) {
    std::vector<std::string> names = changes.refused;
    for (const FlagDefinition& flag : changes.changed) {
        names.push_back(flag.name);
    }
    return names;
}

/// Leaves only what is about the flags that were named.
void restrict_to(const std::vector<std::string>& wanted, const std::vector<std::string>& present,
                 Report& report) {
    std::set<std::string> shown;
    for (const std::string& name : wanted) {
        if (std::ranges::find(present, name) == present.end()) {
            throw Failure(ExitCode::kNotFound, "there is no flag \"" + sync::shown_name(name) +
                                                   "\"" + did_you_mean(name, present));
        }
        shown.insert(sync::shown_name(name));
    }
    report.flag_count = shown.size();
    std::erase_if(report.problems,
                  [&](const FlagProblem& problem) { return !shown.contains(problem.flag); });
}

Report examine(const FlagChanges& changes, const std::vector<std::string>& wanted) {
    Report report;
    report.problems = publication_problems(changes);
    for (const FlagDefinition& flag : changes.changed) {
        std::vector<FlagProblem> advice = flag_advice(flag, changes.database_unix_ms);
        report.problems.insert(report.problems.end(), advice.begin(), advice.end());
    }
    sort_problems(report.problems);
    const std::vector<std::string> present = flag_names(changes);
    report.flag_count = present.size();
    if (!wanted.empty()) {
        restrict_to(wanted, present, report);
    }
    return report;
}

void write_report(const Report& report, const Terminal& terminal) {
    JsonWriter json;
    json.begin_object().member("flag_count", std::uint64_t{report.flag_count});
    json.member("refusal_count", std::uint64_t{report.refusal_count()});
    json.member("warning_count", std::uint64_t{report.warning_count()});
    json.key("problems").begin_array();
    const ListView<FlagProblem> view = problem_list_view();
    for (const FlagProblem& problem : report.problems) {
        view.write(json, problem);
    }
    terminal.print_line(json.end_array().end_object().take());
}

void print_report(const Report& report, const Terminal& terminal) {
    if (terminal.is_json()) {
        write_report(report, terminal);
        return;
    }
    if (terminal.is_name()) {
        std::set<std::string> names;
        for (const FlagProblem& problem : report.problems) {
            if (names.insert(problem.flag).second) {
                terminal.print_line(printable(problem.flag));
            }
        }
        return;
    }
    if (!report.problems.empty()) {
        print_list(terminal, report.problems, problem_list_view());
    }
    terminal.advise(std::to_string(report.flag_count) +
                    (report.flag_count == 1 ? " flag: " : " flags: ") +
                    std::to_string(report.refusal_count()) + " refused, " +
                    std::to_string(report.warning_count()) +
                    (report.warning_count() == 1 ? " warning" : " warnings"));
}

ExitCode lint(const Options& options, Terminal& terminal) {
    FlagChanges changes;
    if (options.file.empty()) {
        sync::PgSession session(database_options(terminal));
        changes = read_publication(session);
    } else {
        changes = read_flag_file(options.file, now_unix_ms());
    }
    const Report report = examine(changes, options.names);
    print_report(report, terminal);
    const bool is_clean = options.is_strict ? report.problems.empty() : report.refusal_count() == 0;
    return is_clean ? ExitCode::kOk : ExitCode::kFailed;
}

}  // namespace

std::vector<Command> lint_commands() {
    const auto options = std::make_shared<Options>();
    return {{"flag",
             "lint",
             "Checks flags as hosts do, and says where something is wrong or hardly meant",
             {"burgee flag lint", "burgee flag lint --file flags.json --strict -o json"},
             {{"NAME", &options->names, "only these flags (default: all)"},
              {"--file",
               &options->file,
               "flags in a file, as `flag show -o json` prints them; no database is asked",
               false,
               {},
               {},
               true},
              {"--strict", &options->is_strict, "warnings fail, too"}},
             [options](Terminal& terminal) { return lint(*options, terminal); }}};
}

}  // namespace burgee::cli
