#pragma once

// Which events of the ring have which number, which are under way, and which are decided. Plain
// bookkeeping of the sender thread: no socket, no clock.
//
// Invariants
//  1. Numbers start at 1 in a session, are given in ring order when an event is first framed, and
//     are never skipped: event n is the n-th event after the session began.
//  2. decided_seq < next_seq <= sent_seq + 1. What is decided stays in the ring until give_back():
//     whoever sees that it has left must find it counted.
//  3. next_seq - 1 - decided_seq <= kUndecidedEventsMax; more is not framed before some are
//     decided.

#include <burgee/event_draft.hpp>
#include <burgee/event_ring.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace burgee::detail {

inline constexpr std::uint64_t kUndecidedEventsMax = 4ULL * kBatchEventsMax;  // four full frames
inline constexpr std::uint32_t kFramesUnderWayMax = 64;  // chosen by feel; daemons grant 4

class EventWindow {
public:
    /// Some events in a row: numbers, and where they lie in the ring, in one piece.
    struct Run {
        std::uint64_t first_seq = 0;
        std::uint32_t count = 0;
        const std::byte* bytes = nullptr;
        std::uint32_t size_bytes = 0;
        std::uint64_t end_position = 0;
        bool is_full = false;  ///< what comes next does not fit the same frame
    };

    explicit EventWindow(EventRing ring) noexcept
        : ring_(ring), decided_position_(ring.head()), next_position_(ring.head()) {}

    std::uint64_t decided_seq() const noexcept { return decided_seq_; }
    std::uint64_t next_seq() const noexcept { return next_seq_; }
    std::uint64_t sent_seq() const noexcept { return sent_seq_; }
    std::uint32_t frames_under_way() const noexcept { return frame_count_; }
    bool has_undecided() const noexcept { return next_seq_ - 1 > decided_seq_; }
    bool is_over_half() const noexcept { return ring_.is_over_half(); }
    bool has_unsent() const noexcept { return ring_.find(next_position_).record != nullptr; }

    /// The next events to send, as many as fit `size_bytes_max`. An empty run when there are none,
    /// or when too much is under way. A run ends where the ring wraps, so it is one piece.
    Run next_run(std::uint32_t size_bytes_max) const noexcept {
        Run run;
        run.first_seq = next_seq_;
        if (frame_count_ == kFramesUnderWayMax) {
            return run;
        }
        const std::uint64_t room = kUndecidedEventsMax - (next_seq_ - 1 - decided_seq_);
        const auto count_max =
            static_cast<std::uint32_t>(std::min<std::uint64_t>(room, kBatchEventsMax));
        std::uint64_t position = next_position_;
        while (run.count < count_max) {
            const EventRing::Found found = ring_.find(position);
            const bool wraps = run.count != 0 && found.record != run.bytes + run.size_bytes;
            if (found.record == nullptr) {
                break;
            }
            if (wraps || run.size_bytes + found.size_bytes > size_bytes_max) {
                run.is_full = true;
                break;
            }
            if (run.count == 0) {
                run.bytes = found.record;
            }
            ++run.count;
            run.size_bytes += found.size_bytes;
            position = found.position + found.size_bytes;
        }
        run.is_full = run.is_full || run.count == count_max;
        run.end_position = position;
        return run;
    }

    /// Notes that `run`, just given by next_run(), went out as one frame.
    void note_sent(const Run& run) noexcept {
        next_seq_ += run.count;
        next_position_ = run.end_position;
        sent_seq_ = std::max(sent_seq_, next_seq_ - 1);
        frame_ends_[(frame_first_ + frame_count_) % kFramesUnderWayMax] = next_seq_ - 1;
        ++frame_count_;
    }

