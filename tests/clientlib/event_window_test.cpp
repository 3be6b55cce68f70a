// Promise: an event keeps its number until it is decided, numbers have no holes, and a decision
// counts once. Method: drive the bookkeeping by hand and compare with plain lists of numbers.

#include <burgee/event_window.hpp>

#include <gtest/gtest.h>

#include <array>
#include <memory>

namespace burgee::test {
namespace {

using detail::EventRing;
using detail::EventWindow;

constexpr std::uint64_t kCapacity = 1ULL << 21;

class EventWindowTest : public ::testing::Test {
protected:
    struct alignas(128) Memory {
        std::array<std::byte, EventRing::memory_size_bytes(kCapacity)> bytes{};
    };
    std::unique_ptr<Memory> memory_ = std::make_unique<Memory>();
    EventRing ring_{memory_->bytes.data(), kCapacity};
    EventWindow window_{ring_};
    std::uint64_t acknowledged_ = 0;

    void put(std::uint64_t count, EventClass event_class = EventClass::kOrdinary) {
        for (std::uint64_t number = 0; number < count; ++number) {
            const EventRing::Reservation room = ring_.reserve(64, event_class);
            ASSERT_NE(room.record, nullptr);
            EventRing::commit(room.record, {64, event_class, 0, 0, 0});
        }
    }
    EventWindow::Run send(std::uint32_t size_bytes_max) {
        const EventWindow::Run run = window_.next_run(size_bytes_max);
        if (run.count != 0) {
            window_.note_sent(run);
        }
        return run;
    }
    bool acknowledge(std::uint64_t durable_seq) {
        std::uint64_t count = 0;
        const bool is_sane = window_.acknowledge(durable_seq, count);
        acknowledged_ += count;
        window_.give_back();
        return is_sane;
    }
};

TEST_F(EventWindowTest, NumbersEventsWithoutHoles) {
    put(25);
    std::uint64_t next = 1;
    for (EventWindow::Run run = send(640); run.count != 0; run = send(640)) {
        EXPECT_EQ(run.first_seq, next);
        EXPECT_LE(run.size_bytes, 640U);
        next += run.count;
    }
    EXPECT_EQ(next, 26U);
    EXPECT_EQ(window_.frames_under_way(), 3U);
}

TEST_F(EventWindowTest, AcknowledgesInsideAFrame) {
    put(20);
    send(640);
    send(640);
    ASSERT_TRUE(acknowledge(15));
    EXPECT_EQ(acknowledged_, 15U);
    EXPECT_EQ(window_.frames_under_way(), 1U);
    EXPECT_EQ(ring_.head(), 15U * 64U) << "the ring keeps what is not decided";
    ASSERT_TRUE(acknowledge(15));
    ASSERT_TRUE(acknowledge(3)) << "an old word is not news";
    EXPECT_EQ(acknowledged_, 15U);
    EXPECT_FALSE(acknowledge(21)) << "never sent";
    ASSERT_TRUE(acknowledge(20));
    EXPECT_FALSE(window_.has_undecided());
}

TEST_F(EventWindowTest, LetsNothingLeaveTheRingBeforeItCanBeCounted) {
    put(20);
    send(640);
    std::uint64_t count = 0;
    ASSERT_TRUE(window_.acknowledge(4, count));
    EXPECT_EQ(count, 4U);
    EXPECT_EQ(ring_.head(), 0U);
    window_.give_back();
    EXPECT_EQ(ring_.head(), 4U * 64U);
    std::array<std::uint64_t, kEventClassCount> lost{};
    window_.expire(lost);
    EXPECT_EQ(lost[0], 6U);
    EXPECT_EQ(ring_.head(), 4U * 64U);
    window_.give_back();
    EXPECT_EQ(ring_.head(), 10U * 64U);
}

TEST_F(EventWindowTest, GivesTheSameNumbersAgainAfterARewind) {
    put(20);
    send(640);
    const EventWindow::Run second = send(640);
    ASSERT_TRUE(acknowledge(10));
    window_.rewind();
    EXPECT_EQ(window_.frames_under_way(), 0U);
    const EventWindow::Run again = send(640);
    EXPECT_EQ(again.first_seq, second.first_seq);
    EXPECT_EQ(again.bytes, second.bytes);
    window_.rewind();
    ASSERT_TRUE(acknowledge(20)) << "a late word about what was sent before the rewind counts";
    EXPECT_EQ(window_.next_seq(), 21U);
    EXPECT_EQ(send(640).count, 0U);
}

TEST_F(EventWindowTest, CountsARefusalOnceAndNotAsAcknowledged) {
    put(5);
    put(1, EventClass::kConversion);
    send(65'536);
    EventClass event_class{};
    EXPECT_TRUE(window_.refuse(6, event_class));
    EXPECT_EQ(event_class, EventClass::kConversion);
    EXPECT_FALSE(window_.refuse(6, event_class));
    EXPECT_FALSE(window_.refuse(0, event_class));
    EXPECT_FALSE(window_.refuse(7, event_class));
    ASSERT_TRUE(acknowledge(6));
    EXPECT_EQ(acknowledged_, 5U);
    EXPECT_FALSE(window_.refuse(6, event_class)) << "decided long ago";
}

TEST_F(EventWindowTest, ExpiresOnlyWhatWasSent) {
    put(10);
    put(10, EventClass::kError);
    send(960);
    EventClass event_class{};
    ASSERT_TRUE(window_.refuse(2, event_class));
    ASSERT_TRUE(acknowledge(1));
    window_.rewind();
    std::array<std::uint64_t, kEventClassCount> lost{};
    window_.expire(lost);
    window_.give_back();
    EXPECT_EQ(lost, (std::array<std::uint64_t, kEventClassCount>{8, 0, 0, 5}));
    const EventWindow::Run run = send(65'536);
    EXPECT_EQ(run.first_seq, 1U) << "a new session counts anew";
    EXPECT_EQ(run.count, 5U);
    ASSERT_TRUE(acknowledge(5));
    EXPECT_EQ(acknowledged_, 6U) << "no refusal of the old session clings to the new numbers";
}

TEST_F(EventWindowTest, RemembersWhatEverWentOutAcrossARewind) {
    put(20);
    send(1'280);
    window_.rewind();
    ASSERT_EQ(send(640).count, 10U);
    EXPECT_EQ(window_.sent_seq(), 20U) << "the daemon may have all of them";
    std::array<std::uint64_t, kEventClassCount> lost{};
    window_.expire(lost);
    window_.give_back();
    EXPECT_EQ(lost[0], 20U);
}

TEST_F(EventWindowTest, StopsFramingWhenTooMuchIsUndecided) {
    put(detail::kUndecidedEventsMax + 10);
    std::uint64_t sent = 0;
    for (EventWindow::Run run = send(1 << 20); run.count != 0; run = send(1 << 20)) {
        EXPECT_LE(run.count, kBatchEventsMax);
        sent += run.count;
    }
    EXPECT_EQ(sent, detail::kUndecidedEventsMax);
    ASSERT_TRUE(acknowledge(10));
    EXPECT_EQ(send(1 << 20).count, 10U);
}

TEST_F(EventWindowTest, EndsARunWhereTheRingWraps) {
    std::uint64_t carried = 0;
    while (carried < 3 * kCapacity) {
        put(1'000);
        carried += 64'000;
        std::uint64_t count = 0;
        for (EventWindow::Run run = send(65'536 * 4); run.count != 0; run = send(65'536 * 4)) {
            EXPECT_LE(run.bytes + run.size_bytes, memory_->bytes.data() + memory_->bytes.size());
            count += run.count;
        }
        ASSERT_EQ(count, 1'000U);
        ASSERT_TRUE(acknowledge(window_.sent_seq()));
    }
    EXPECT_EQ(acknowledged_, carried / 64);
}

}  // namespace
}  // namespace burgee::test
