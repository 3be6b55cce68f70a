#include "tests/fault/traced_process.hpp"

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

namespace burgee::test {
namespace {

constexpr int kSyscallStop = SIGTRAP | 0x80;  // PTRACE_O_TRACESYSGOOD marks them so

[[noreturn]] void become(const TracedOptions& options) {
    const int fd = ::open(options.error_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                          0644);  // NOLINT(cppcoreguidelines-pro-type-vararg): POSIX
    ::dup2(fd, STDOUT_FILENO);
    ::dup2(fd, STDERR_FILENO);
    std::vector<char*> arguments;
    for (const std::string& argument : options.arguments) {
        arguments.push_back(const_cast<char*>(argument.c_str()));  // execv takes them so
    }
    arguments.push_back(nullptr);
    for (const std::string& variable : options.environment) {
        ::putenv(const_cast<char*>(variable.c_str()));  // copied by nobody; lives until execv
    }
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
}

}  // namespace

TracedProcess::TracedProcess(TracedOptions options)
    : options_(std::move(options)),
      kill_at_(options_.plan.kill_at == 0 ? UINT64_MAX : options_.plan.kill_at),
      has_begun_(options_.plan.begin_at_path.empty()),
      tracer_([this] { trace(); }) {
    is_started_.wait(false);
    if (pid_ < 0) {
        tracer_.join();
        throw std::runtime_error("cannot trace " + options_.arguments[0]);
    }
}

TracedProcess::~TracedProcess() {
    kill_now();
    tracer_.join();
}

void TracedProcess::kill_after(std::uint64_t stops) {
    kill_at_.store(this->stops() + stops, std::memory_order_relaxed);
}

void TracedProcess::kill_now() const {
    if (is_running()) {
        ::kill(pid_, SIGKILL);  // not reaped yet, so the id is still our child's
    }
}

bool TracedProcess::wait_gone(std::chrono::milliseconds deadline) const {
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (is_running() && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return !is_running();
}

void TracedProcess::start_child() {
    const pid_t child = ::fork();
    if (child == 0) {
        become(options_);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, __WALL) != child || !WIFSTOPPED(status)) {
        return;
    }
    constexpr unsigned kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
    ::ptrace(PTRACE_SETOPTIONS, child, nullptr, kOptions);
    ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    pid_ = child;
}

void TracedProcess::trace() {
    start_child();
    is_started_ = true;
    is_started_.notify_all();
    while (pid_ > 0) {
        int status = 0;
        // __WNOTHREAD: children of this thread only, so that the test's other children are safe.
        const pid_t thread = ::waitpid(-1, &status, __WALL | __WNOTHREAD);
        if (thread < 0 && errno == EINTR) {
            continue;
        }
        if (thread < 0 || !handle_stop(thread, status)) {
            break;
        }
    }
    is_gone_.store(true, std::memory_order_release);
}

bool TracedProcess::handle_stop(pid_t thread, int status) {
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
        return thread != pid_;  // the group leader is reaped last
    }
    int pass_on = 0;
    const int signal = WSTOPSIG(status);
    if (signal == kSyscallStop) {
        const bool counts = !wants_calls() || take_call(thread);
        const std::uint64_t seen =
            stops_.fetch_add(counts ? 1 : 0, std::memory_order_relaxed) + (counts ? 1 : 0);
        if (seen >= kill_at_.load(std::memory_order_relaxed)) {
            if (killed_at_ < 0 && wants_calls()) {
                killed_at_ = current_[thread];
            }
            ::kill(pid_, SIGKILL);
        }
    } else if (signal != SIGSTOP && signal != SIGTRAP) {
        pass_on = signal;
    }
    ::ptrace(PTRACE_SYSCALL, thread, nullptr, static_cast<long>(pass_on));
    return true;
}

bool TracedProcess::take_call(pid_t thread) {
    const SyscallStop stop = read_syscall_stop(thread);
    if (!stop.is_entry) {
        const auto injected = injected_.find(thread);
        const std::int64_t result = injected == injected_.end() ? stop.result : injected->second;
        if (injected != injected_.end()) {
            set_result(thread, result);
            injected_.erase(injected);
        }
        syncs_.leave(thread, result);
        return has_begun_;
    }
    current_[thread] = stop.number;
    has_begun_ = has_begun_ || (stop.number == SYS_openat && read_text(thread, stop.arguments[1]) ==
                                                                 options_.plan.begin_at_path);
    if (has_begun_) {
        ++calls_[stop.number];
        syncs_.enter(thread, stop);
        fail_if_planned(thread, stop.number);
    }
    return has_begun_;
}

void TracedProcess::fail_if_planned(pid_t thread, long number) {
    const TracePlan& plan = options_.plan;
    const bool may_fail = plan.fail_every != 0 && is_failing_.load(std::memory_order_relaxed) &&
                          plan.failing.count(number) != 0;
    if (may_fail && ++failing_seen_ % plan.fail_every == 0) {
        skip_call(thread);
        injected_[thread] = -plan.error;
        failed_calls_.fetch_add(1, std::memory_order_relaxed);
    }
}

}  // namespace burgee::test
