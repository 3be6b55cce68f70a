#pragma once

// What the daemon is told of events that it never got: totals by reason and class since the session
// began, in every frame. Plain bookkeeping of the sender thread: no socket, no clock.
//
// Invariants
//  1. No total ever falls, so equal sums mean equal tables.
//  2. What was told counts as kept only once the daemon said so; until then it may be told again.

#include <burgee/event_draft.hpp>
#include <burgee/event_process.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace burgee::detail {

class DropAccount {
public:
    explicit DropAccount(EventProcess& process) noexcept : process_(process) {}

    void add_lost(DropReason reason, EventClass event_class, std::uint64_t count) noexcept {
        auto& classes = process_.lost[static_cast<std::size_t>(reason)];
        // Release: pairs with the acquire in copy_drops(), as in
        // EventConversation::take_durable().
        classes[static_cast<std::size_t>(event_class) % kEventClassCount].fetch_add(
            count, std::memory_order_release);
    }

    /// The process's drops by now, over all sessions.
    DropTable totals() const noexcept {
        DropTable totals{};
        for (std::size_t reason = 0; reason < kDropReasonCount; ++reason) {
            for (std::size_t column = 0; column < kEventClassCount; ++column) {
                totals[reason][column] =
                    process_.refused[reason][column].load(std::memory_order_relaxed) +
                    process_.lost[reason][column].load(std::memory_order_relaxed);
            }
        }
        return totals;
    }

    /// What a frame says when the drops are `totals`.
    DropTable since_session_began(const DropTable& totals) const noexcept {
        DropTable since{};
        for (std::size_t reason = 0; reason < kDropReasonCount; ++reason) {
            for (std::size_t column = 0; column < kEventClassCount; ++column) {
                since[reason][column] = totals[reason][column] - session_base_[reason][column];
            }
        }
        return since;
    }

    /// Whether the daemon has not been told of all, or may not have heard it.
    bool has_news() const noexcept { return must_repeat_ || totals() != told_; }

    /// A frame that tells `totals` went out.
    void note_told(const DropTable& totals) noexcept {
        is_confirmed_ = is_confirmed_ && totals == told_;
        must_repeat_ = false;
        told_ = totals;
    }

    /// The daemon keeps totals that add up to `sum`, modulo 2^32.
    void hear_kept(std::uint32_t sum) noexcept {
        const auto told_sum = static_cast<std::uint32_t>(total(told_) - total(session_base_));
        is_confirmed_ = is_confirmed_ || sum == told_sum;
    }

    /// Frames may have been lost or refused: what is not confirmed is told once more.
    void doubt() noexcept { must_repeat_ = must_repeat_ || !is_confirmed_; }

    /// What the old session told is told.
    void begin_session() noexcept {
        session_base_ = told_;
        is_confirmed_ = true;
        must_repeat_ = false;
    }

private:
    EventProcess& process_;
    bool is_confirmed_ = true;  ///< what this session told is on the daemon's disk
    bool must_repeat_ = false;  ///< it may never have arrived
    DropTable told_{};          ///< totals in the last frame that went out
    DropTable session_base_{};  ///< totals that earlier sessions told
};

}  // namespace burgee::detail
