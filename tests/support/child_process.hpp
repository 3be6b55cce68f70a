#pragma once

// Starts a real program, watches it, and can kill it: by the pid it started and by nothing else.
// Relied on by every end-to-end and fault test. A child that is still alive when its object goes
// away is killed and reaped, so a failing test leaves nothing behind.

#include <sys/resource.h>
#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace burgee::test {

struct ChildOptions {
    std::vector<std::string> arguments;    ///< [0] is the program, searched on PATH
    std::vector<std::string> environment;  ///< "NAME=value", added to ours, replacing equal names
    std::string working_directory;         ///< empty: ours
    std::string output_path;               ///< file for stdout, truncated; empty: /dev/null
    std::string error_path;                ///< file for stderr, truncated; empty: inherited
    std::string run_as;                    ///< name of a user, for root only; empty: ourselves
    int death_signal = 0;            ///< sent to the child when our starting thread ends; 0: none
    std::vector<int> inherited_fds;  ///< kept open in the child, under the same numbers
};

/// How a child ended.
struct ChildExit {
    int code = -1;   ///< exit code; -1 when a signal ended it
    int signal = 0;  ///< the signal that ended it; 0 when it exited
    rusage usage{};  ///< what it has used
};

class ChildProcess {
public:
    /// Starts the program. Throws std::runtime_error when it cannot be started; a program that does
    /// not exist shows as exit code 127.
    explicit ChildProcess(const ChildOptions& options);
    ~ChildProcess();
    ChildProcess(ChildProcess&& other) noexcept;
    ChildProcess& operator=(ChildProcess&&) = delete;
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;

    pid_t pid() const { return pid_; }

    /// Waits until the child has ended or `deadline` has passed; nothing means it still runs.
    /// May be called again: the same answer is given.
    std::optional<ChildExit> wait(std::chrono::milliseconds deadline);

    bool is_running() { return !wait(std::chrono::milliseconds(0)).has_value(); }

    /// Sends a signal to this child if it has not been reaped yet.
    void kill(int signal);

    /// What the child has written so far; empty when it was not captured.
    std::string output() const;
    std::string error() const;

private:
    pid_t pid_ = -1;
    int pid_fd_ = -1;
    std::optional<ChildExit> exit_;
    std::string output_path_;
    std::string error_path_;
};

/// Runs a program to its end. Kills it at the deadline; then `signal` is 9.
struct ChildOutcome {
    ChildExit exit;
    std::string output;
    std::string error;
};
ChildOutcome run_child(const std::vector<std::string>& arguments,
                       std::chrono::milliseconds deadline = std::chrono::seconds(60),
                       const std::vector<std::string>& environment = {});

/// The bytes of a file; empty when it cannot be read.
std::string read_file(const std::string& path);

}  // namespace burgee::test
