#pragma once

// One process's way to one daemon: the ring that takes events from any thread, and the thread that
// carries them over. Clients of the same directory share a channel (event_sender.hpp).
//
// Invariants
//  1. All that a forked child must not inherit lies in EventProcess, which the kernel wipes at
//     fork; the conversation lives on the sender thread's stack, which a child never runs.
//  2. No lock is ever held: a child forked at any moment finds nothing taken.
//  3. offer() makes no system call except the first of a process, which starts the thread, and the
//     one that finds the ring passing half, which wakes it. While the system has no thread to give,
//     events wait; then offer() and flush() try again, and end() once more.
//  4. After end() the channel takes nothing, and its memory stays: a thread that still tracks while
//     the process exits finds a channel that refuses, never one that is gone.

#include <burgee/event_conversation.hpp>
#include <burgee/event_counts.hpp>
#include <burgee/event_draft.hpp>
#include <burgee/event_encoder.hpp>
#include <burgee/event_process.hpp>
#include <burgee/event_timing.hpp>

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <string_view>

namespace burgee::detail {

/// How a channel is set up; services take the defaults.
struct EventOptions {
    std::uint64_t ring_size_bytes = kEventRingSizeDefault;  ///< rounded up to a power of two
    EventTiming timing;
    std::optional<uid_t> expected_owner = std::nullopt;  ///< as in ClientOptions
};

class EventChannel {
public:
    EventChannel(std::string_view directory, const EventOptions& options) noexcept
        : directory_(copy_of(directory)),
          ring_size_bytes_(power_of_two(options.ring_size_bytes)),
          timing_(options.timing),
          expected_owner_(options.expected_owner),
          process_(directory_ == nullptr ? nullptr : map_event_process(ring_size_bytes_)),
          ring_(process_ == nullptr ? EventRing{} : ring_of(process_, ring_size_bytes_)) {}

    EventChannel(const EventChannel&) = delete;
    EventChannel& operator=(const EventChannel&) = delete;

    ~EventChannel() {
        end();
        if (process_ != nullptr) {
            unmap_event_process(process_, ring_size_bytes_);
        }
    }

    /// Flushes (within EventTiming::exit_flush), ends the thread and gives the ring's memory back;
    /// its addresses stay. Offers are refused from then on. A second call does nothing.
    void end() noexcept {
        // Sequentially consistent, as the stage is: either start_sender() sees this, or
        // stop_sender() sees that a thread is being started.
        if (is_ended_.exchange(true)) {
            return;
        }
        if (process_ != nullptr) {
            stop_sender();
            blank_event_process(process_, ring_size_bytes_);
        }
        EventSocket::close_inherited(shared_fd_);  // A child that never tracked has the parent's.
    }

    /// Whom one client believes another may not, so they share no channel.
    bool serves(std::string_view directory, std::optional<uid_t> expected_owner) const noexcept {
        return directory_ != nullptr && directory == directory_.get() &&
               expected_owner == expected_owner_;
    }

    /// See EventSender::offer().
    bool offer(const EventDraft& draft) noexcept {
        if (!may_offer()) {
            return false;
        }
        std::uint64_t first_exposure = 0;
        EventClass event_class = classify(draft, process_->met, first_exposure);
        if (first_exposure != 0 && process_->told.holds(first_exposure)) {
            event_class = EventClass::kOrdinary;  // evaluate() told it: this one repeats it
        }
        DropReason reason{};
        if (!put(draft, event_class, reason)) {
            count_refused(reason, event_class);
            return false;
        }
        if (first_exposure != 0) {
            process_->met.remember(first_exposure);
        }
        return true;
    }

    /// See EventSender::has_told().
    bool has_told(std::uint64_t hash) const noexcept {
        return process_ != nullptr && process_->told.holds(hash);
    }

    /// See EventSender::tell().
    bool tell(const EventDraft& exposure, std::uint64_t hash) noexcept {
        if (!may_offer()) {
            return false;
        }
        if (!process_->told.claim(hash)) {
            return true;  // another thread tells it
        }
        DropReason reason{};
        const bool is_taken = put(exposure, EventClass::kExposure, reason);
        if (!is_taken) {
            // Every evaluation tries again until it is told: it is one exposure all the same.
            if (process_->refused_exposures.claim(hash)) {
                count_refused(reason, EventClass::kExposure);
            }
            process_->told.give_up(hash);
        }
        return is_taken;
    }

