// Promise: offering an event makes no system call while the ring is at most half full. Method: a
// child whose thread the kernel kills at its first system call but exit; its sender goes on
// unhindered.

#include "tests/clientlib/event_peer.hpp"
#include "tests/support/sanitizers.hpp"
#include "tests/support/temporary_directory.hpp"

#include <burgee/event_sender.hpp>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>

namespace burgee::test {
namespace {

bool forbid_system_calls_but_exit() {
    std::array<sock_filter, 4> filter{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    }};
    const sock_fprog program{filter.size(), filter.data()};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

class EventSilenceTest : public ::testing::Test {
protected:
    TemporaryDirectory directory_;
    EventPeer peer_{directory_.path()};

    /// A child offers `count` events without the right to any system call.
    int status_after_silent_offers(int count) {
        detail::EventSender sender(directory_.path());
        const pid_t child = fork();
        if (child == 0) {
            EventDraft draft = draft_with_value(1);
            draft.metric = "impression";
            bool is_good = sender.offer(draft) && sender.flush(std::chrono::seconds(20)).complete;
            is_good = is_good && forbid_system_calls_but_exit();
            for (int number = 0; number < count; ++number) {
                is_good = sender.offer(draft) && is_good;
            }
            syscall(SYS_exit_group, is_good ? 0 : 1);
        }
        int status = 0;
        waitpid(child, &status, 0);
        return status;
    }
};

// Not in sanitizer builds: a child forked while the peer's thread allocates waits for ever inside
// their allocators, see event_fork_test.cpp.
#if !defined(BURGEE_ASAN) && !defined(BURGEE_TSAN)
TEST_F(EventSilenceTest, OffersWithoutASystemCall) {
    const int status = status_after_silent_offers(2'000);
    EXPECT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0);
}
#endif

}  // namespace
}  // namespace burgee::test
