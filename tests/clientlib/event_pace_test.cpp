// Promise: under a steady load events travel together, a frame for each EventTiming::busy_sleep,
// and what may not wait does not: a lone event, a flush, a full frame, a ring that fills. Method:
// the conversation is stepped by hand with a made-up clock, over a real socket, against a daemon
// that answers within a millisecond; frames are counted.

#include "tests/clientlib/event_peer.hpp"
#include "tests/clientlib/puppet_daemon.hpp"
#include "tests/support/temporary_directory.hpp"

#include <burgee/event_conversation.hpp>
#include <burgee/event_encoder.hpp>
#include <burgee/event_pace.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace burgee::test {
namespace {

using detail::EventConversation;
using detail::EventPace;
using detail::EventProcess;
using detail::EventRing;
using detail::EventTiming;
using detail::SenderRest;

class EventPaceTest : public ::testing::Test {
protected:
    explicit EventPaceTest(std::uint64_t ring_size_bytes = detail::kEventRingSizeDefault)
        : ring_size_bytes_(ring_size_bytes) {
        offer();
        step();
        EXPECT_TRUE(daemon_.accept());
        daemon_.welcome();
        step();
        EXPECT_EQ(daemon_.take_batches().size(), 1U);
        daemon_.acknowledge();
        step();
    }
    ~EventPaceTest() override { detail::unmap_event_process(process_, ring_size_bytes_); }

    /// @return whether the ring took it.
    bool offer() {
        const EventDraft draft = draft_with_value(1);
        const auto room = ring_.reserve(detail::encoded_size_bytes(draft), EventClass::kConversion);
        if (room.record != nullptr) {
            detail::encode(draft, EventClass::kConversion, room.record);
            ++offered_;
        }
        return room.record != nullptr;
    }

    void step(bool hurried = false) { rest_ = conversation_.step(now_ms_, hurried); }

    /// Steps now, lets the daemon answer, and hears it. @return the frames that were sent.
    std::size_t frames_of_a_step(bool hurried = false) {
        step(hurried);
        const std::size_t frames = take_batches();
        if (frames != 0) {
            daemon_.acknowledge();
            step(hurried);
        }
        return frames;
    }

    /// An event each millisecond. The daemon answers a frame one millisecond later, which ends the
    /// sender's sleep as its time does. @return the frames that were sent.
    std::size_t frames_of_steady_load(std::int64_t duration_ms) {
        std::size_t frames = 0;
        std::size_t unanswered = 0;
        std::int64_t wake_at_ms = now_ms_;
        for (const std::int64_t end_ms = now_ms_ + duration_ms; now_ms_ < end_ms; ++now_ms_) {
            offer();
            if (unanswered == 0 && now_ms_ < wake_at_ms) {
                continue;
            }
            if (unanswered != 0) {
                daemon_.acknowledge();
            }
            step();
            unanswered = take_batches();
            frames += unanswered;
            wake_at_ms = now_ms_ + rest_.timeout_ms;
        }
        return frames;
    }

    /// @return how many frames came.
    std::size_t take_batches() {
        const std::vector<std::uint32_t> counts = daemon_.take_batches();
        arrived_ = std::accumulate(counts.begin(), counts.end(), arrived_);
        return counts.size();
    }

    /// Brings the moment just after a frame: the next one has to collect.
    void send_a_frame() {
        now_ms_ += 1'000;
        offer();
        ASSERT_EQ(frames_of_a_step(), 1U);
        ++now_ms_;
    }

