#pragma once

// What a thread remembers between two questions: the snapshot it answers from, so that a check
// writes nothing that another thread reads. Trivially initialised, because a thread_local with a
// constructor costs a call on every access.
//
// Invariants:
//   1. A pin whose generation and attachment are the announced ones has a view; attachment 0 is
//      never announced, so a pin that is all zero is never taken for fresh.
//   2. pin.view is the view of pin.hold->mapping, on which the hold has a reference.

#include <burgee/snapshot_refresh.hpp>

#include <sys/syscall.h>

namespace burgee::detail {

struct ThreadPin {
    std::uint64_t generation;
    std::uint64_t attachment;
    const SnapshotView* view;
    ThreadHold* hold;
    std::uint64_t client_serial;  ///< a later client in the same slot must not use this pin
    std::uint16_t check_count;    ///< wraps; at 0 the thread looks for a replaced directory
};

inline thread_local ThreadPin thread_pins[kClientsMax + 1];
inline thread_local bool thread_has_exited = false;

/// An address that no other living thread has.
inline const void* thread_identity() noexcept {
    return &thread_pins;
}

inline void drop(ThreadPin& pin) noexcept {
    if (pin.hold != nullptr) {
        release(pin.hold);
    }
    pin = ThreadPin{};
}

/// Lets go of everything when the thread ends. The main thread keeps its pins: what runs after the
/// end of main may still ask, and the process ends anyway. Another thread that asks while its own
/// thread_locals are destroyed gets the caller's defaults.
struct ThreadExit {
    ThreadExit() noexcept {}
    ~ThreadExit() {
        if (::syscall(SYS_gettid) == ::getpid()) {
            return;
        }
        thread_has_exited = true;
        for (ThreadPin& pin : thread_pins) {
            drop(pin);
        }
    }
    void touch() noexcept { is_touched_ = true; }

private:
    bool is_touched_ = false;
};
inline thread_local ThreadExit thread_exit;

/// A counted reference to the current mapping, or null.
inline SnapshotMapping* acquire_current(ClientState& state) noexcept {
    constexpr int kRacesMax = 64;  // each lost race means a publish in between
    for (int race = 0; race < kRacesMax; ++race) {
        // Acquire: pairs with the exchange in SnapshotRefresh::swap_in().
        SnapshotMapping* mapping = state.current.load(std::memory_order_acquire);
        if (mapping == nullptr) {
            return nullptr;
        }
        if (!mapping->try_acquire()) {
            continue;  // retired just now
        }
        if (state.current.load(std::memory_order_acquire) == mapping) {
            return mapping;
        }
        mapping->release();
    }
    return nullptr;
}

/// Points the pin at the current mapping, if it is not there already.
inline void adopt_current(ClientState& state, ThreadPin& pin) noexcept {
    if (pin.hold != nullptr && pin.hold->mapping == state.current.load(std::memory_order_relaxed)) {
        return;
    }
    if (thread_has_exited) {
        return;
    }
    SnapshotMapping* mapping = acquire_current(state);
    if (mapping == nullptr) {
        return;
    }
    if (pin.hold != nullptr && pin.hold->count == 1) {
        pin.hold->mapping->release();  // no Evaluation needs it: use the hold again
        pin.hold->mapping = mapping;
    } else {
        auto* hold = new (std::nothrow) ThreadHold;
        if (hold == nullptr) {
            mapping->release();
            return;
        }
        if (pin.hold != nullptr) {
            release(pin.hold);  // the last Evaluation gives it up
        }
        hold->mapping = mapping;
        hold->thread = thread_identity();
        pin.hold = hold;
        thread_exit.touch();
    }
    pin.view = &mapping->view;
    pin.client_serial = state.client_serial.load(std::memory_order_relaxed);
}

/// Whether the pin's mapping is what is announced; if so, checks take the short way from now on.
inline bool confirm(const ClientState& state, ThreadPin& pin) noexcept {
    if (pin.hold == nullptr) {
        return false;
    }
    // Acquire, and in this order: whoever sees the attachment sees where it announces.
    const std::uint64_t attachment = state.attachment.load(std::memory_order_acquire);
    const std::uint64_t generation =
        state.announced.load(std::memory_order_acquire)->load(std::memory_order_acquire);
    const SnapshotMapping& mapping = *pin.hold->mapping;
    if (mapping.attachment != attachment || mapping.generation != generation) {
        return false;
    }
    pin.attachment = attachment;
    pin.generation = generation;
    return true;
}

/// The slow way: brings the pin, and if need be the process, up to what is announced. A thread that
/// finds another one at it goes on with what it holds.
[[gnu::noinline, gnu::cold]] inline const SnapshotView* renew_pin(ClientState& state,
                                                                  ThreadPin& pin) noexcept {
    if (pin.check_count == 0) {
        look_for_replacement(state);
    }
    if (pin.hold != nullptr &&
        pin.client_serial != state.client_serial.load(std::memory_order_relaxed)) {
        drop(pin);
    }
    adopt_current(state, pin);
    if (!confirm(state, pin) && refresh(state)) {
        adopt_current(state, pin);
        confirm(state, pin);
    }
    return pin.view;
}

/// The snapshot this thread answers from, or null when there is none.
/// Cost: two loads and a compare when nothing was published since the thread's last question.
inline const SnapshotView* current_view(ClientState& state, ThreadPin& pin) noexcept {
    // Acquire: pairs with the publisher's release store of the generation.
    const std::uint64_t generation =
        state.announced.load(std::memory_order_acquire)->load(std::memory_order_acquire);
    const std::uint64_t attachment = state.attachment.load(std::memory_order_relaxed);
    const std::uint64_t changed = (generation ^ pin.generation) | (attachment ^ pin.attachment);
    ++pin.check_count;
    if (__builtin_expect(static_cast<long>(changed == 0 && pin.check_count != 0), 1L) != 0) {
        return pin.view;
    }
    return renew_pin(state, pin);
}

}  // namespace burgee::detail
