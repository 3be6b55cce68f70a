#pragma once

// One flag's answer for one context, with the snapshot it came from kept alive behind it.

#include <burgee/config.hpp>
#include <burgee/evaluate.hpp>
#include <burgee/reason.hpp>
#include <burgee/thread_pin.hpp>

#include <array>
#include <cassert>
#include <cstdint>
#include <string_view>
#include <utility>

namespace burgee {

/// The active experiment an answer belongs to.
struct Experiment {
    std::array<std::uint8_t, 16> id{};  ///< uuid, bytes in text order
    std::uint32_t phase = 0;            ///< 1, 2, ...; 0 = there is no active experiment
    std::string_view name;              ///< lives as long as the Evaluation
    std::int64_t start_unix_ms = 0;     ///< events before it do not count

    bool exists() const noexcept { return phase != 0; }
};

namespace detail {

/// Keeps a snapshot mapped: for the asking thread by a plain count, for others by an atomic one.
class SnapshotPin {
public:
    SnapshotPin() noexcept = default;
    explicit SnapshotPin(ThreadHold* hold) noexcept : hold_(hold) {
        if (hold_ != nullptr) {
            ++hold_->count;
        }
    }
    explicit SnapshotPin(SnapshotMapping* mapping) noexcept : mapping_(mapping) {
        if (mapping_ != nullptr) {
            mapping_->acquire();
        }
    }
    SnapshotPin(SnapshotPin&& other) noexcept
        : hold_(std::exchange(other.hold_, nullptr)),
          mapping_(std::exchange(other.mapping_, nullptr)) {}
    SnapshotPin& operator=(SnapshotPin&& other) noexcept {
        std::swap(hold_, other.hold_);
        std::swap(mapping_, other.mapping_);
        return *this;
    }
    ~SnapshotPin() {
        if (hold_ != nullptr) {
            assert(hold_->thread == thread_identity() && "an Evaluation must stay on its thread");
            release(hold_);
        } else if (mapping_ != nullptr) {
            mapping_->release();
        }
    }

private:
    ThreadHold* hold_ = nullptr;
    SnapshotMapping* mapping_ = nullptr;
};

}  // namespace detail

/// An answer and everything that hangs on it. It moves but does not copy. One that came from a
/// Client or a Flag stays on the thread that asked (asserted in debug builds); one that came from a
/// Snapshot may go anywhere. Views it returns live as long as it does, which is why they cannot be
/// taken from a temporary.
class Evaluation {
public:
    /// What a caller without a snapshot gets: `enabled`, and NOT_READY.
    explicit Evaluation(bool enabled = false) noexcept
        : answer_{0, Reason::kNotReady, enabled, false} {}

    /// Whether the flag is on; for an ab_test flag, whether the unit takes part.
    bool enabled() const noexcept { return answer_.is_enabled; }
    explicit operator bool() const noexcept { return enabled(); }

    Reason reason() const noexcept { return answer_.reason; }

    /// Whether the variant was drawn by chance. False without a variant, and when it was given by
    /// hand: events of such units are kept, and left out of results.
    bool in_experiment() const noexcept { return answer_.in_experiment; }

    /// The variant's name; empty unless an ab_test flag is on.
    std::string_view variant() const& noexcept {
        const VariantRecord* record = variant_record();
        return record == nullptr ? std::string_view() : view_->name(*record);
    }
    std::string_view variant() const&& = delete;

    /// The variant's configuration; gives defaults only when there is no variant.
    Config config() const& noexcept {
        const VariantRecord* record = variant_record();
        return record == nullptr ? Config() : Config(*view_, record);
    }
    Config config() const&& = delete;

    /// The flag's active experiment, if it has one.
    Experiment experiment() const& noexcept {
        const ExperimentRecord* record = experiment_record();
        if (record == nullptr) {
            return {};
        }
        return {record->id, record->phase, view_->text(record->name_offset, record->name_size),
                record->start_unix_ms};
    }
    Experiment experiment() const&& = delete;

    /// The flag's name as the snapshot has it; empty when it is not there.
    std::string_view name() const& noexcept {
        return flag_ == nullptr ? std::string_view() : view_->name(*flag_);
    }
    std::string_view name() const&& = delete;

    /// The committed change in Postgres that the snapshot contains; 0 without a snapshot.
    std::uint64_t revision() const noexcept {
        return view_ == nullptr ? 0 : view_->header().revision;
    }
    /// The change that last touched this flag; 0 when it is not there.
    std::uint64_t flag_revision() const noexcept { return flag_ == nullptr ? 0 : flag_->revision; }
    /// The snapshot's number on this host; 0 without a snapshot.
    std::uint64_t generation() const noexcept {
        return view_ == nullptr ? 0 : view_->header().generation;
    }

    /// Who was, or would be, bucketed for this flag in `context`.
    Unit unit(const Context& context) const noexcept {
        if (flag_ == nullptr) {
            return Unit(context.unit());
        }
        return Unit(find_unit_attribute(*view_, find_targeting(*view_, *flag_), context));
    }

private:
    friend class Client;
    friend class Flag;
    friend class Snapshot;

    template <typename Owner>
    Evaluation(Owner* owner, const SnapshotView* view, const FlagRecord* flag,
               Answer answer) noexcept
        : pin_(owner), view_(view), flag_(flag), answer_(answer) {}

    const VariantRecord* variant_record() const noexcept {
        return answer_.variant == 0 ? nullptr : view_->variant(answer_.variant - 1);
    }
    const ExperimentRecord* experiment_record() const noexcept {
        return flag_ == nullptr || flag_->experiment == 0
                   ? nullptr
                   : view_->experiment(flag_->experiment - 1);
    }

    detail::SnapshotPin pin_;
    const SnapshotView* view_ = nullptr;  // null = there was no snapshot
    const FlagRecord* flag_ = nullptr;    // null = the snapshot has no such flag
    Answer answer_;
};

namespace detail {

/// The answer for a flag that may be missing.
inline Answer answer_or(const SnapshotView& view, const FlagRecord* flag, const Context& context,
                        bool fallback) noexcept {
    return flag == nullptr ? answer_of(fallback, Reason::kFlagNotFound)
                           : burgee::evaluate(view, *flag, context);
}

}  // namespace detail
}  // namespace burgee
