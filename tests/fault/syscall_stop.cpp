#include "tests/fault/syscall_stop.hpp"

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

namespace burgee::test {
namespace {

struct NamedCall {
    long number;
    const char* name;
};

// clang-format off
constexpr NamedCall kNames[] = {
#define BURGEE_CALL(name) {SYS_##name, #name}
    BURGEE_CALL(read), BURGEE_CALL(write), BURGEE_CALL(open), BURGEE_CALL(close), BURGEE_CALL(stat),
    BURGEE_CALL(fstat), BURGEE_CALL(lstat), BURGEE_CALL(poll), BURGEE_CALL(lseek), BURGEE_CALL(mmap),
    BURGEE_CALL(mprotect), BURGEE_CALL(munmap), BURGEE_CALL(brk), BURGEE_CALL(rt_sigaction),
    BURGEE_CALL(rt_sigprocmask), BURGEE_CALL(ioctl), BURGEE_CALL(pread64), BURGEE_CALL(pwrite64),
    BURGEE_CALL(readv), BURGEE_CALL(writev), BURGEE_CALL(access), BURGEE_CALL(pipe2),
    BURGEE_CALL(sched_yield), BURGEE_CALL(madvise), BURGEE_CALL(dup), BURGEE_CALL(getpid),
    BURGEE_CALL(socket), BURGEE_CALL(connect), BURGEE_CALL(accept4), BURGEE_CALL(sendto),
    BURGEE_CALL(recvfrom), BURGEE_CALL(sendmsg), BURGEE_CALL(recvmsg), BURGEE_CALL(shutdown),
    BURGEE_CALL(bind), BURGEE_CALL(listen), BURGEE_CALL(getsockname), BURGEE_CALL(getpeername),
    BURGEE_CALL(setsockopt), BURGEE_CALL(getsockopt), BURGEE_CALL(clone), BURGEE_CALL(clone3),
    BURGEE_CALL(execve), BURGEE_CALL(exit), BURGEE_CALL(exit_group), BURGEE_CALL(kill),
    BURGEE_CALL(uname), BURGEE_CALL(fcntl), BURGEE_CALL(fsync), BURGEE_CALL(fdatasync),
    BURGEE_CALL(ftruncate), BURGEE_CALL(getcwd), BURGEE_CALL(rename), BURGEE_CALL(mkdir),
    BURGEE_CALL(unlink), BURGEE_CALL(readlink), BURGEE_CALL(fchmod), BURGEE_CALL(getuid),
    BURGEE_CALL(geteuid), BURGEE_CALL(getgid), BURGEE_CALL(getegid), BURGEE_CALL(statfs),
    BURGEE_CALL(prctl), BURGEE_CALL(gettid), BURGEE_CALL(futex), BURGEE_CALL(getdents64),
    BURGEE_CALL(fallocate), BURGEE_CALL(openat), BURGEE_CALL(mkdirat), BURGEE_CALL(newfstatat),
    BURGEE_CALL(unlinkat), BURGEE_CALL(renameat), BURGEE_CALL(renameat2), BURGEE_CALL(linkat),
    BURGEE_CALL(faccessat), BURGEE_CALL(ppoll), BURGEE_CALL(epoll_create1), BURGEE_CALL(epoll_ctl),
    BURGEE_CALL(epoll_wait), BURGEE_CALL(epoll_pwait), BURGEE_CALL(eventfd2),
    BURGEE_CALL(timerfd_create), BURGEE_CALL(timerfd_settime), BURGEE_CALL(prlimit64),
    BURGEE_CALL(getrandom), BURGEE_CALL(rseq), BURGEE_CALL(set_robust_list), BURGEE_CALL(statx),
    BURGEE_CALL(arch_prctl), BURGEE_CALL(set_tid_address), BURGEE_CALL(getppid),
    BURGEE_CALL(clock_nanosleep), BURGEE_CALL(clock_gettime), BURGEE_CALL(sysinfo),
#undef BURGEE_CALL
};
// clang-format on

}  // namespace

SyscallStop read_syscall_stop(pid_t thread) {
    __ptrace_syscall_info info{};
    SyscallStop stop;
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) {
        return stop;
    }
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        stop.is_entry = true;
        stop.number = static_cast<long>(info.entry.nr);
        std::copy(std::begin(info.entry.args), std::end(info.entry.args), stop.arguments.begin());
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
        stop.result = info.exit.rval;
    }
    return stop;
}

