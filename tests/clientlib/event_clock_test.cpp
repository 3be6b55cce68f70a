// Promise: the wall clock may step by any amount in either direction: it dates events and decides
// nothing else. Method: this program's own clock_gettime() and pthread_create(), which the client's
// inline code calls, too; the first shows a clock that is moved by hand, the second fails on
// demand.

#include "tests/clientlib/event_peer.hpp"
#include "tests/support/temporary_directory.hpp"

#include <burgee/event_sender.hpp>

#include <dlfcn.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <new>

namespace {
std::atomic<std::int64_t> real_offset_s{0};
std::atomic<std::int64_t> monotonic_offset_s{0};
std::atomic<int> thread_failures{0};
thread_local int allocations_left = -1;  // -1: as many as there are
}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
    const long result = syscall(SYS_clock_gettime, clock, time);
    const bool is_real = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
    const bool is_monotonic = clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE;
    time->tv_sec += is_real ? real_offset_s.load() : is_monotonic ? monotonic_offset_s.load() : 0;
    return static_cast<int>(result);
}

[[gnu::noinline]] void* operator new(std::size_t size) {
    if (allocations_left == 0) {
        throw std::bad_alloc();
    }
    allocations_left -= allocations_left > 0 ? 1 : 0;
    void* memory = std::malloc(size);
    return memory != nullptr ? memory : throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*start)(void*), void* argument) noexcept {
    using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
    static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
    if (thread_failures.load() > 0) {
        thread_failures.fetch_sub(1);
        return EAGAIN;
    }
    return create(thread, attributes, start, argument);
}

namespace burgee::test {
namespace {

using namespace std::chrono_literals;
using detail::EventSender;

constexpr std::int64_t kDayS = 86'400;

class EventClockTest : public ::testing::Test {
protected:
    void TearDown() override {
        real_offset_s = 0;
        monotonic_offset_s = 0;
        thread_failures = 0;
        for (const std::string& complaint : peer_.complaints()) {
            ADD_FAILURE() << "the peer received " << complaint;
        }
    }

    TemporaryDirectory directory_;
    EventPeer peer_{directory_.path()};
};

TEST_F(EventClockTest, StepsOfTheWallClockDateEventsAndNothingElse) {
    EventSender sender(directory_.path());
    std::uint64_t offered = 0;
    for (const std::int64_t offset_s : {0L, -kDayS, 3'650 * kDayS, -3'650 * kDayS, 60L}) {
        real_offset_s = offset_s;
        const std::int64_t before_ms = detail::coarse_unix_ms();
        ASSERT_TRUE(sender.offer(draft_with_value(1)));
        peer_.stop();  // so that pauses are counted while the clock steps, too
        ASSERT_TRUE(sender.offer(draft_with_value(2)));
        peer_.start();
        ASSERT_TRUE(sender.flush(20s).complete) << offset_s;
        offered += 2;
        const EventHeader last = header_of(peer_.sessions().begin()->second.events.back());
        EXPECT_GE(last.created_unix_ms, before_ms);
        EXPECT_LE(last.created_unix_ms, before_ms + 60'000);
    }
    EXPECT_EQ(sender.counters().acknowledged, offered);
    EXPECT_EQ(sender.counters().sessions, 1U);
}

TEST_F(EventClockTest, AThreadThatCouldNotBeStartedIsTriedAgainAfterAStepBack) {
    EventSender sender(directory_.path());
    thread_failures = 1;
    ASSERT_TRUE(sender.offer(draft_with_value(1))) << "it waits in the ring";
    ASSERT_EQ(thread_failures, 0);
    ASSERT_TRUE(sender.offer(draft_with_value(2)));
    EXPECT_EQ(sender.counters().sessions, 0U) << "no second try within a second";
    real_offset_s = -kDayS;
    monotonic_offset_s = 2;
    ASSERT_TRUE(sender.offer(draft_with_value(3)));
    ASSERT_TRUE(sender.flush(20s).complete);
    EXPECT_EQ(peer_.stored_count(), 3U);
}

TEST_F(EventClockTest, AFlushAloneStartsTheThreadThatCouldNotBeStarted) {
    EventSender sender(directory_.path());
    thread_failures = 2;
    ASSERT_TRUE(sender.offer(draft_with_value(1)));
    EXPECT_FALSE(sender.flush(0ms).complete);
    ASSERT_EQ(thread_failures, 1) << "no second try within a second";
    monotonic_offset_s = 2;
    EXPECT_TRUE(sender.flush(20s).complete) << "its first try fails, too";
    EXPECT_EQ(thread_failures, 0);
    EXPECT_EQ(peer_.stored_count(), 1U);
    expect_identities(sender.counters());
}

TEST_F(EventClockTest, TheEndStartsTheThreadThatCouldNotBeStarted) {
    thread_failures = 1;
    {
        EventSender sender(directory_.path());
        ASSERT_TRUE(sender.offer(draft_with_value(1)));
        ASSERT_EQ(thread_failures, 0);
    }
    EXPECT_EQ(peer_.stored_count(), 1U);
}

TEST_F(EventClockTest, TheEndTriesOnlyOnceAndOnlyForEventsThatWait) {
    thread_failures = 5;
    { const EventSender idle(directory_.path()); }
    EXPECT_EQ(thread_failures, 5);
    {
        EventSender sender(directory_.path());
        ASSERT_TRUE(sender.offer(draft_with_value(1)));
    }
    EXPECT_EQ(thread_failures, 3);
    EXPECT_EQ(peer_.stored_count(), 0U);
}

TEST_F(EventClockTest, ASenderThatFindsNoMemoryRefusesAndEndsNobody) {
    for (const int allocations : {0, 1}) {
        allocations_left = allocations;
        EventSender poor(directory_.path());
        const bool is_taken = poor.offer(draft_with_value(1));
        allocations_left = -1;
        EXPECT_FALSE(is_taken);
        EventSender rich(directory_.path());
        EXPECT_TRUE(rich.offer(draft_with_value(1))) << "it shares nothing with the poor one";
        EXPECT_TRUE(rich.flush(20s).complete);
    }
}

}  // namespace
}  // namespace burgee::test
