// Promise: signals, vfork, exec and a fork inside a handler neither harm a program that tracks nor
// cost or double an event; handlers never run on the sender's thread, and no program that is
// executed gets the socket. Method: a timer that interrupts offers thousands of times, real forks
// and a real shell; the peer's store is compared with what was offered.

#include "tests/clientlib/event_peer.hpp"
#include "tests/support/sanitizers.hpp"
#include "tests/support/temporary_directory.hpp"

#include <burgee/event_sender.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace burgee::test {
namespace {

using namespace std::chrono_literals;
using detail::EventSender;

std::atomic<int> handler_runs{0};
std::atomic<int> handler_forks{0};
std::atomic<int> runs_on_sender{0};
std::atomic<pid_t> sender_thread{0};

void on_alarm(int) {
    const int saved_errno = errno;
    handler_runs.fetch_add(1);
    if (gettid() == sender_thread.load()) {
        runs_on_sender.fetch_add(1);
    }
    errno = saved_errno;
}

[[maybe_unused]] void on_alarm_fork(int signal) {  // sanitizer builds leave its test out
    const int saved_errno = errno;
    if (fork() == 0) {
        _exit(0);  // all that a child may do that was forked in the middle of track()
    }
    handler_forks.fetch_add(1);
    errno = saved_errno;
    on_alarm(signal);
}

/// Sends this process SIGALRM every `interval`, without SA_RESTART, while it lives.
class Alarms {
public:
    Alarms(void (*handler)(int), std::chrono::microseconds interval) {
        handler_runs = handler_forks = runs_on_sender = 0;
        struct sigaction action {};
        action.sa_handler = handler;
        sigaction(SIGALRM, &action, &before_);
        const timeval each{0, interval.count()};
        const itimerval timer{each, each};
        setitimer(ITIMER_REAL, &timer, nullptr);
    }
    Alarms(const Alarms&) = delete;
    Alarms& operator=(const Alarms&) = delete;
    ~Alarms() {
        const itimerval none{};
        setitimer(ITIMER_REAL, &none, nullptr);
        sigaction(SIGALRM, &before_, nullptr);
    }

private:
    struct sigaction before_ {};
};

/// The line of a thread's status file that begins with `key`; empty when there is none.
std::string status_line(pid_t thread, const std::string& key) {
    std::ifstream status("/proc/self/task/" + std::to_string(thread) + "/status");
    for (std::string line; std::getline(status, line);) {
        if (line.rfind(key, 0) == 0) {
            return line.substr(key.size());
        }
    }
    return {};
}

/// The thread of this process that sends events; 0 when there is none.
pid_t find_sender_thread() {
    pid_t found = 0;
    DIR* threads = opendir("/proc/self/task");
    while (const dirent* entry = readdir(threads)) {
        const pid_t thread = std::atoi(entry->d_name);
        if (thread != 0 && status_line(thread, "Name:\t") == "burgee-events") {
            found = thread;
        }
    }
    closedir(threads);
    return found;
}

/// "socket:[...]" of this process's connection to an event socket, as /proc/self/fd shows it.
std::string client_socket_link() {
    for (int fd = 0; fd < 256; ++fd) {
        sockaddr_un address{};
        socklen_t size = sizeof address;
        if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
            address.sun_family == AF_UNIX &&
            std::string_view(address.sun_path).find(kEventSocketName) != std::string_view::npos) {
            char link[64] = {};
            const std::string path = "/proc/self/fd/" + std::to_string(fd);
            return readlink(path.c_str(), link, sizeof link - 1) > 0 ? link : "";
        }
    }
    return {};
}

class EventSignalTest : public ::testing::Test {
protected:
    TemporaryDirectory directory_;
    EventPeer peer_{directory_.path()};
    EventSender sender_{directory_.path()};
    int offered_ = 0;

    void SetUp() override {
        offer(1);  // the sender's thread is there before anything is interrupted
        ASSERT_TRUE(sender_.flush(20s).complete);
        sender_thread = find_sender_thread();
        ASSERT_NE(sender_thread, 0);
    }

    void offer(int count) {
        for (int number = 0; number < count; ++number) {
            ASSERT_TRUE(sender_.offer(draft_with_value(offered_)));
            ++offered_;
        }
    }

    void expect_all_stored_once() {
        ASSERT_TRUE(sender_.flush(60s).complete);
        const auto sessions = peer_.sessions();
        ASSERT_EQ(sessions.size(), 1U);
        int number = 0;
        for (const Bytes& event : sessions.begin()->second.events) {
            ASSERT_EQ(header_of(event).value, number++);
        }
        EXPECT_EQ(number, offered_);
        EXPECT_EQ(peer_.connection_count(), 1U);
        expect_identities(sender_.counters());
    }

    void TearDown() override {
        for (const std::string& complaint : peer_.complaints()) {
            ADD_FAILURE() << "the peer received " << complaint;
        }
    }
};

TEST_F(EventSignalTest, TheSenderBlocksEverySignalThatCanBeBlocked) {
    const std::uint64_t blocked = std::stoull(status_line(sender_thread, "SigBlk:\t"), nullptr, 16);
    for (int signal = 1; signal <= SIGRTMAX; ++signal) {
        const bool is_of_libc = signal > SIGSYS && signal < SIGRTMIN;
        if (signal != SIGKILL && signal != SIGSTOP && !is_of_libc) {
            EXPECT_TRUE((blocked >> (signal - 1) & 1) != 0) << strsignal(signal);
        }
    }
}

TEST_F(EventSignalTest, AHandlerThatInterruptsOffersHarmsNothing) {
    {
        const Alarms alarms(&on_alarm, 100us);
        while (handler_runs < 2'000 || offered_ < 20'000) {
            offer(100);
            ASSERT_TRUE(sender_.flush(20s).complete);
        }
    }
    EXPECT_EQ(runs_on_sender, 0);
    expect_all_stored_once();
}

#if !defined(BURGEE_ASAN) && !defined(BURGEE_TSAN)  // see event_fork_test.cpp
TEST_F(EventSignalTest, AForkInsideAHandlerLeavesTheParentWhole) {
    {
        const Alarms alarms(&on_alarm_fork, 2ms);
        while (handler_forks < 100) {
            offer(100);
            ASSERT_TRUE(sender_.flush(20s).complete);
        }
    }
    while (waitpid(-1, nullptr, WNOHANG) > 0 || errno == EINTR) {
    }
    EXPECT_EQ(runs_on_sender, 0);
    expect_all_stored_once();
}
#endif

// vfork runs no fork handlers and wipes nothing, for the child borrows its parent's memory.
TEST_F(EventSignalTest, AProgramThatIsExecutedGetsNoSocketAndTheParentGoesOn) {
    const std::string link = client_socket_link();
    ASSERT_FALSE(link.empty());
    const std::string list = directory_.file("descriptors");
    const int output = open(list.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ASSERT_GE(output, 0);
    offer(10);
    const pid_t child = vfork();
    if (child == 0) {
        dup2(output, STDOUT_FILENO);
        execl("/bin/sh", "sh", "-c", "for fd in /proc/$$/fd/*; do readlink $fd; done; exit 7",
              nullptr);
        _exit(127);
    }
    close(output);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
    std::stringstream descriptors;
    descriptors << std::ifstream(list).rdbuf();
    EXPECT_NE(descriptors.str().find(list), std::string::npos) << "it was asked at all";
    EXPECT_EQ(descriptors.str().find(link), std::string::npos) << descriptors.str();
    offer(10);
    expect_all_stored_once();
}

}  // namespace
}  // namespace burgee::test