    const std::uint64_t ring_size_bytes_;
    TemporaryDirectory directory_;
    PuppetDaemon daemon_{directory_.path()};
    EventProcess* process_ = detail::map_event_process(ring_size_bytes_);
    EventRing ring_ = detail::ring_of(process_, ring_size_bytes_);
    std::atomic<int> shared_fd_{-1};
    const EventTiming timing_;
    EventConversation conversation_{
        *process_, ring_, {directory_.path().c_str()}, shared_fd_, timing_};
    SenderRest rest_{};
    std::int64_t now_ms_ = 1'000'000;
    std::uint32_t offered_ = 0;
    std::uint32_t arrived_ = 1;
};

TEST_F(EventPaceTest, SendsAFrameForEachBatchTimeUnderASteadyLoad) {
    const std::size_t frames = frames_of_steady_load(2'000);
    EXPECT_LE(frames, 220U) << "2 000 ms are 200 times 10 ms";
    EXPECT_GE(frames, 150U) << "and no event waits for much longer";
    EXPECT_GE(arrived_ + 2 * timing_.busy_sleep, offered_);
}

TEST_F(EventPaceTest, SendsALoneEventAtTheFirstLookAfterSilence) {
    now_ms_ += 1'000;
    EXPECT_EQ(frames_of_a_step(), 0U);
    EXPECT_EQ(rest_.timeout_ms, timing_.idle_sleep);
    offer();
    EXPECT_EQ(frames_of_a_step(), 1U);
}

TEST_F(EventPaceTest, WakesWhenTheNextFrameIsDueAndNotLater) {
    send_a_frame();
    offer();
    EXPECT_EQ(frames_of_a_step(), 0U);
    EXPECT_EQ(rest_.timeout_ms, timing_.busy_sleep - 1);
    now_ms_ += rest_.timeout_ms;
    EXPECT_EQ(frames_of_a_step(), 1U);
}

TEST_F(EventPaceTest, LooksUpFromAwaitingAnAnswerWhenTheNextFrameIsDue) {
    now_ms_ += 1'000;
    offer();
    step();  // the daemon leaves it unanswered
    now_ms_ += 3;
    offer();
    step();
    EXPECT_EQ(daemon_.take_batches().size(), 1U);
    EXPECT_NE(rest_.fd, -1);
    EXPECT_EQ(rest_.timeout_ms, timing_.busy_sleep - 3);
    now_ms_ += rest_.timeout_ms;
    step();
    EXPECT_EQ(daemon_.take_batches().size(), 1U);
}

TEST_F(EventPaceTest, AFlushDoesNotWait) {
    send_a_frame();
    offer();
    EXPECT_EQ(frames_of_a_step(), 0U);
    EXPECT_EQ(frames_of_a_step(true), 1U);
    EXPECT_EQ(arrived_, offered_);
}

TEST_F(EventPaceTest, AFullFrameDoesNotWaitAndItsRemainderDoes) {
    send_a_frame();
    const std::uint32_t size_bytes = detail::encoded_size_bytes(draft_with_value(1));
    for (std::uint64_t bytes = 0; bytes <= kFrameSizeMax; bytes += size_bytes) {
        ASSERT_TRUE(offer());
    }
    EXPECT_EQ(frames_of_a_step(), 1U);
    EXPECT_LT(arrived_, offered_);
    EXPECT_EQ(rest_.timeout_ms, timing_.full_sleep) << "another may be full soon";
    now_ms_ += timing_.busy_sleep;
    EXPECT_EQ(frames_of_a_step(), 1U);
    EXPECT_EQ(arrived_, offered_);
}

/// Half of its ring is less than a frame.
class EventPaceInASmallRingTest : public EventPaceTest {
protected:
    EventPaceInASmallRingTest() : EventPaceTest(detail::kEventRingSizeMin) {}
};

TEST_F(EventPaceInASmallRingTest, ARingThatIsHalfFullDoesNotWait) {
    send_a_frame();
    while (!ring_.is_over_half()) {
        EXPECT_EQ(frames_of_a_step(), 0U);
        ASSERT_TRUE(offer());
    }
    EXPECT_GE(frames_of_a_step(), 1U);
    EXPECT_EQ(arrived_, offered_);
}

TEST(EventPaceClockTest, RestsForAMillisecondAtLeast) {
    const EventTiming timing;
    EventPace pace(timing);
    for (std::int64_t now_ms = 0; now_ms < 1'000; ++now_ms) {
        ASSERT_GE(pace.rest_ms(now_ms), 1);
        ASSERT_LE(pace.rest_ms(now_ms), timing.idle_sleep);
        if (now_ms % 37 == 0) {
            pace.note_sent(now_ms, now_ms % 2 == 0);
        }
    }
}

}  // namespace
}  // namespace burgee::test
