// burgee: the command for people. Reads the command line, runs one command, and turns every failure
// into one line on stderr and an exit code.

#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "cli/arguments.hpp"

int main(int argument_count, char** arguments) {
    using namespace burgee::cli;
    ExitCode code = ExitCode::kFailed;
    try {
        const std::vector<std::string> words(arguments + 1, arguments + argument_count);
        const Invocation invocation = parse_arguments(words, all_commands());
        Terminal terminal(invocation.options);
        if (invocation.printed.empty()) {
            code = invocation.run(terminal);
        } else {
            terminal.print(invocation.printed);
            code = ExitCode::kOk;
        }
    } catch (const Failure& failure) {
        std::cerr << "burgee: " << failure.what() << "\n";
        code = failure.code();
    } catch (const std::exception& error) {
        std::cerr << "burgee: unexpected: " << error.what() << "\n";
    }
    return static_cast<int>(code);
}