void skip_call(pid_t thread) {
    ::ptrace(PTRACE_POKEUSER, thread, offsetof(user_regs_struct, orig_rax), -1L);
}

void set_result(pid_t thread, std::int64_t result) {
    ::ptrace(PTRACE_POKEUSER, thread, offsetof(user_regs_struct, rax), result);
}

std::string syscall_name(long number) {
    const auto* const found =
        std::find_if(std::begin(kNames), std::end(kNames),
                     [number](const NamedCall& each) { return each.number == number; });
    return found == std::end(kNames) ? "call " + std::to_string(number) : found->name;
}

std::string describe_calls(const std::map<long, std::uint64_t>& calls) {
    std::vector<std::pair<std::uint64_t, std::string>> counts;
    for (const auto& [number, count] : calls) {
        counts.emplace_back(count, syscall_name(number));
    }
    std::sort(counts.rbegin(), counts.rend());
    std::string text;
    for (const auto& [count, name] : counts) {
        text += (text.empty() ? "" : ", ") + name + " " + std::to_string(count);
    }
    return text;
}

std::string read_text(pid_t process, std::uint64_t address, std::size_t size_max) {
    std::string text(size_max, '\0');
    // A text may end just before memory that is not there: read no further than its page at once.
    std::size_t size = 0;
    while (size < size_max) {
        const std::size_t left_in_page = 4'096 - (address + size) % 4'096;
        const std::size_t part = std::min(left_in_page, size_max - size);
        iovec local{text.data() + size, part};
        // An address in the other process; the kernel checks it.
        iovec remote{reinterpret_cast<void*>(address + size), part};
        if (::process_vm_readv(process, &local, 1, &remote, 1, 0) <= 0) {
            break;
        }
        size += part;
        if (const std::size_t end = text.find('\0'); end < size) {
            return text.substr(0, end);
        }
    }
    return {};
}

void SyncWatch::enter(pid_t thread, const SyscallStop& stop) {
    under_way_.erase(thread);
    const bool is_sync = stop.number == SYS_fdatasync || stop.number == SYS_fsync;
    if (!is_sync && (stop.number != SYS_pwrite64 || failed_.empty())) {
        return;
    }
    struct statx facts {};
    const std::string path = "/proc/" + std::to_string(thread) + "/fd/" +
                             std::to_string(static_cast<int>(stop.arguments[0]));
    if (::statx(AT_FDCWD, path.c_str(), 0, STATX_BASIC_STATS | STATX_BTIME, &facts) != 0 ||
        !S_ISREG(facts.stx_mode)) {
        return;
    }
    const FileIdentity file{std::uint64_t{facts.stx_dev_major} << 32U | facts.stx_dev_minor,
                            facts.stx_ino,
                            static_cast<std::uint64_t>(facts.stx_btime.tv_sec) * 1'000'000'000 +
                                facts.stx_btime.tv_nsec};
    const auto failed = failed_.find(file);
    if (!is_sync) {
        if (failed != failed_.end()) {
            failed->second = true;
        }
        return;
    }
    if (failed != failed_.end()) {
        ++syncs_after_failure_;
        blind_syncs_ += failed->second ? 0U : 1U;
    }
    under_way_[thread] = file;
}

void SyncWatch::leave(pid_t thread, std::int64_t result) {
    const auto found = under_way_.find(thread);
    if (found != under_way_.end() && result < 0) {
        failed_[found->second] = false;
        ++failures_;
    }
    if (found != under_way_.end()) {
        under_way_.erase(found);
    }
}

}  // namespace burgee::test
