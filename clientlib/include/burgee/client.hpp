#pragma once

// The client: the one header a service includes. Flags are read from the snapshot that burgeed
// publishes in a directory of this host; a check takes no lock, allocates nothing, makes no system
// call and needs nobody alive on the other side. docs/client.md shows how to use it.
//
// Never throws, never blocks, never asserts on bytes it did not write. Whatever is missing or
// broken, the answer is the caller's default, or the last good snapshot, with a reason.

#include <burgee/client_status.hpp>
#include <burgee/evaluation.hpp>
#include <burgee/event_sender.hpp>
#include <burgee/snapshot.hpp>
#include <burgee/tracking.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace burgee {

/// Who tells that a unit met its variant.
enum class Exposure : std::uint8_t {
    kManual = 0,  ///< the caller, by track(evaluation, "impression", ...)
    kAutomatic =
        1,  ///< evaluate(), once for each (experiment, phase, variant, unit) of the process
};

struct ClientOptions {
    /// Where burgeed publishes; at most kDirectorySizeMax bytes.
    std::string directory = "/run/burgee";
    /// Who owns the directory, if that is known. Root and ourselves are always believed; by default
    /// also whoever owns a directory whose parent only root can write.
    std::optional<uid_t> expected_owner = std::nullopt;
    /// Who tells exposures, unless a Flag says otherwise. See docs/client.md, Exposures.
    Exposure exposure = Exposure::kManual;
};

class ScopeTimer;