    /// See EventSender::flush().
    FlushResult flush(std::chrono::milliseconds deadline) noexcept {
        FlushResult result;
        if (process_ != nullptr) {
            const std::uint64_t target = ring_.tail();
            const std::int64_t until_ms =
                monotonic_ms() + std::clamp<std::int64_t>(deadline.count(), 0, kFlushMax);
            process_->flush_waiters.fetch_add(1);
            wake_sender(*process_);
            for (;;) {
                const std::uint32_t seen = process_->progress_word.load();
                const std::int64_t left_ms = until_ms - monotonic_ms();
                result.complete = ring_.head() >= target;
                if (result.complete) {
                    break;
                }
                const std::int64_t pause_ms = std::min(left_ms, ensure_sender());
                if (pause_ms <= 0) {
                    break;
                }
                futex_wait(process_->progress_word, seen, pause_ms);
            }
            process_->flush_waiters.fetch_sub(1);
        }
        const EventCounters now = counters();
        result.accepted = now.accepted;
        result.durable = now.acknowledged;
        result.pending = now.in_flight;
        return result;
    }

    /// See EventSender::counters().
    EventCounters counters() const noexcept {
        return read_counters(process_, ring_,
                             refused_without_ring_.load(std::memory_order_relaxed));
    }

    /// In a forked child, from its fork handler: async-signal-safe.
    void forget_parent() noexcept { EventSocket::close_inherited(shared_fd_); }

private:
    /// A year in milliseconds: nobody waits longer, and no sum with it overflows.
    static constexpr std::int64_t kFlushMax = 365LL * 24 * 3'600 * 1'000;

    /// Between two tries to start the sender; chosen by feel. In milliseconds.
    static constexpr std::int64_t kStartPause = 1'000;

    /// Null when there is no memory: a std::string would throw, and so end the service.
    static std::unique_ptr<char[]> copy_of(std::string_view text) noexcept {
        std::unique_ptr<char[]> copy(new (std::nothrow) char[text.size() + 1]);
        if (copy != nullptr) {
            copy[text.copy(copy.get(), text.size())] = 0;
        }
        return copy;
    }

    static std::uint64_t power_of_two(std::uint64_t wanted) noexcept {
        std::uint64_t size = kEventRingSizeMin;
        while (size < wanted && size < (1ULL << 30)) {
            size *= 2;
        }
        return size;
    }

    /// Whether there is a ring and somebody who empties it, starting the sender if need be.
    bool may_offer() noexcept {
        // Relaxed: a stage seen too early only makes prepare_to_offer() look again.
        const bool is_running =
            process_ != nullptr &&
            process_->stage.load(std::memory_order_relaxed) == SenderStage::kRunning;
        return __builtin_expect(static_cast<long>(is_running), 1L) != 0 || prepare_to_offer();
    }

    [[gnu::noinline, gnu::cold]] bool prepare_to_offer() noexcept {
        if (process_ == nullptr || is_ended_.load()) {
            refused_without_ring_.fetch_add(1, std::memory_order_relaxed);
            return false;
        }
        start_sender();
        return true;
    }

    /// Puts the event in the ring, or says why not.
    bool put(const EventDraft& draft, EventClass event_class, DropReason& reason) noexcept {
        if (!is_sendable(draft, reason)) {
            return false;
        }
        const EventRing::Reservation room = ring_.reserve(encoded_size_bytes(draft), event_class);
        if (room.record == nullptr) {
            reason = DropReason::kRingFull;
            return false;
        }
        encode(draft, event_class, room.record);
        if (room.passed_half) {
            wake_sender(*process_);
        }
        return true;
    }

    void count_refused(DropReason reason, EventClass event_class) noexcept {
        process_->refused[static_cast<std::size_t>(reason)][static_cast<std::size_t>(event_class)]
            .fetch_add(1, std::memory_order_relaxed);
    }

    /// For those who wait while events do: tries to start the sender if there is none.
    /// @return for how many milliseconds to wait before the next try; 0 when there will be none.
    std::int64_t ensure_sender() noexcept {
        if (process_->stage.load() == SenderStage::kNone) {
            start_sender();
        }
        const SenderStage stage = process_->stage.load();
        if (stage == SenderStage::kRunning) {
            return std::numeric_limits<std::int64_t>::max();
        }
        if (stage == SenderStage::kNone && is_ended_.load()) {
            return 0;
        }
        // Of a thread that is being started nobody tells those who wait: they look again soon.
        return std::max<std::int64_t>(1, process_->start_again_ms.load() - monotonic_ms());
    }

    /// Starts the sender thread unless somebody did. When the system has no thread to give, events
    /// wait in the ring and the next try is a second later at the earliest.
    [[gnu::noinline, gnu::cold]] void start_sender() noexcept {
        SenderStage none = SenderStage::kNone;
        // On the clock that never steps: after a step back of the other, tries would wait for
        // hours.
        if (process_->start_again_ms.load(std::memory_order_relaxed) > monotonic_ms() ||
            !process_->stage.compare_exchange_strong(none, SenderStage::kStarting)) {
            return;
        }
        if (is_ended_.load()) {
            process_->stage.store(SenderStage::kNone);
            return;
        }
        launch_sender();
    }

