#include "tests/fault/syscall_sweep.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <stdexcept>

#include "tests/fault/syscall_stop.hpp"

namespace burgee::test {
namespace {

constexpr int kSyscallStop = SIGTRAP | 0x80;  // PTRACE_O_TRACESYSGOOD marks them so

/// A file without a name for what the child says.
class ErrorFile {
public:
    ErrorFile() : fd_(::memfd_create("stderr", MFD_CLOEXEC)) {}
    ~ErrorFile() { ::close(fd_); }
    ErrorFile(const ErrorFile&) = delete;
    ErrorFile& operator=(const ErrorFile&) = delete;
    int fd() const { return fd_; }
    std::string text() const {
        std::array<char, 4'096> bytes{};
        // The end: what was said last says why.
        const off_t end = ::lseek(fd_, 0, SEEK_END);
        const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(bytes.size()));
        const ssize_t size = ::pread(fd_, bytes.data(), bytes.size(), begin);
        return std::string(bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    }

private:
    int fd_;
};

/// What is thrown here ends the process: the test's own frames lie below in the child, too.
void run_alone(const std::function<void()>& body) noexcept {
    body();
}

pid_t start(const std::function<void()>& body, int error_fd) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(error_fd, STDERR_FILENO);
        ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        ::raise(SIGSTOP);
        run_alone(body);
        ::_exit(0);  // nothing of the test framework runs twice
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) {
        throw std::runtime_error("cannot trace a child");
    }
    ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    return child;
}

/// Follows one child from stop to stop.
class Tracer {
public:
    Tracer(pid_t child, const SweepAction& action, SweepRun* run)
        : child_(child), action_(action), run_(*run) {}

    void follow() {
        int pass_on = 0;
        while (true) {
            ::ptrace(PTRACE_SYSCALL, child_, nullptr, static_cast<long>(pass_on));
            int status = 0;
            while (::waitpid(child_, &status, 0) < 0 && errno == EINTR) {
            }
            if (!WIFSTOPPED(status)) {
                run_.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
                run_.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
                run_.syncs_after_failure = syncs_.syncs_after_failure();
                run_.blind_syncs = syncs_.blind_syncs();
                return;
            }
            const int signal = WSTOPSIG(status);
            pass_on = signal == kSyscallStop ? 0 : signal;
            if (signal == kSyscallStop) {
                take(read_syscall_stop(child_));
            }
        }
    }

private:
    void take(const SyscallStop& stop) {
        if (!stop.is_entry && run_.calls.empty()) {
            return;  // of the call that stopped the child at its start
        }
        ++run_.stops;
        if (stop.is_entry) {
            run_.calls.push_back(stop.number);
            syncs_.enter(child_, stop);
            const bool may_fail = action_.failing.count(stop.number) != 0;
            if (may_fail && action_.kind == SweepAction::Kind::kFail &&
                ++failing_seen_ == action_.at) {
                note_action();
                if (stop.number != SYS_close) {  // which frees the descriptor whatever it says
                    skip_call(child_);
                }
                injected_ = -action_.error;
            }
        } else {
            if (injected_) {
                set_result(child_, *injected_);
            }
            syncs_.leave(child_, injected_.value_or(stop.result));
            injected_.reset();
        }
        if (action_.kind == SweepAction::Kind::kKill && run_.stops == action_.at) {
            note_action();
            ::kill(child_, SIGKILL);
        }
    }

    void note_action() {
        run_.has_acted = true;
        run_.acted_on = run_.calls.back();
    }

    pid_t child_;
    const SweepAction& action_;
    SweepRun& run_;
    SyncWatch syncs_;
    std::uint64_t failing_seen_ = 0;
    std::optional<std::int64_t> injected_;
};

}  // namespace

SweepRun run_traced(const std::function<void()>& body, const SweepAction& action) {
    SweepRun run;
    const ErrorFile error_file;
    const pid_t child = start(body, error_file.fd());
    Tracer(child, action, &run).follow();
    run.error_output = error_file.text();
    return run;
}

ForkedRun run_forked(const std::function<void()>& body) {
    const ErrorFile error_file;
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(error_file.fd(), STDERR_FILENO);
        ::dup2(error_file.fd(), STDOUT_FILENO);  // and what it logs
        run_alone(body);
        ::_exit(0);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    ForkedRun run;
    run.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    run.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    run.error_output = error_file.text();
    return run;
}

std::map<long, std::uint64_t> count_calls(const std::vector<long>& calls) {
    std::map<long, std::uint64_t> counts;
    for (const long call : calls) {
        ++counts[call];
    }
    return counts;
}

std::uint64_t stride_of(std::uint64_t last, std::uint64_t count) {
    return count == 0 || last < count ? 1 : (last + count - 1) / count;
}

}  // namespace burgee::test
