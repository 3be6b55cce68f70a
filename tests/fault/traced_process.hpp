#pragma once

// Runs a program under ptrace and kills it at its n-th system call, or makes calls of it fail: at a
// moment drawn from the victim's own progress, not from a clock. Nothing is built into the victim
// for this.
//
// Method: one tracer thread starts the child, follows every thread of it, counts system-call stops
// (entry and return count one each) and sends SIGKILL when the armed count is reached.

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/fault/syscall_stop.hpp"

namespace burgee::test {

/// What the tracer does beside counting.
struct TracePlan {
    /// Stops are counted, and calls fail, from the first openat() of this path on; empty: from the
    /// start, which for a program is what the dynamic linker does.
    std::string begin_at_path;
    std::uint64_t kill_at = 0;     ///< number of the stop; 0: at none
    std::set<long> failing;        ///< numbers of the calls that may fail
    std::uint64_t fail_every = 0;  ///< each so many of them is not done and gives `error`
    int error = 0;                 ///< an errno
};

struct TracedOptions {
    std::vector<std::string> arguments;    ///< [0] is the program's path
    std::vector<std::string> environment;  ///< "NAME=value", added to ours
    std::string error_path;                ///< file for stdout and stderr, appended
    TracePlan plan = {};
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

    /// System-call stops seen since counting began.
    std::uint64_t stops() const { return stops_.load(std::memory_order_relaxed); }

    /// Whether calls fail as planned; they do from the start.
    void set_failing(bool is_failing) { is_failing_.store(is_failing, std::memory_order_relaxed); }
    /// Calls that were made to fail.
    std::uint64_t failed_calls() const { return failed_calls_.load(std::memory_order_relaxed); }

    // Precondition of the following: the program is gone.
    /// The call it was killed at, -1 when it was not or nobody asked for calls.
    long killed_at() const { return killed_at_; }
    const std::map<long, std::uint64_t>& calls() const { return calls_; }
    const SyncWatch& syncs() const { return syncs_; }

    bool is_running() const { return !is_gone_.load(std::memory_order_acquire); }

    void kill_now() const;

private:
    void trace();
    void start_child();
    bool handle_stop(pid_t thread, int status);
    /// Looks at the call itself. @return whether the stop counts.
    bool take_call(pid_t thread);
    void fail_if_planned(pid_t thread, long number);
    bool wants_calls() const {
        return !options_.plan.begin_at_path.empty() || options_.plan.fail_every != 0;
    }

    TracedOptions options_;
    std::atomic<pid_t> pid_{-1};
    std::atomic<bool> is_started_{false};
    std::atomic<bool> is_gone_{false};
    std::atomic<std::uint64_t> stops_{0};
    std::atomic<std::uint64_t> kill_at_{UINT64_MAX};
    std::atomic<bool> is_failing_{true};
    std::atomic<std::uint64_t> failed_calls_{0};
    // Of the tracer alone, until the program is gone.
    bool has_begun_ = false;
    std::map<long, std::uint64_t> calls_;
    std::map<pid_t, long> current_;           ///< the call each thread is in
    std::map<pid_t, std::int64_t> injected_;  ///< results of calls that were skipped
    std::uint64_t failing_seen_ = 0;
    long killed_at_ = -1;
    SyncWatch syncs_;
    std::thread tracer_;
};

}  // namespace burgee::test