    /// Notes that everything up to `durable_seq` is decided. `acknowledged` is how many of those
    /// the daemon keeps: refused ones were counted when they were refused. The caller counts them,
    /// then calls give_back().
    /// @return false when that number was never sent: the daemon's word means nothing.
    bool acknowledge(std::uint64_t durable_seq, std::uint64_t& acknowledged) noexcept {
        acknowledged = 0;
        if (durable_seq > sent_seq_) {
            return false;
        }
        if (durable_seq <= decided_seq_) {
            return true;
        }
        while (decided_seq_ < durable_seq) {
            acknowledged += take_refusal(decided_seq_ + 1) ? 0U : 1U;
            const EventRing::Found found = ring_.find(decided_position_);
            decided_position_ = found.position + found.size_bytes;
            ++decided_seq_;
        }
        if (next_seq_ <= decided_seq_) {
            next_seq_ = decided_seq_ + 1;
            next_position_ = decided_position_;
        }
        while (frame_count_ != 0 && frame_ends_[frame_first_] <= decided_seq_) {
            frame_first_ = (frame_first_ + 1) % kFramesUnderWayMax;
            --frame_count_;
        }
        return true;
    }

    /// Notes that the daemon refuses event `seq` for good; it stays in the ring until its number is
    /// acknowledged. @return false when `seq` is not under way or is refused already.
    bool refuse(std::uint64_t seq, EventClass& event_class) noexcept {
        if (seq <= decided_seq_ || seq > sent_seq_ || is_refused(seq)) {
            return false;
        }
        EventRing::Found found{};
        std::uint64_t position = decided_position_;
        for (std::uint64_t at = decided_seq_; at < seq; ++at) {
            found = ring_.find(position);
            position = found.position + found.size_bytes;
        }
        event_class = found.event_class;
        refused_bits_[word_of(seq)] |= bit_of(seq);
        return true;
    }

    /// Sends everything undecided again, from the first.
    void rewind() noexcept {
        next_seq_ = decided_seq_ + 1;
        next_position_ = decided_position_;
        frame_count_ = 0;
    }

    /// Gives up what was sent and not decided, adds it to `lost` by class, and starts a session.
    /// The caller counts it, then calls give_back().
    void expire(std::array<std::uint64_t, kEventClassCount>& lost) noexcept {
        while (decided_seq_ < sent_seq_) {
            const EventRing::Found found = ring_.find(decided_position_);
            if (!take_refusal(decided_seq_ + 1)) {
                ++lost[static_cast<std::size_t>(found.event_class) % kEventClassCount];
            }
            decided_position_ = found.position + found.size_bytes;
            ++decided_seq_;
        }
        decided_seq_ = 0;
        sent_seq_ = 0;
        rewind();
    }

    /// Lets what is decided leave the ring.
    void give_back() noexcept { ring_.release(decided_position_); }

private:
    static std::size_t word_of(std::uint64_t seq) noexcept {
        return seq % kUndecidedEventsMax / 64;
    }
    static std::uint64_t bit_of(std::uint64_t seq) noexcept { return 1ULL << (seq % 64); }

    bool is_refused(std::uint64_t seq) const noexcept {
        return (refused_bits_[word_of(seq)] & bit_of(seq)) != 0;
    }
    bool take_refusal(std::uint64_t seq) noexcept {
        const bool refused = is_refused(seq);
        refused_bits_[word_of(seq)] &= ~bit_of(seq);
        return refused;
    }

    EventRing ring_;
    std::uint64_t decided_seq_ = 0;
    std::uint64_t decided_position_;  ///< of the first undecided event, or padding before it
    std::uint64_t next_seq_ = 1;
    std::uint64_t next_position_;
    std::uint64_t sent_seq_ = 0;  ///< the highest number that ever went out in this session
    std::array<std::uint64_t, kUndecidedEventsMax / 64> refused_bits_{};
    std::array<std::uint64_t, kFramesUnderWayMax> frame_ends_{};  ///< last number of each frame
    std::uint32_t frame_first_ = 0;
    std::uint32_t frame_count_ = 0;
};

}  // namespace burgee::detail