/// Answers for one directory. Make one for the process and share it; up to kClientsMax may live at
/// once, further ones answer NOT_READY. Outlives the Flags made with it; Snapshots may outlive it.
///
/// Thread safety: every member from any thread, and in a forked child.
/// Cost: a check is a few nanoseconds; what is slower says so.
class Client {
public:
    /// Attaches if it can; otherwise a check tries again at most every 100 ms.
    explicit Client(const ClientOptions& options = {}) noexcept
        : slot_(take_slot(options)),
          state_(detail::client_states[slot_]),
          exposure_(options.exposure),
          sender_(options.directory, event_options(options)) {
        (void)view();
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() { give_slot_back(); }

    /// Whether the flag `name` is on for `context`; `fallback` when there is no snapshot or no
    /// flag.
    bool is_enabled(std::string_view name, const Context& context,
                    bool fallback = false) const noexcept {
        const SnapshotView* view = this->view();
        if (view == nullptr) {
            return fallback;
        }
        return detail::answer_or(*view, view->find(hash64(name)), context, fallback).is_enabled;
    }

    /// The whole answer. Its views are valid while it lives; it stays on this thread.
    /// With Exposure::kAutomatic it also tells, the first time, that the unit met its variant. That
    /// costs what track() costs; afterwards some 20 ns, but no lock, no allocation and no system
    /// call.
    Evaluation evaluate(std::string_view name, const Context& context,
                        bool fallback = false) const noexcept {
        const SnapshotView* view = this->view();
        if (view == nullptr) {
            return Evaluation(fallback);
        }
        return answer(*view, view->find(hash64(name)), context, fallback, exposure_);
    }

    /// One consistent generation, for as long as the caller keeps it and on any thread.
    Snapshot pin() const noexcept {
        if (view() == nullptr) {
            return {};
        }
        detail::SnapshotMapping* mapping = pin_of_thread().hold->mapping;
        mapping->acquire();
        return Snapshot(mapping);
    }

    /// The generation this thread answers from now; 0 = none.
    std::uint64_t generation() const noexcept {
        const SnapshotView* view = this->view();
        return view == nullptr ? 0 : view->header().generation;
    }

    /// Waits until this thread answers from `generation` or a later one.
    /// @return  false when `timeout` ran out first. Looks every 200 microseconds.
    bool wait_for_generation(std::uint64_t generation,
                             std::chrono::milliseconds timeout) const noexcept {
        const auto deadline = std::chrono::steady_clock::now() + timeout;
        while (this->generation() < generation) {
            if (std::chrono::steady_clock::now() >= deadline) {
                return false;
            }
            const timespec pause{0, 200'000};
            ::nanosleep(&pause, nullptr);
        }
        return true;
    }

    /// How the client stands. Notices a directory that was made anew. Cost: some microseconds.
    ClientStatus status() const noexcept { return detail::read_status(state_, pin_of_thread()); }

    /// Gives up what this thread has pinned, so that an idle thread keeps no old snapshot mapped.
    /// Its next question pins again; Evaluations it still has stay valid.
    void release_thread() const noexcept { detail::drop(pin_of_thread()); }

    /// Tells what happened to the unit of `evaluation`: "impression" when it met its variant,
    /// "conversion", "error", "response_time_ms", or any metric of your own.
    ///
    /// @param metric         1 .. kEventTextSizeMax bytes
    /// @param value          finite; 1 for what is only counted
    /// @param context        that of the evaluation, so that the unit is the same
    /// @param metadata_json  a JSON object of at most kMetadataSizeMax bytes, or empty
    /// @return  whether the event was taken. If not, counters() says why: above all, when the flag
    ///          has no active experiment there is nothing to measure.
    /// Thread safety: any thread; not async-signal-safe. Cost: some 60 ns, no system call but for
    /// the process's first event and one wake-up per half full ring.
    bool track(const Evaluation& evaluation, std::string_view metric, double value,
               const Context& context, std::string_view metadata_json = {}) noexcept {
        detail::TrackedEvent event(evaluation, context);
        return sender_.offer(event.measured(metric, value, metadata_json));
    }

    /// The same for an experiment and a variant that are known by name.
    bool track(const ExperimentRef& experiment, std::string_view metric, double value,
               const Context& context, std::string_view metadata_json = {}) noexcept {
        detail::TrackedEvent event(experiment, context);
        return sender_.offer(event.measured(metric, value, metadata_json));
    }

    /// Measures until the end of the scope and tracks the milliseconds. All three arguments must
    /// outlive the timer.
    [[nodiscard]] ScopeTimer time(const Evaluation& evaluation, BorrowedText metric,
                                  const Context& context) noexcept;
    ScopeTimer time(const Evaluation&& evaluation, BorrowedText metric,
                    const Context& context) = delete;
    ScopeTimer time(const Evaluation& evaluation, BorrowedText metric,
                    const Context&& context) = delete;

    /// Waits until every event tracked so far is durable on this host, or refused, at most
    /// `deadline`.
    FlushResult flush(std::chrono::milliseconds deadline) noexcept {
        return sender_.flush(deadline);
    }

    /// What became of this process's events.
    EventCounters counters() const noexcept { return sender_.counters(); }

private:
    friend class Flag;

    detail::ThreadPin& pin_of_thread() const noexcept { return detail::thread_pins[slot_]; }
    const SnapshotView* view() const noexcept {
        return detail::current_view(state_, pin_of_thread());
    }

    Evaluation answer(const SnapshotView& view, const FlagRecord* flag, const Context& context,
                      bool fallback, Exposure exposure) const noexcept {
        Evaluation evaluation(pin_of_thread().hold, &view, flag,
                              detail::answer_or(view, flag, context, fallback));
        if (exposure == Exposure::kAutomatic && evaluation.in_experiment()) {
            tell(evaluation, context);
        }
        return evaluation;
    }

    /// Tells the exposure, unless this process has. Without an active experiment, or without a
    /// unit, there is none.
    void tell(const Evaluation& evaluation, const Context& context) const noexcept {
        const Experiment experiment = evaluation.experiment();
        const Unit unit = evaluation.unit(context);
        if (!experiment.exists() || !unit.exists()) {
            return;
        }
        const std::uint64_t hash = detail::exposure_hash(
            {experiment.id, experiment.phase, unit.kind(), evaluation.variant(), unit.text()});
        if (__builtin_expect(static_cast<long>(sender_.has_told(hash)), 1L) == 0) {
            tell_first(evaluation, context, hash);
        }
    }

    [[gnu::noinline]] void tell_first(const Evaluation& evaluation, const Context& context,
                                      std::uint64_t hash) const noexcept {
        detail::TrackedEvent event(evaluation, context);
        (void)sender_.tell(event.exposure(), hash);  // counters() has it when it was refused
    }

    static std::uint32_t take_slot(const ClientOptions& options) noexcept {
        for (std::uint32_t slot = 0; slot < kClientsMax; ++slot) {
            bool is_used = false;
            detail::ClientState& state = detail::client_states[slot];
            if (state.is_used.compare_exchange_strong(is_used, true, std::memory_order_acq_rel)) {
                prepare(state, options);
                return slot;
            }
        }
        refuse(detail::client_states[detail::kOverflowSlot], AttachError::kTooManyClients);
        return detail::kOverflowSlot;
    }

    static detail::EventOptions event_options(const ClientOptions& options) noexcept {
        detail::EventOptions events;
        events.expected_owner = options.expected_owner;
        return events;
    }

    static void prepare(detail::ClientState& state, const ClientOptions& options) noexcept {
        const std::uint64_t serial = detail::next_serial.fetch_add(1, std::memory_order_relaxed);
        state.client_serial.store(serial, std::memory_order_relaxed);
        state.attachment.store(serial, std::memory_order_relaxed);
        state.expected_owner = options.expected_owner;
        state.retry_at_ms.store(0, std::memory_order_relaxed);
        state.failed_count.store(0, std::memory_order_relaxed);
        state.error.store(AttachError::kNone, std::memory_order_relaxed);
        if (options.directory.size() > kDirectorySizeMax) {
            refuse(state, AttachError::kDirectoryTooLong);
            return;
        }
        options.directory.copy(state.directory.data(), kDirectorySizeMax);
        state.directory[options.directory.size()] = '\0';
    }

    /// Leaves a state that never becomes ready.
    static void refuse(detail::ClientState& state, AttachError error) noexcept {
        state.attachment.store(UINT64_MAX, std::memory_order_relaxed);
        state.retry_at_ms.store(INT64_MAX, std::memory_order_relaxed);
        state.error.store(error, std::memory_order_relaxed);
    }

    void give_slot_back() noexcept {
        if (slot_ == detail::kOverflowSlot) {
            return;
        }
        release_thread();
        detail::SnapshotMapping* current =
            state_.current.exchange(nullptr, std::memory_order_acq_rel);
        if (current != nullptr) {
            current->release();
        }
        state_.announced.store(&detail::kNoGeneration, std::memory_order_relaxed);
        state_.client_serial.store(0, std::memory_order_relaxed);
        const ControlPage* page = state_.control.exchange(nullptr, std::memory_order_relaxed);
        if (page != nullptr) {
            ::munmap(const_cast<ControlPage*>(page), kControlSizeBytes);
        }
        state_.heartbeat_seen_ms.store(0, std::memory_order_relaxed);
        state_.is_used.store(false, std::memory_order_release);
    }

    const std::uint32_t slot_;
    detail::ClientState& state_;
    const Exposure exposure_;
    detail::EventSender sender_;
};

/// Tracks the milliseconds of its own life, by the steady clock; from Client::time().
class ScopeTimer {
public:
    ScopeTimer(const ScopeTimer&) = delete;
    ScopeTimer& operator=(const ScopeTimer&) = delete;
    ~ScopeTimer() {
        client_.track(evaluation_, metric_, detail::milliseconds_since(begin_), context_);
    }

private:
    friend class Client;
    ScopeTimer(Client& client, const Evaluation& evaluation, std::string_view metric,
               const Context& context) noexcept
        : client_(client), evaluation_(evaluation), metric_(metric), context_(context) {}

    Client& client_;
    const Evaluation& evaluation_;
    const std::string_view metric_;
    const Context& context_;
    const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

inline ScopeTimer Client::time(const Evaluation& evaluation, BorrowedText metric,
                               const Context& context) noexcept {
    return ScopeTimer(*this, evaluation, metric.view(), context);
}

/// A flag resolved once: its name is hashed here, and its place in the snapshot is remembered, so
/// that a check finds it without searching. After a publish that moved it, it finds itself again.
///
/// Thread safety: as Client; share one. Precondition: the Client outlives it.
/// Cost: an on/off check is about 3 ns.
class Flag {
public:
    /// Exposures are told as the client's options say.
    Flag(const Client& client, std::string_view name) noexcept
        : Flag(client, name, client.exposure_) {}
    Flag(const Client& client, std::string_view name, Exposure exposure) noexcept
        : client_(client), name_hash_(hash64(name)), exposure_(exposure) {}
    Flag(const Flag& other) noexcept
        : client_(other.client_),
          name_hash_(other.name_hash_),
          exposure_(other.exposure_),
          number_(other.number()) {}
    Flag& operator=(const Flag&) = delete;

    /// See Client::is_enabled().
    bool is_enabled(const Context& context, bool fallback = false) const noexcept {
        const SnapshotView* view = client_.view();
        if (view == nullptr) {
            return fallback;
        }
        return detail::answer_or(*view, find(*view), context, fallback).is_enabled;
    }

    /// See Client::evaluate().
    Evaluation evaluate(const Context& context, bool fallback = false) const noexcept {
        const SnapshotView* view = client_.view();
        if (view == nullptr) {
            return Evaluation(fallback);
        }
        return client_.answer(*view, find(*view), context, fallback, exposure_);
    }

private:
    std::uint32_t number() const noexcept { return number_.load(std::memory_order_relaxed); }

    const FlagRecord* find(const SnapshotView& view) const noexcept {
        // A hint only: whatever the number says, the record must carry our hash.
        const FlagRecord* hinted = view.flag(number());
        const bool is_hit = hinted != nullptr && hinted->name_hash == name_hash_;
        return __builtin_expect(static_cast<long>(is_hit), 1L) != 0 ? hinted : search(view);
    }

    [[gnu::noinline]] const FlagRecord* search(const SnapshotView& view) const noexcept {
        const FlagRecord* flag = view.find(name_hash_);
        if (flag != nullptr) {
            number_.store(static_cast<std::uint32_t>(flag - view.flag(0)),
                          std::memory_order_relaxed);
        }
        return flag;
    }

    const Client& client_;
    const std::uint64_t name_hash_;
    const Exposure exposure_;
    mutable std::atomic<std::uint32_t> number_{0};
};

/// Calls `on` if the flag is on for `context`, else `off`, and returns what it returned.
template <typename On, typename Off>
decltype(auto) gated(const Flag& flag, const Context& context, On&& on, Off&& off) {
    return flag.is_enabled(context) ? std::forward<On>(on)() : std::forward<Off>(off)();
}

}  // namespace burgee
