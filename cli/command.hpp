#pragma once

// One command as data: where it hangs (`noun verb`), what its help says, which arguments fill
// which variables, and what it does. Each noun's file offers a list of these; arguments.cpp alone
// knows the library that reads command lines.

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/exit_code.hpp"

namespace burgee::cli {

class Terminal;

/// Where an argument's value goes; the type decides what is accepted. An optional that stays
/// empty means "not given", which a change must tell apart from "given as empty".
using Target =
    std::variant<bool*, std::string*, std::optional<std::string>*, std::optional<double>*,
                 std::optional<std::int64_t>*, std::vector<std::string>*>;

/// Which numbers make sense by themselves, whatever else is said.
struct NumberRange {
    double least;
    double most;
    bool is_least_excluded = false;
};

struct Argument {
    std::string name;  ///< "--rollout" or "-u,--user"; without dashes it is positional: "NAME"
    Target target;     ///< must outlive the parsing: the command's `run` owns it
    std::string help;  ///< one line, no full stop
    bool is_required = false;
    std::vector<std::string> choices = {};  ///< empty: any text
    std::optional<NumberRange> range = {};  ///< of a number; nothing: any finite one
    bool is_path = false;                   ///< any bytes; every other text must be UTF-8
};

struct Command {
    std::string noun;     ///< "flag"; empty for a command without a noun (`burgee status`)
    std::string verb;     ///< "create"
    std::string summary;  ///< one line, no full stop
    std::array<std::string, 2> examples;
    std::vector<Argument> arguments;
    /// Does it. Throws Failure; anything else thrown is our own mistake.
    std::function<ExitCode(Terminal&)> run;
};

/// The commands of each noun, in the order in which help lists them.
std::vector<Command> flag_commands();         // list, show, history, problems
std::vector<Command> flag_change_commands();  // create, set, enable, disable, kill, ...
std::vector<Command> rebucket_commands();     // flag rebucket
std::vector<Command> lint_commands();         // flag lint
std::vector<Command> segment_commands();      // list, show, put, delete
std::vector<Command> layer_commands();        // list, show, create, assign, release, delete
std::vector<Command> plan_commands();         // flag plan
std::vector<Command> export_commands();       // flag export
std::vector<Command> apply_commands();        // flag apply
std::vector<Command> experiment_commands();
std::vector<Command> results_commands();
std::vector<Command> eval_commands();
std::vector<Command> explain_commands();
std::vector<Command> track_commands();
std::vector<Command> status_commands();
std::vector<Command> dump_commands();
std::vector<Command> spool_commands();  // spool verify, spool dump
std::vector<Command> db_commands();
std::vector<Command> db_adopt_commands();   // db adopt
std::vector<Command> db_verify_commands();  // db verify
std::vector<Command> doctor_commands();

/// Every command there is.
std::vector<Command> all_commands();

}  // namespace burgee::cli
