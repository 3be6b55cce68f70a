#pragma once

// Everything of the event side that belongs to one process and must be blank in a forked child:
// counters, the ring, the words its threads sleep on. It lies in one anonymous mapping that the
// kernel wipes at fork (MADV_WIPEONFORK, Linux 4.14), so a child finds zeros, whatever the parent's
// other threads were doing; and zeros are a valid, empty, not yet started state.

#include <burgee/event_draft.hpp>
#include <burgee/event_exposure.hpp>
#include <burgee/event_ring.hpp>
#include <burgee/exposure_table.hpp>

#include <linux/futex.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace burgee::detail {

/// Whether this process has a sender thread. Zero, what a child finds, is "not yet".
enum class SenderStage : std::uint32_t { kNone = 0, kStarting = 1, kRunning = 2 };

using AtomicDropTable =
    std::array<std::array<std::atomic<std::uint64_t>, kEventClassCount>, kDropReasonCount>;

struct EventProcess {
    std::atomic<SenderStage> stage;
    std::atomic<std::uint32_t> stop_wanted;
    std::atomic<std::int64_t> stop_at_ms;  ///< valid once stop_wanted is set; monotonic
    std::atomic<std::uint32_t> wake_word;  ///< the sender sleeps on it; each wish to wake adds 1
    std::atomic<std::uint32_t> progress_word;  ///< flushes sleep on it; adds 1 when events leave
    std::atomic<std::uint32_t> flush_waiters;
    std::atomic<std::int64_t> start_again_ms;  ///< after a thread could not be started; monotonic
    pthread_t thread;                          ///< valid while stage is kRunning

    // Statistics, read together by read_counters(). An event is accepted, then counted
    // here as decided, then given back to the ring; each step is released before the next. So who
    // sees it gone from the ring finds it counted, and who finds it counted finds it accepted.
    alignas(64) std::atomic<std::uint64_t> acknowledged;
    AtomicDropTable lost;
    // The others are relaxed: nothing follows from them.
    std::atomic<std::uint64_t> connections;
    std::atomic<std::uint64_t> sessions;
    std::atomic<std::uint64_t> untrusted;
    alignas(64) AtomicDropTable refused;

    alignas(64) ExposureFilter met;   ///< impressions that callers tracked
    alignas(64) ExposureTable told;   ///< exposures that evaluate() told by itself
    ExposureTable refused_exposures;  ///< those of them that were ever refused, and so counted
};
static_assert(std::is_trivially_destructible_v<EventProcess>, "it is unmapped, never destroyed");

inline constexpr std::size_t kEventProcessSize = (sizeof(EventProcess) + 4'095) / 4'096 * 4'096;

/// Maps a blank EventProcess with a ring of `ring_size_bytes` behind it. Costs address space only:
/// pages are paid for when they are first touched. Null when the system refuses.
inline EventProcess* map_event_process(std::uint64_t ring_size_bytes) noexcept {
    const std::size_t size = kEventProcessSize + EventRing::memory_size_bytes(ring_size_bytes);
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return nullptr;
    }
    if (madvise(memory, size, MADV_WIPEONFORK) != 0) {
        munmap(memory, size);  // Without it a child would send its parent's events once more.
        return nullptr;
    }
    return static_cast<EventProcess*>(memory);
}

inline void unmap_event_process(EventProcess* process, std::uint64_t ring_size_bytes) noexcept {
    munmap(process, kEventProcessSize + EventRing::memory_size_bytes(ring_size_bytes));
}

/// Makes everything zero and gives the memory back; the addresses stay usable.
inline void blank_event_process(EventProcess* process, std::uint64_t ring_size_bytes) noexcept {
    madvise(process, kEventProcessSize + EventRing::memory_size_bytes(ring_size_bytes),
            MADV_DONTNEED);
}

inline EventRing ring_of(EventProcess* process, std::uint64_t ring_size_bytes) noexcept {
    return {reinterpret_cast<std::byte*>(process) + kEventProcessSize, ring_size_bytes};
}

/// Sleeps until somebody wakes `word`, it no longer holds `seen`, or the time is over.
inline void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t seen,
                       std::int64_t timeout_ms) noexcept {
    timespec timeout{};
    timeout.tv_sec = static_cast<time_t>(timeout_ms / 1'000);
    timeout.tv_nsec = static_cast<long>(timeout_ms % 1'000 * 1'000'000);
    syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAIT_PRIVATE, seen, &timeout,
            nullptr, 0);
}

inline void futex_wake_all(std::atomic<std::uint32_t>& word) noexcept {
    syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAKE_PRIVATE, INT_MAX,
            nullptr, nullptr, 0);
}

/// Ends the sender's sleep. Sequentially consistent, like its partners in the sender's loop.
inline void wake_sender(EventProcess& process) noexcept {
    process.wake_word.fetch_add(1);
    futex_wake_all(process.wake_word);
}

/// Milliseconds on a clock that only moves forward.
inline std::int64_t monotonic_ms() noexcept {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1'000 + now.tv_nsec / 1'000'000;
}

}  // namespace burgee::detail
