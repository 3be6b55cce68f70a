#pragma once

// How a command ends. Scripts rely on these numbers, so they are never reused: 0 and 1 answer
// yes/no questions as grep does, 2 is the caller's mistake, 3 and 4 tell the two usual surprises
// apart. A Failure carries one of them together with the line that people read.

#include <stdexcept>
#include <string>

namespace burgee::cli {

enum class ExitCode : int {
    kOk = 0,
    kFailed = 1,       ///< refused, or the answer is "no"
    kUsage = 2,        ///< the command line is wrong; nothing was done
    kNotFound = 3,     ///< no such flag, experiment or file
    kUnreachable = 4,  ///< no daemon, no snapshot or no database
};

/// Ends the command. Thrown anywhere below main, caught only there, printed as
/// `burgee: <text>` on stderr. The text says what, where and what to do, in one line.
class Failure : public std::runtime_error {
public:
    Failure(ExitCode code, const std::string& text) : std::runtime_error(text), code_(code) {}

    [[nodiscard]] ExitCode code() const noexcept { return code_; }

private:
    ExitCode code_;
};

}  // namespace burgee::cli
