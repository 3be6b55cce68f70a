#pragma once

// Runs a piece of a test in a child process, call by call under ptrace, and at one chosen system
// call kills it or makes the call fail. Done for every call of a clean run that is a sweep: what a
// program does between two system calls is invisible to every other process and to the disk, so a
// sweep misses no moment of a crash.
//
// Method: the child is forked, not executed, so that the first call counted is one of the piece's
// own. It must not touch what it shares with the test but in shared memory.

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace burgee::test {

struct SweepAction {
    enum class Kind {
        kNone,
        kKill,  ///< at stop number `at`: each call makes two, before it and after it
        kFail,  ///< call number `at` of those in `failing` is not done and gives `error`
    };
    Kind kind = Kind::kNone;
    std::uint64_t at = 0;         ///< from 1
    int error = 0;                ///< an errno
    std::set<long> failing = {};  ///< numbers of calls
};

struct SweepRun {
    int exit_code = -1;  ///< of the child; -1 when a signal ended it
    int signal = 0;
    std::uint64_t stops = 0;  ///< seen
    std::vector<long> calls;  ///< numbers of the calls, in their order
    bool has_acted = false;
    long acted_on = -1;                     ///< the call that was killed at or failed
    std::uint64_t syncs_after_failure = 0;  ///< see SyncWatch
    std::uint64_t blind_syncs = 0;          ///< must stay 0: likewise
    std::string error_output;               ///< what the child wrote to stderr
};

/// Runs `body` in a child; it ends with exit code 0 when `body` returns.
SweepRun run_traced(const std::function<void()>& body, const SweepAction& action = {});

/// The same without ptrace, for what needs threads.
struct ForkedRun {
    int exit_code = -1;  ///< -1 when a signal ended it
    int signal = 0;
    std::string error_output;
};
ForkedRun run_forked(const std::function<void()>& body);

/// How often each call was made.
std::map<long, std::uint64_t> count_calls(const std::vector<long>& calls);

/// How far apart `count` points lie that spread over [1, last]; 1 when `count` is 0: all.
std::uint64_t stride_of(std::uint64_t last, std::uint64_t count);

}  // namespace burgee::test