    /// Precondition: the caller took the stage from kNone to kStarting. It becomes kRunning, or
    /// kNone when the system has no thread to give. @return whether it runs.
    bool launch_sender() noexcept {
        EventSocket::close_inherited(shared_fd_);  // For children whose fork handlers did not run.
        ring_.describe();
        sigset_t all_signals;
        sigset_t previous;
        sigfillset(&all_signals);
        // The thread inherits the mask: a service's signal handlers never run on it.
        pthread_sigmask(SIG_SETMASK, &all_signals, &previous);
        const int error = pthread_create(
            &process_->thread, nullptr,
            [](void* channel) -> void* {
                static_cast<EventChannel*>(channel)->carry();
                return nullptr;
            },
            this);
        pthread_sigmask(SIG_SETMASK, &previous, nullptr);
        if (error == 0) {
            pthread_setname_np(process_->thread, "burgee-events");
            process_->stage.store(SenderStage::kRunning);
        } else {
            process_->start_again_ms.store(monotonic_ms() + kStartPause);
            process_->stage.store(SenderStage::kNone);
        }
        return error == 0;
    }

    /// Asks the thread to finish, which it does within the exit flush, and waits for it. If there
    /// is none although events wait, it is started first, with one try. Precondition: is_ended_, so
    /// start_sender() starts none any more.
    void stop_sender() noexcept {
        // From now, not from when the thread hears of it: it may be waiting for the daemon.
        const std::int64_t stop_at_ms = monotonic_ms() + timing_.exit_flush;
        SenderStage stage = SenderStage::kNone;
        while (!process_->stage.compare_exchange_strong(stage, SenderStage::kStarting) &&
               stage != SenderStage::kRunning) {
            stage = SenderStage::kNone;
            sched_yield();  // until another thread has started it: microseconds
        }
        if (stage == SenderStage::kNone) {
            if (ring_.head() == ring_.tail()) {
                process_->stage.store(SenderStage::kNone);
                return;
            }
            if (!launch_sender()) {
                return;
            }
        }
        process_->stop_at_ms.store(stop_at_ms, std::memory_order_relaxed);
        // Sequentially consistent, so it releases stop_at_ms to the load in carry().
        process_->stop_wanted.store(1);
        wake_sender(*process_);
        pthread_join(process_->thread, nullptr);
        process_->stage.store(SenderStage::kNone);
    }

    /// The sender thread: steps the conversation and sleeps in between, until asked to stop.
    void carry() noexcept {
        EventConversation conversation(*process_, ring_, {directory_.get(), expected_owner_},
                                       shared_fd_, timing_);
        std::uint64_t head = ring_.head();
        for (;;) {
            const std::uint32_t seen = process_->wake_word.load();
            const bool stopping = process_->stop_wanted.load() != 0;
            const std::int64_t stop_at_ms =
                stopping ? process_->stop_at_ms.load(std::memory_order_relaxed)
                         : std::numeric_limits<std::int64_t>::max();
            const std::int64_t now_ms = monotonic_ms();
            const bool hurried = stopping || process_->flush_waiters.load() != 0;
            const SenderRest rest = conversation.step(now_ms, hurried);
            if (head != ring_.head()) {
                head = ring_.head();
                process_->progress_word.fetch_add(1);
                if (process_->flush_waiters.load() != 0) {
                    futex_wake_all(process_->progress_word);
                }
            }
            if (now_ms >= stop_at_ms || (stopping && conversation.may_stop())) {
                return;
            }
            const std::int64_t timeout_ms =
                stopping ? std::min(rest.timeout_ms, timing_.busy_sleep) : rest.timeout_ms;
            sleep(rest, seen, std::min(timeout_ms, stop_at_ms - now_ms));
        }
    }

    /// Waiting on a socket it does not hear the wake word: a wish to flush or to stop is heard
    /// with the daemon's answer, else after EventTiming::busy_sleep, or idle_sleep when the daemon
    /// has been silent for so long. Shorter waits would cost a silent daemon's clients wake-ups; of
    /// a descriptor to wake it by docs/event_protocol.md, Known limits, tells the price.
    void sleep(const SenderRest& rest, std::uint32_t seen, std::int64_t timeout_ms) noexcept {
        if (rest.fd < 0) {
            futex_wait(process_->wake_word, seen, timeout_ms);
            return;
        }
        pollfd wait{rest.fd, rest.events, 0};
        poll(&wait, 1, static_cast<int>(timeout_ms));
    }

    const std::unique_ptr<char[]> directory_;  ///< null when there was no memory
    const std::uint64_t ring_size_bytes_;
    const EventTiming timing_;
    const std::optional<uid_t> expected_owner_;
    EventProcess* const process_;  ///< null when there was no memory: every offer is refused
    EventRing ring_;
    std::atomic<int> shared_fd_{-1};
    std::atomic<bool> is_ended_{false};
    std::atomic<std::uint64_t> refused_without_ring_{0};  ///< no memory, or after the end
};

}  // namespace burgee::detail
