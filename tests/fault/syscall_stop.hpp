#pragma once

// What a tracer sees of one system call and what it can do to it: read it, name it, make it fail
// without being done. Relied on by the sweeps and by TracedProcess. Linux on x86-64 only, like the
// registers it touches; nothing of ours but tests knows of it.

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace burgee::test {

/// A thread that stands at a system call.
struct SyscallStop {
    bool is_entry = false;
    long number = -1;                          ///< of the call; -1 at its return, and when skipped
    std::array<std::uint64_t, 6> arguments{};  ///< at its entry
    std::int64_t result = 0;                   ///< at its return; -errno for a failure
};

/// Asks the kernel (PTRACE_GET_SYSCALL_INFO). Precondition: `thread` is stopped at a call.
SyscallStop read_syscall_stop(pid_t thread);

/// At the entry: the kernel will do nothing. Follow it with set_result() at the return.
void skip_call(pid_t thread);
void set_result(pid_t thread, std::int64_t result);

/// "pwrite64"; "call 999" for one that we have no name for.
std::string syscall_name(long number);

/// "pwrite64 40, fdatasync 39, ...": the most frequent first.
std::string describe_calls(const std::map<long, std::uint64_t>& calls);

/// A text in the memory of a traced process, up to `size_max` bytes; "" when it cannot be read.
std::string read_text(pid_t process, std::uint64_t address, std::size_t size_max = 4'096);

/// Watches regular files that are synced again after a sync of them has failed. Linux tells of an
/// error once: a second sync succeeds and does nothing, unless what the first one left out was
/// written again. A directory is no such file: who tries again writes its names again.
class SyncWatch {
public:
    void enter(pid_t thread, const SyscallStop& stop);
    /// `result` as the program will see it, injected or not.
    void leave(pid_t thread, std::int64_t result);
    std::uint64_t failures() const { return failures_; }
    std::uint64_t syncs_after_failure() const { return syncs_after_failure_; }
    /// Of them: without a write to the file in between.
    std::uint64_t blind_syncs() const { return blind_syncs_; }

private:
    // Device, inode, and the time of birth in ns: a new file may have the inode of a deleted one.
    using FileIdentity = std::array<std::uint64_t, 3>;

    std::map<pid_t, FileIdentity> under_way_;
    std::map<FileIdentity, bool> failed_;  ///< and whether they were written since
    std::uint64_t failures_ = 0;
    std::uint64_t syncs_after_failure_ = 0;
    std::uint64_t blind_syncs_ = 0;
};

}  // namespace burgee::test
