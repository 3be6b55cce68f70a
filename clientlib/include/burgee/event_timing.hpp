#pragma once

// How long the sender waits for what: its time limits, and the pauses between tries.

#include <burgee/checksum.hpp>

#include <algorithm>
#include <cstdint>

namespace burgee::detail {

/// All in milliseconds. The defaults are what services get; tests shorten the long ones.
struct EventTiming {
    std::int64_t busy_sleep = 10;          ///< while events come; a frame collects for so long
    std::int64_t full_sleep = 1;           ///< while they fill frame after frame
    std::int64_t idle_sleep = 100;         ///< while none do
    std::int64_t welcome_timeout = 2'000;  ///< a daemon greets within microseconds, or it hangs
    std::int64_t stall_timeout = 30'000;   ///< events under way and no decision: try anew
    std::int64_t backoff_min = 50;         ///< before the next try; grows with random steps
    std::int64_t backoff_max = 5'000;      ///< a restarted daemon is found within this
    std::int64_t drop_report_interval = 1'000;
    std::int64_t exit_flush = 500;
};

/// Pauses with decorrelated jitter: between the least and three times the last one, so that the
/// processes of a fleet do not all return at once. Source: Brooker, "Exponential Backoff And
/// Jitter", AWS Architecture Blog, 2015.
class EventBackoff {
public:
    EventBackoff(std::int64_t min_ms, std::int64_t max_ms) noexcept
        : min_ms_(min_ms), max_ms_(max_ms), last_ms_(min_ms) {}

    /// Makes the pauses differ from those of every process with another seed.
    void seed(std::uint64_t seed) noexcept { state_ = seed; }

    /// The next pause in milliseconds.
    std::int64_t next() noexcept {
        state_ = hash64(&state_, sizeof state_);
        const auto span =
            static_cast<std::uint64_t>(std::max<std::int64_t>(1, last_ms_ * 3 - min_ms_ + 1));
        last_ms_ = std::min(max_ms_, min_ms_ + static_cast<std::int64_t>(state_ % span));
        return last_ms_;
    }

    /// After a success: the next pause is a short one.
    void reset() noexcept { last_ms_ = min_ms_; }

private:
    std::int64_t min_ms_;
    std::int64_t max_ms_;
    std::int64_t last_ms_;
    std::uint64_t state_ = 0;
};

}  // namespace burgee::detail
