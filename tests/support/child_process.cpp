// Between fork and exec only async-signal-safe calls are made: every string the child needs is laid
// out before the fork, because another thread may hold the allocator's lock at that moment.

#include "tests/support/child_process.hpp"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "tests/support/temporary_directory.hpp"

namespace burgee::test {
namespace {

constexpr int kExecFailed = 127;  // what a shell answers for a program it cannot start

struct Identity {
    bool is_changed = false;
    uid_t user = 0;
    gid_t group = 0;
};

struct ChildPlan {
    std::vector<char*> arguments;
    std::vector<char*> environment;
    Identity identity;
    int output_fd = -1;
    int error_fd = -1;
};

Identity identity_of(const std::string& user_name) {
    if (user_name.empty()) {
        return {};
    }
    const passwd* entry = ::getpwnam(user_name.c_str());
    if (entry == nullptr) {
        throw std::runtime_error("there is no user named " + user_name);
    }
    return {true, entry->pw_uid, entry->pw_gid};
}

std::vector<std::string> merged_environment(const std::vector<std::string>& additions) {
    std::vector<std::string> merged = additions;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string ours(*entry);
        const std::string name = ours.substr(0, ours.find('=') + 1);
        bool is_replaced = false;
        for (const std::string& addition : additions) {
            is_replaced = is_replaced || addition.compare(0, name.size(), name) == 0;
        }
        if (!is_replaced) {
            merged.push_back(ours);
        }
    }
    return merged;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    for (std::string& text : texts) {
        pointers.push_back(text.data());
    }
    pointers.push_back(nullptr);
    return pointers;
}

int open_for_child(const std::string& path) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        throw std::runtime_error("cannot write " + path + ": " + std::strerror(errno));
    }
    return fd;
}

[[noreturn]] void become_program(const ChildOptions& options, const ChildPlan& plan) {
    sigset_t no_signals;
    sigemptyset(&no_signals);
    ::sigprocmask(SIG_SETMASK, &no_signals, nullptr);
    if (plan.output_fd >= 0) {
        ::dup2(plan.output_fd, STDOUT_FILENO);
    }
    if (plan.error_fd >= 0) {
        ::dup2(plan.error_fd, STDERR_FILENO);
    }
    for (const int fd : options.inherited_fds) {
        ::fcntl(fd, F_SETFD, 0);
    }
    bool is_ready =
        options.working_directory.empty() || ::chdir(options.working_directory.c_str()) == 0;
    if (plan.identity.is_changed) {
        // The raw calls change this one thread, which is all a forked child has.
        is_ready = is_ready && ::syscall(SYS_setgroups, 0, nullptr) == 0 &&
                   ::syscall(SYS_setgid, plan.identity.group) == 0 &&
                   ::syscall(SYS_setuid, plan.identity.user) == 0;
    }
    if (options.death_signal != 0) {
        ::prctl(PR_SET_PDEATHSIG, options.death_signal);  // after setuid, which would clear it
    }
    if (is_ready) {
        ::execvpe(plan.arguments[0], plan.arguments.data(), plan.environment.data());
    }
    ::_exit(kExecFailed);
}

}  // namespace

ChildProcess::ChildProcess(const ChildOptions& options)
    : output_path_(options.output_path), error_path_(options.error_path) {
    std::vector<std::string> arguments = options.arguments;
    std::vector<std::string> environment = merged_environment(options.environment);
    ChildPlan plan{pointers_to(arguments), pointers_to(environment), identity_of(options.run_as)};
    plan.output_fd = open_for_child(output_path_.empty() ? "/dev/null" : output_path_);
    plan.error_fd = error_path_.empty() ? -1 : open_for_child(error_path_);
    pid_ = ::fork();
    if (pid_ == 0) {
        become_program(options, plan);
    }
    ::close(plan.output_fd);
    if (plan.error_fd >= 0) {
        ::close(plan.error_fd);
    }
    if (pid_ < 0) {
        throw std::runtime_error(std::string("cannot fork: ") + std::strerror(errno));
    }
    // The raw call: glibc 2.36 declares pidfd_open() without C linkage.
    pid_fd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
    if (pid_fd_ < 0) {
        throw std::runtime_error(std::string("cannot watch a child: ") + std::strerror(errno));
    }
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pid_fd_(std::exchange(other.pid_fd_, -1)),
      exit_(std::move(other.exit_)),
      output_path_(std::move(other.output_path_)),
      error_path_(std::move(other.error_path_)) {}

ChildProcess::~ChildProcess() {
    if (pid_ > 0 && !exit_) {
        kill(SIGKILL);
        wait(std::chrono::seconds(10));
    }
    if (pid_fd_ >= 0) {
        ::close(pid_fd_);
    }
}

std::optional<ChildExit> ChildProcess::wait(std::chrono::milliseconds deadline) {
    if (exit_ || pid_ <= 0) {
        return exit_;
    }
    const auto end = std::chrono::steady_clock::now() + deadline;
    int ready = -1;
    do {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            end - std::chrono::steady_clock::now());
        pollfd watched{pid_fd_, POLLIN, 0};
        ready = ::poll(&watched, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    } while (ready < 0 && errno == EINTR);
    if (ready <= 0) {
        return std::nullopt;
    }
    int status = 0;
    ChildExit ended;
    if (::wait4(pid_, &status, 0, &ended.usage) != pid_) {
        return std::nullopt;
    }
    ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    ended.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    exit_ = ended;
    return exit_;
}

void ChildProcess::kill(int signal) {
    if (pid_ > 0 && !exit_) {
        ::kill(pid_, signal);
    }
}

std::string ChildProcess::output() const {
    return read_file(output_path_);
}
std::string ChildProcess::error() const {
    return read_file(error_path_);
}

ChildOutcome run_child(const std::vector<std::string>& arguments,
                       std::chrono::milliseconds deadline,
                       const std::vector<std::string>& environment) {
    const TemporaryDirectory directory("burgee-run");
    ChildOptions options;
    options.arguments = arguments;
    options.environment = environment;
    options.output_path = directory.file("output");
    options.error_path = directory.file("error");
    ChildProcess child(options);
    std::optional<ChildExit> ended = child.wait(deadline);
    if (!ended) {
        child.kill(SIGKILL);
        ended = child.wait(std::chrono::seconds(10));
    }
    return {ended.value_or(ChildExit{}), child.output(), child.error()};
}

std::string read_file(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

}  // namespace burgee::test
