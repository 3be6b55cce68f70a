#pragma once

// When the sender may begin a frame, and how long it sleeps when nothing else wakes it. Used by
// EventConversation alone; it knows no socket and reads no clock.
//
// A frame a round trip would cost the sender, the daemon and its disk a wake-up for every few
// events. So a frame that has room left waits until EventTiming::busy_sleep after the last one,
// and what comes meanwhile travels in it. A full one has nothing to wait for.

#include <burgee/event_timing.hpp>

#include <cstdint>
#include <limits>

namespace burgee::detail {

class EventPace {
public:
    explicit EventPace(const EventTiming& timing) noexcept : timing_(timing) {}

    /// Whether a frame with room left has collected for long enough.
    bool is_due(std::int64_t now_ms) const noexcept {
        return now_ms - sent_at_ms_ >= timing_.busy_sleep;
    }

    /// Notes that a frame went out; `is_full`: it left no room for the next event.
    void note_sent(std::int64_t now_ms, bool is_full) noexcept {
        sent_at_ms_ = now_ms;
        full_at_ms_ = is_full ? now_ms : full_at_ms_;
    }

    /// When a frame last went out; long ago when none did.
    std::int64_t sent_at_ms() const noexcept { return sent_at_ms_; }

    /// For how long to wait for events, in milliseconds, at least 1: until the next frame is due.
    /// While full frames come, that is no measure: a ring that fills within it would be full.
    std::int64_t rest_ms(std::int64_t now_ms) const noexcept {
        if (now_ms - sent_at_ms_ >= timing_.idle_sleep) {
            return timing_.idle_sleep;
        }
        if (now_ms - full_at_ms_ < timing_.busy_sleep) {
            return timing_.full_sleep;
        }
        return is_due(now_ms) ? timing_.busy_sleep : sent_at_ms_ + timing_.busy_sleep - now_ms;
    }

private:
    /// Half the range, so that no difference to a time overflows.
    static constexpr std::int64_t kLongAgo = std::numeric_limits<std::int64_t>::min() / 2;

    const EventTiming& timing_;
    std::int64_t sent_at_ms_ = kLongAgo;
    std::int64_t full_at_ms_ = kLongAgo;  ///< when a full frame last went out
};

}  // namespace burgee::detail
