#pragma once

// How a client stands: what it answers from, and whether anyone publishes. For health checks and
// `burgee status`; a few system calls, never part of a check.

#include <burgee/thread_pin.hpp>
#include <burgee/view_error.hpp>

#include <fcntl.h>
#include <time.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace burgee {

enum class DaemonLife : std::uint8_t {
    kUnknown = 0,  ///< there is no control page to read
    kAlive = 1,    ///< the heart beats
    kHung = 2,     ///< no beat for 2 s, yet a process holds the daemon's lock
    kDead = 3,     ///< no beat, no lock; flags keep answering from the last snapshot
};

constexpr std::string_view to_string(DaemonLife life) noexcept {
    switch (life) {
        case DaemonLife::kUnknown:
            return "unknown";
        case DaemonLife::kAlive:
            return "alive";
        case DaemonLife::kHung:
            return "hung";
        case DaemonLife::kDead:
            return "dead";
    }
    return "unknown";
}

struct ClientStatus {
    bool is_ready = false;              ///< a snapshot answers
    bool is_current = false;            ///< and it is the announced one
    std::uint64_t generation = 0;       ///< of the snapshot that answers; 0 = none
    std::uint64_t revision = 0;         ///< the committed change it contains
    std::uint64_t flag_count = 0;       ///< flags in it
    std::int64_t published_age_ms = 0;  ///< since the newest publication; -1 = nothing published
    DaemonLife daemon = DaemonLife::kUnknown;
    std::uint64_t control_state = 0;  ///< ControlState bits of the daemon
    std::uint64_t pinned_bytes = 0;   ///< mapped snapshots, older ones of idle threads included
    std::uint64_t pinned_count = 0;   ///< how many snapshots that is; 1 is usual
    std::uint64_t refresh_failed_count = 0;
    AttachError error = AttachError::kNone;  ///< of the last refresh
    int error_number = 0;                    ///< its errno, or ViewError for kSnapshotRefused

    /// The last error for people, one line; empty when there is none.
    std::string error_text() const {
        if (error == AttachError::kNone) {
            return {};
        }
        std::string text(to_string(error));
        if (error == AttachError::kSnapshotRefused) {
            text += ": ";
            text += describe(static_cast<ViewError>(error_number));
        } else if (error_number != 0) {
            text += " (errno " + std::to_string(error_number) + ")";
        }
        return text;
    }
};

namespace detail {

/// Whether somebody holds the daemon's lock on byte 0 of the control page. Looks at the file that
/// is mapped: another one of that name tells nothing about our daemon.
inline bool is_daemon_lock_held(const ClientState& state) noexcept {
    const FileDescriptor directory = open_directory(state.directory.data());
    if (!directory.is_open()) {
        return false;
    }
    const FileDescriptor file = open_file(directory.get(), kControlFileName);
    struct stat facts {};
    if (!file.is_open() || ::fstat(file.get(), &facts) != 0 ||
        identity_of(facts) != SnapshotRefresh::attached_identity(state)) {
        return false;
    }
    struct flock lock {};
    lock.l_type = F_RDLCK;  // conflicts with the daemon's write lock and with nobody else's
    lock.l_whence = SEEK_SET;
    lock.l_start = 0;
    lock.l_len = 1;
    return ::fcntl(file.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/// Alive if the heart moved within 2 s of our own monotonic clock; the lock decides what we have
/// not watched long enough to know. Never a pid, never a wall clock.
inline DaemonLife daemon_life(ClientState& state, const ControlPage& page) noexcept {
    constexpr std::int64_t kSilenceMs = 2000;
    const std::int64_t now_ms = coarse_monotonic_ms();
    const std::uint64_t heartbeat = page.heartbeat_count.load(std::memory_order_relaxed);
    const std::int64_t seen_ms = state.heartbeat_seen_ms.load(std::memory_order_relaxed);
    const bool has_moved =
        state.heartbeat.exchange(heartbeat, std::memory_order_relaxed) != heartbeat;
    const bool is_recent = seen_ms != 0 && now_ms - seen_ms < kSilenceMs;
    if (has_moved || seen_ms == 0) {
        state.heartbeat_seen_ms.store(now_ms, std::memory_order_relaxed);
    }
    if (has_moved && is_recent) {
        return DaemonLife::kAlive;
    }
    if (!is_daemon_lock_held(state)) {
        return DaemonLife::kDead;
    }
    return has_moved || is_recent || seen_ms == 0 ? DaemonLife::kAlive : DaemonLife::kHung;
}

inline std::int64_t published_age_ms(const ClientState& state) noexcept {
    const auto* announced = state.announced.load(std::memory_order_acquire);
    const ControlPage* page = state.control.load(std::memory_order_acquire);
    if (page == nullptr || announced == &kNoGeneration) {
        return -1;
    }
    for (const ControlSlot& slot : page->slots) {
        const std::uint64_t published_ns = slot.published_boot_ns.load(std::memory_order_relaxed);
        if (&slot.generation == announced && published_ns != 0) {
            timespec now{};
            ::clock_gettime(CLOCK_BOOTTIME, &now);
            const std::int64_t age_ns = static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 +
                                        now.tv_nsec - static_cast<std::int64_t>(published_ns);
            return age_ns > 0 ? age_ns / 1'000'000 : 0;
        }
    }
    return -1;
}

/// Everything status() tells. Looks for a replaced directory first, whatever the clock says.
inline ClientStatus read_status(ClientState& state, ThreadPin& pin) noexcept {
    if (state.control.load(std::memory_order_acquire) != nullptr &&
        SnapshotRefresh::is_replaced(state)) {
        refresh(state);
    }
    ClientStatus status;
    const SnapshotView* view = current_view(state, pin);
    if (view != nullptr) {
        status.is_ready = true;
        status.is_current = confirm(state, pin);
        status.generation = view->header().generation;
        status.revision = view->header().revision;
        status.flag_count = view->flag_count();
    }
    // Acquire: pairs with the release in SnapshotRefresh::free_mapping().
    for (const SnapshotMapping* mapping = state.mappings.load(std::memory_order_acquire);
         mapping != nullptr; mapping = mapping->next) {
        const std::uint64_t size_bytes = mapping->size_bytes.load(std::memory_order_relaxed);
        status.pinned_bytes += size_bytes;
        status.pinned_count += size_bytes != 0 ? 1 : 0;
    }
    const ControlPage* page = state.control.load(std::memory_order_acquire);
    if (page != nullptr) {
        status.control_state = page->state.load(std::memory_order_relaxed);
        status.daemon = daemon_life(state, *page);
    }
    status.published_age_ms = published_age_ms(state);
    status.refresh_failed_count = state.failed_count.load(std::memory_order_relaxed);
    status.error = state.error.load(std::memory_order_relaxed);
    status.error_number = state.error_number.load(std::memory_order_relaxed);
    return status;
}

}  // namespace detail
}  // namespace burgee
