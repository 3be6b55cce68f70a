#pragma once

// From an answer to a measurement: fills the draft that the event side encodes, and measures
// scopes.

#include <burgee/evaluation.hpp>
#include <burgee/event_draft.hpp>
#include <burgee/event_encoder.hpp>
#include <burgee/experiment_ref.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string_view>

namespace burgee::detail {

/// One measurement on the caller's stack. It keeps the digits of integer ids, to which the draft's
/// views point, so it neither moves nor copies.
class TrackedEvent {
public:
    /// The unit is the one that `evaluation` bucketed. Without an active experiment, or without a
    /// variant, the draft names no experiment and is counted instead of sent.
    TrackedEvent(const Evaluation& evaluation, const Context& context) noexcept
        : user_(usable(context.user_id())),
          session_(usable(context.session_id())),
          unit_(evaluation.unit(context)) {
        const Experiment experiment = evaluation.experiment();
        draft_.variant = evaluation.variant();
        if (experiment.exists() && !draft_.variant.empty()) {
            draft_.experiment_id = experiment.id;
            draft_.phase = experiment.phase;
            start_unix_ms_ = experiment.start_unix_ms;
        }
        draft_.in_experiment = evaluation.in_experiment();
        fill_ids();
    }

    /// The unit is user_id, else session_id.
    TrackedEvent(const ExperimentRef& experiment, const Context& context) noexcept
        : user_(usable(context.user_id())),
          session_(usable(context.session_id())),
          unit_(context.unit()) {
        draft_.experiment_id = experiment.id;
        draft_.phase = experiment.phase;
        draft_.variant = experiment.variant;
        fill_ids();
    }
    TrackedEvent(const TrackedEvent&) = delete;
    TrackedEvent& operator=(const TrackedEvent&) = delete;

    /// The impression that evaluate() tells by itself. It is told once, so a clock that is behind
    /// must not put it before the experiment, which runs by the database's clock.
    const EventDraft& exposure() noexcept {
        draft_.is_automatic = true;
        draft_.created_unix_ms = std::max(coarse_unix_ms(), start_unix_ms_);
        return measured("impression", 1, {});
    }

    const EventDraft& measured(std::string_view metric, double value,
                               std::string_view metadata_json) noexcept {
        draft_.metric = metric;
        draft_.value = value;
        draft_.metadata = metadata_json;
        return draft_;
    }

private:
    static const Attribute* usable(const Attribute* attribute) noexcept {
        return attribute != nullptr && attribute->can_be_unit() ? attribute : nullptr;
    }

    /// An id over its limit is left out unless it is the unit: a conversion must not be lost for a
    /// text that results never look at. A unit over the limit stays, and is_sendable() refuses it.
    void fill_ids() noexcept {
        draft_.unit_kind = unit_.kind();
        if (user_.text().size() <= kEventTextSizeMax || draft_.unit_kind == UnitKind::kUserId) {
            draft_.user_id = user_.text();
        }
        if (session_.text().size() <= kEventTextSizeMax ||
            draft_.unit_kind == UnitKind::kSessionId) {
            draft_.session_id = session_.text();
        }
        if (draft_.unit_kind == UnitKind::kOther) {
            draft_.unit = unit_.text();
        }
    }

    Unit user_;
    Unit session_;
    Unit unit_;
    EventDraft draft_;
    std::int64_t start_unix_ms_ = 0;
};

/// Milliseconds from `begin` to now, with fractions.
inline double milliseconds_since(std::chrono::steady_clock::time_point begin) noexcept {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
        .count();
}

}  // namespace burgee::detail
