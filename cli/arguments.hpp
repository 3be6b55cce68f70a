#pragma once

// From the words of the command line to one Command with its variables filled, or the reason why
// not. The only place that knows CLI11.

#include <functional>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/terminal.hpp"

namespace burgee::cli {

struct Invocation {
    GlobalOptions options;
    std::string printed;  ///< help or version text; if not empty there is nothing to run
    std::function<ExitCode(Terminal&)> run;
};

/// Reads `words` (without the program's name) against `commands`.
/// Options not given come from BURGEE_DATABASE_DSN and BURGEE_SHM_DIRECTORY, then the defaults.
/// Throws Failure kUsage with a suggestion when the words make no command.
/// Not thread-safe (reads the environment). Cost: well under a millisecond.
Invocation parse_arguments(const std::vector<std::string>& words, std::vector<Command> commands);

}  // namespace burgee::cli
