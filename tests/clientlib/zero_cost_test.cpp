// Promise: a check allocates nothing and makes no system call; nor does an evaluation that meets an
// exposure which is told already.
// Method: four threads of a child process pin the snapshot, then forbid themselves every system
// call by seccomp (a single one kills the process) and count their own allocations through a
// replaced malloc, which operator new calls; each asks 10^6 times of every kind of flag. Under
// sanitizers, which own malloc, their hook counts instead.

#include <burgee/client.hpp>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "tests/clientlib/published_directory.hpp"
#include "tests/support/sanitizers.hpp"

#if defined(BURGEE_ASAN) || defined(BURGEE_TSAN)
#define BURGEE_TEST_SANITIZED 1
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void*,
                                                                           std::size_t),
                                                         void (*on_free)(const volatile void*));
#endif

namespace {
thread_local std::uint64_t allocation_count = 0;
}

#ifndef BURGEE_TEST_SANITIZED
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* malloc(std::size_t size) {
    ++allocation_count;
    return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
    ++allocation_count;
    return __libc_calloc(count, size);
}
void* realloc(void* block, std::size_t size) {
    ++allocation_count;
    return __libc_realloc(block, size);
}
}
#endif

namespace burgee::test {
namespace {

constexpr int kThreads = 4;
constexpr int kWarmUps = 64;
#if defined(BURGEE_TSAN) || defined(BURGEE_ASAN)
constexpr int kChecks = 20'000;  // each is fifty times slower here; the release build runs them all
#else
constexpr int kChecks = 1'000'000;
#endif

/// From now on a system call of this thread kills the process with SIGSYS.
void forbid_system_calls() {
    sock_filter kill = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    const sock_fprog program{1, &kill};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
        ::_exit(3);
    }
}

std::vector<FlagDefinition> one_of_each() {
    FlagDefinition listed = flag_of("listed", Status::kGradualRollout, 50);
    listed.include = {"u7", "u8"};
    listed.exclude = {"u9"};
    FlagDefinition legacy = ab_test_of("legacy");
    legacy.bucketing = Bucketing::kLegacyMd5;
    FlagDefinition random = flag_of("random", Status::kGradualRollout, 50);
    random.strategy = Strategy::kRandom;
    return {flag_of("disabled", Status::kDisabled),
            flag_of("enabled", Status::kEnabled),
            flag_of("gradual", Status::kGradualRollout, 50),
            flag_of("canary", Status::kCanary, 5),
            ab_test_of("ab_test"),
            listed,
            legacy,
            random};
}

/// Asks one flag of each kind, and one that does not exist, in every way.
std::uint64_t ask_all(const Client& client, const std::vector<Flag>& handles, int number) {
    const Context user{{"user_id", number}, {"session_id", "s"}, {"tier", "pro"}};
    std::uint64_t on = 0;
    for (const Flag& handle : handles) {
        on += handle.is_enabled(user) ? 1U : 0U;
    }
    for (const char* name : {"disabled", "enabled", "gradual", "canary", "ab_test", "listed",
                             "legacy", "random", "?"}) {
        on += client.is_enabled(name, user) ? 1U : 0U;
    }
    const Evaluation answer = client.evaluate("ab_test", user);
    on += answer.config().string("model", "none").size();
    return on + answer.variant().size();
}

/// The child's work; its exit status: 0 clean, 2 allocations, 4 the answers were all off.
/// @param ask       (number) -> what is summed up; asked for each below kWarmUps before it counts
/// @param is_right  asked at the end; false is status 4, too
template <typename Ask, typename IsRight>
[[noreturn]] void count_costs(ControlPage& control, Ask ask, IsRight is_right) {
    std::atomic<int> finished{0};
    std::atomic<std::uint64_t> allocations{0};
    std::atomic<std::uint64_t> on{0};
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([&] {
            std::uint64_t sum = 0;
            for (int number = 0; number < kWarmUps; ++number) {
                sum += ask(number);  // pins, seeds, tells
            }
            forbid_system_calls();
            const std::uint64_t before = allocation_count;
            for (int number = 0; number < kChecks; ++number) {
                sum += ask(number);
            }
            allocations.fetch_add(allocation_count - before);
            on.fetch_add(sum);
            finished.fetch_add(1);
            for (;;) {  // even ending a thread takes a system call
            }
        });
    }
    while (finished.load() < kThreads) {
        control.heartbeat_count.fetch_add(1);  // the daemon lives; nobody looks for another
        ::usleep(1'000);
    }
    if (on.load() == 0 || !is_right()) {
        ::_exit(4);
    }
    ::_exit(allocations.load() == 0 ? 0 : 2);
}

constexpr const char* kMeaningOfStatus =
    "2 = allocated, -31 = made a system call, 4 = all off, or not each exposure told once";

int status_of(pid_t child) {
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(ZeroCostTest, ChecksAllocateNothingAndCallNoSystem) {
    PublishedDirectory published;
    published.publish(one_of_each());
    const pid_t child = ::fork();
    if (child == 0) {
        const Client client(published.options());
        std::vector<Flag> handles;
        for (const char* name : {"disabled", "enabled", "gradual", "ab_test"}) {
            handles.emplace_back(client, name);
        }
        count_costs(
            published.control(), [&](int number) { return ask_all(client, handles, number); },
            [] { return true; });
    }
    EXPECT_EQ(status_of(child), 0) << kMeaningOfStatus;
}

TEST(ZeroCostTest, RepeatedExposuresAllocateNothingAndCallNoSystem) {
    PublishedDirectory published;
    published.publish({ab_test_of("ab_test")}, {experiment_on("ab_test")});
    const pid_t child = ::fork();
    if (child == 0) {
        ClientOptions options = published.options();
        options.exposure = Exposure::kAutomatic;
        const Client client(options);
        const Flag handle(client, "ab_test");
        const auto ask = [&](int number) {
            const Context user{{"user_id", number % kWarmUps}};
            const bool is_on = client.evaluate("ab_test", user).enabled();
            return is_on && handle.evaluate(user).enabled() ? 1U : 0U;
        };
        count_costs(published.control(), ask,
                    [&] { return client.counters().offered == kWarmUps; });
    }
    EXPECT_EQ(status_of(child), 0) << kMeaningOfStatus;
}

TEST(ZeroCostTest, NoticesOneSystemCall) {
    const pid_t child = ::fork();
    if (child == 0) {
        forbid_system_calls();
        ::syscall(SYS_getppid);
        ::_exit(0);
    }
    EXPECT_EQ(status_of(child), -SIGSYS);
}

TEST(ZeroCostTest, NoticesOneAllocation) {
    const std::uint64_t before = allocation_count;
    const std::string text(100, 'x');
    EXPECT_EQ(text.size(), 100U);
    EXPECT_EQ(allocation_count, before + 1);
}

#ifdef BURGEE_TEST_SANITIZED
const int kHooked = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t) { ++allocation_count; }, [](const volatile void*) {});
#endif

}  // namespace
}  // namespace burgee::test
