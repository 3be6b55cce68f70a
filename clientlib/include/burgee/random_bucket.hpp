#pragma once

// Buckets for flags of strategy random, which draw anew for every question: the one impurity of
// evaluation. One generator a thread, so that threads share nothing; splitmix64, which passes
// BigCrush and needs eight bytes of state (Steele, Lea and Flood 2014, OOPSLA, figure 14).

#include <burgee/bucketing.hpp>

#include <pthread.h>
#include <sys/random.h>
#include <time.h>

#include <atomic>
#include <cstdint>

namespace burgee::detail {

// 0 = not seeded yet. Trivially initialised, so that reading it costs no call.
inline thread_local std::uint64_t random_state = 0;
inline std::atomic<bool> random_fork_hook_set{false};

/// Seeds this thread's generator, and sees to it that a forked child draws numbers of its own.
[[gnu::noinline, gnu::cold]] inline void seed_random_state() noexcept {
    if (!random_fork_hook_set.exchange(true, std::memory_order_relaxed)) {
        // Only the forking thread lives on in the child. Failure leaves equal draws in both, no
        // harm.
        (void)::pthread_atfork(nullptr, nullptr, [] { random_state = 0; });
    }
    std::uint64_t value = 0;
    if (::getrandom(&value, sizeof value, GRND_NONBLOCK) != static_cast<ssize_t>(sizeof value)) {
        timespec now{};  // early at boot: the address and the clock differ between threads
        ::clock_gettime(CLOCK_MONOTONIC, &now);
        value = hash64(&now, sizeof now, reinterpret_cast<std::uintptr_t>(&random_state));
    }
    random_state = value | 1U;
}

inline std::uint64_t random_number() noexcept {
    if (__builtin_expect(static_cast<long>(random_state == 0), 0L) != 0) {
        seed_random_state();
    }
    random_state += 0x9e3779b97f4a7c15U;
    std::uint64_t mixed = random_state;
    mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebU;
    return mixed ^ (mixed >> 31U);
}

/// A number in [0, bucket_count), drawn with equal chances.
inline std::uint32_t random_bucket(std::uint32_t bucket_count) noexcept {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint32_t>((static_cast<Wide>(random_number()) * bucket_count) >> 64U);
}

}  // namespace burgee::detail
