#pragma once

// Runs a program under ptrace and kills it at its n-th system call: a kill -9 at a moment drawn from
// the victim's own progress, not from a clock. Nothing is built into the victim for this.
//
// Method: one tracer thread starts the child, follows every thread of it, counts system-call stops
// (entry and return count one each) and sends SIGKILL when the armed count is reached.

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace burgee::test {

struct TracedOptions {
    std::vector<std::string> arguments;    ///< [0] is the program's path
    std::vector<std::string> environment;  ///< "NAME=value", added to ours
    std::string error_path;                ///< file for stdout and stderr, appended
};

class TracedProcess {
public:
    /// Starts the program; throws std::runtime_error when it cannot be traced.
    explicit TracedProcess(TracedOptions options);
    ~TracedProcess();  ///< kills the program if it still runs
    TracedProcess(const TracedProcess&) = delete;
    TracedProcess& operator=(const TracedProcess&) = delete;

    pid_t pid() const { return pid_; }

    /// From now on, counts `stops` system-call stops and then kills.
    void kill_after(std::uint64_t stops);

    /// Waits until the program is gone. @return false at the deadline.
    bool wait_gone(std::chrono::milliseconds deadline) const;

    /// System-call stops seen since the start.
    std::uint64_t stops() const { return stops_.load(std::memory_order_relaxed); }

    bool is_running() const { return !is_gone_.load(std::memory_order_acquire); }

    void kill_now() const;

private:
    void trace();
    void start_child();
    bool handle_stop(pid_t thread, int status);

    TracedOptions options_;
    std::atomic<pid_t> pid_{-1};
    std::atomic<bool> is_started_{false};
    std::atomic<bool> is_gone_{false};
    std::atomic<std::uint64_t> stops_{0};
    std::atomic<std::uint64_t> kill_at_{UINT64_MAX};
    std::thread tracer_;
};

}  // namespace burgee::test
