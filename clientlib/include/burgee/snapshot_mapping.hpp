#pragma once

// One snapshot file mapped into this process, and who still needs it. Threads read `view`; whoever
// lets go last unmaps it.
//
// Invariants:
//   1. A mapping object is never freed while the process lives, only used again: a thread that
//      follows a stale pointer finds a count, never freed memory.
//   2. Everything but the count is written while `references` is 0 and is_free was true, by the one
//      thread that holds the refresh lock.
//   3. A count never rises from 0 except by that thread: see try_acquire().

#include <burgee/snapshot_view.hpp>

#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace burgee::detail {

struct SnapshotMapping {
    std::atomic<std::uint64_t> references{0};
    std::atomic<bool> is_free{true};           ///< unmapped; may be used again
    std::atomic<std::uint64_t> size_bytes{0};  ///< 0 when unmapped; read by status()
    void* address = nullptr;
    SnapshotView view;
    std::uint64_t generation = 0;
    std::uint64_t attachment = 0;     ///< which control page announced it: ClientState::attachment
    SnapshotMapping* next = nullptr;  ///< all mappings of one client; constant once linked

    /// Counts one more user unless nobody is left, in which case the mapping is gone.
    bool try_acquire() noexcept {
        std::uint64_t count = references.load(std::memory_order_relaxed);
        while (count != 0) {
            // Acquire: pairs with the release in SnapshotRefresh::map_snapshot(), so that the
            // fields are seen as they were written for this use.
            if (references.compare_exchange_weak(count, count + 1, std::memory_order_acquire,
                                                 std::memory_order_relaxed)) {
                return true;
            }
        }
        return false;
    }

    /// Precondition: the caller holds a reference already.
    void acquire() noexcept { references.fetch_add(1, std::memory_order_relaxed); }

    void release() noexcept {
        // Acquire and release: the last one out sees every reader's last read done before
        // unmapping.
        if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            ::munmap(address, size_bytes.load(std::memory_order_relaxed));
            size_bytes.store(0, std::memory_order_relaxed);
            // Release: pairs with the acquire in SnapshotRefresh::free_mapping().
            is_free.store(true, std::memory_order_release);
        }
    }
};

/// One thread's claim on one mapping. The thread's pin counts as 1, and so does each of its
/// Evaluations: a plain count, for no other thread ever touches it.
struct ThreadHold {
    std::uint64_t count = 1;
    SnapshotMapping* mapping = nullptr;
    const void* thread = nullptr;  ///< thread_identity() of the owner, for assertions
};

[[gnu::noinline, gnu::cold]] inline void give_up(ThreadHold* hold) noexcept {
    hold->mapping->release();
    delete hold;
}

inline void release(ThreadHold* hold) noexcept {
    if (--hold->count == 0) {
        give_up(hold);
    }
}

}  // namespace burgee::detail
