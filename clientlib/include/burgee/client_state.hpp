#pragma once

// What all threads of a process share about one Client: where generations are announced, and the
// snapshot that answers. It lies in a static table, so that threads, forked children and Snapshots
// that outlive their Client never meet freed memory.
//
// Invariants:
//   1. Only the holder of `lock` writes anything here, except `lock` itself and the signs
//      of life.
//   2. `attachment` changes whenever `announced` may mean another series of generations, and
//      no two attachments in the life of a process have the same number.
//   3. `current` holds one reference on its mapping.
//   4. The control page's address stays mapped while the client lives; a new page replaces it in
//      place.

#include <burgee/attach_error.hpp>
#include <burgee/control_page.hpp>
#include <burgee/snapshot_mapping.hpp>

#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace burgee {

/// Clients alive at once in one process; further ones answer NOT_READY and say why in status().
inline constexpr std::uint32_t kClientsMax = 16;  // chosen by feel: one is usual, tests use a few

/// Longest path of the directory, in bytes; the event socket's name allows less.
inline constexpr std::size_t kDirectorySizeMax = 1023;

namespace detail {

/// How often a client without the newest snapshot looks for it.
inline constexpr std::int64_t kRetryIntervalMs = 100;

/// Milliseconds of a clock that a reader may look at without a system call; 4 ms coarse.
inline std::int64_t coarse_monotonic_ms() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

/// Announces nothing: what a client without a control page watches.
inline constexpr std::atomic<std::uint64_t> kNoGeneration{0};

struct ClientState {
    // Read by every check; written when a control page is attached.
    std::atomic<const std::atomic<std::uint64_t>*> announced{&kNoGeneration};
    std::atomic<std::uint64_t> attachment{0};

    // Read by the slow way.
    std::atomic<SnapshotMapping*> current{nullptr};
    std::atomic<std::int64_t> retry_at_ms{0};  ///< after a failure: not before this time
    std::atomic<pid_t> lock{0};                ///< pid of the refreshing process; 0 = free
    std::atomic<const ControlPage*> control{nullptr};
    std::atomic<std::uint64_t> client_serial{0};  ///< of the Client that uses this; 0 = none

    // Signs of life: the last heartbeat that status() saw, and when; and the last one a check saw.
    std::atomic<std::uint64_t> heartbeat{0};
    std::atomic<std::int64_t> heartbeat_seen_ms{0};
    std::atomic<std::uint64_t> looked_at_heartbeat{0};
    std::atomic<std::int64_t> looked_at_ms{0};

    // For status().
    std::atomic<AttachError> error{AttachError::kNone};
    std::atomic<int> error_number{0};  ///< errno, or the ViewError of kSnapshotRefused
    std::atomic<std::uint64_t> failed_count{0};
    std::atomic<SnapshotMapping*> mappings{nullptr};  ///< all that were ever made for this slot
    std::atomic<std::uint64_t> control_device{0};
    std::atomic<std::uint64_t> control_inode{0};

    std::optional<uid_t> expected_owner;
    std::array<char, kDirectorySizeMax + 1> directory{};
    std::atomic<bool> is_used{false};
};

/// One state more than clients: the last stands in for those that find no room.
inline constexpr std::uint32_t kOverflowSlot = kClientsMax;
inline std::array<ClientState, kClientsMax + 1> client_states;

/// Numbers for clients and attachments; 0 is never given.
inline std::atomic<std::uint64_t> next_serial{1};

/// A try-lock whose word is the pid of its holder: a lock that was held across fork() by a thread
/// that does not exist in the child is void there, because the pid differs.
class RefreshLock {
public:
    explicit RefreshLock(ClientState& state) noexcept : lock_(state.lock) {
        const pid_t self = ::getpid();
        pid_t holder = lock_.load(std::memory_order_relaxed);
        // Acquire: pairs with the release in the destructor of the holder before.
        is_held_ =
            holder != self && lock_.compare_exchange_strong(holder, self, std::memory_order_acquire,
                                                            std::memory_order_relaxed);
    }
    ~RefreshLock() {
        if (is_held_) {
            lock_.store(0, std::memory_order_release);
        }
    }
    RefreshLock(const RefreshLock&) = delete;
    RefreshLock& operator=(const RefreshLock&) = delete;
    bool is_held() const noexcept { return is_held_; }

private:
    std::atomic<pid_t>& lock_;
    bool is_held_ = false;
};

}  // namespace detail
}  // namespace burgee
