// Promise: nothing is given up that somebody still wants. A cursor that goes back, for a database
// that was restored, makes events wanted again, so that they fill the spool instead of yielding;
// and what the disk refuses to read is asked for again before it is called lost. Method: a disk in
// memory that is small and whose blocks can be made unreadable.
#include <gtest/gtest.h>

#include "daemon/spool/spool.hpp"
#include "power_cut_disk.hpp"
#include "spool_events.hpp"

namespace burgee::test {
namespace {

using daemon::Spool;

constexpr std::uint64_t kSegmentSize = 1U << 20U;

class SpoolReplayTest : public ::testing::Test {
protected:
    SpoolReplayTest() {
        options_.segment_size_bytes = kSegmentSize;
        options_.cap_bytes = 6 * kSegmentSize;
        options_.replay_window_bytes = kSegmentSize;
        open();
    }

    void open() {
        spool_.reset();
        auto opened = Spool::open(disk_.attach(), options_);
        spool_ = opened ? std::move(*opened) : nullptr;
        ASSERT_TRUE(spool_);
    }

    bool store(std::uint32_t count) {
        const auto events = make_events(1, next_seq_, count);
        EXPECT_TRUE(spool_->stage(make_batch(1, next_seq_, count, events)));
        const bool is_stored = spool_->commit().has_value();
        next_seq_ += is_stored ? count : 0U;
        return is_stored;
    }

    bool fills_up() {
        int groups = 0;
        while (groups < 1'000 && store(500)) {
            ++groups;
        }
        return groups < 1'000;
    }

    std::size_t readable() { return read_numbers(*spool_, 1, &batch_).size(); }

    daemon::SpoolOptions options_;
    PowerCutDisk disk_{1};
    std::unique_ptr<Spool> spool_;
    daemon::SpoolBatch batch_;
    std::uint64_t next_seq_ = 1;
};

TEST_F(SpoolReplayTest, ACursorThatGoesBackMakesEventsWantedAgain) {
    while (spool_->statistics().segments < 4) {
        ASSERT_TRUE(store(500));
    }
    const std::uint64_t end = spool_->durable_end_lsn();
    spool_->release(end);  // all of it is kept: the hour's window
    ASSERT_EQ(spool_->oldest_lsn(), 1U);
    spool_->release(1);
    EXPECT_TRUE(fills_up()) << "what has to be sent again must not make room for new events";
    EXPECT_EQ(spool_->oldest_lsn(), 1U);
    EXPECT_EQ(readable(), spool_->durable_end_lsn() - 1);
    EXPECT_TRUE(batch_.gaps.empty());
    spool_->release(spool_->durable_end_lsn());
    EXPECT_TRUE(store(500)) << "delivered again, it yields";
}

TEST_F(SpoolReplayTest, ADiskSmallerThanTheWindowTakesEventsAgain) {
    options_.cap_bytes = 4ULL << 30U;
    options_.replay_window_bytes = 256ULL << 20U;
    disk_.set_capacity(6 * kSegmentSize);
    open();
    for (int cycle = 0; cycle < 5; ++cycle) {
        ASSERT_TRUE(fills_up());
        spool_->release(spool_->durable_end_lsn() - 1);
        EXPECT_TRUE(store(500)) << "what is delivered yields, cycle " << cycle;
        EXPECT_GE(spool_->durable_end_lsn() - spool_->oldest_lsn(), 5'000U) << "but no more of it";
    }
}

TEST_F(SpoolReplayTest, WhatCannotBeReadForAWhileIsNotLost) {
    for (int group = 0; group < 10; ++group) {
        ASSERT_TRUE(store(500));
    }
    ASSERT_EQ(readable(), 5'000U);
    DiskFile& file = *disk_.files().at("00000000000000000001");
    open();  // recovery has read it; what follows is the uploader's reading
    file.unreadable_at = 200'000;
    const std::size_t before = readable();
    EXPECT_GT(before, 0U);
    EXPECT_LT(before, 5'000U);
    EXPECT_TRUE(batch_.gaps.empty());
    file.unreadable_at = ~0ULL;
    EXPECT_EQ(readable(), 5'000U);
    EXPECT_EQ(spool_->statistics().events_lost, 0U);
}

TEST_F(SpoolReplayTest, WhatCanNeverBeReadIsLostInTheEnd) {
    for (int group = 0; group < 10; ++group) {
        ASSERT_TRUE(store(500));
    }
    DiskFile& file = *disk_.files().at("00000000000000000001");
    file.unreadable_at = 200'000;
    int attempts = 0;
    while (batch_.gaps.empty() && attempts < 1'000) {
        readable();
        ++attempts;
    }
    EXPECT_GT(attempts, 10) << "a disk may need some time";
    ASSERT_EQ(batch_.gaps.size(), 1U);
    EXPECT_EQ(batch_.gaps.front().count, 500U) << "one frame, and what follows is read";
    EXPECT_EQ(readable(), 4'500U);
    EXPECT_EQ(spool_->statistics().events_lost, 500U);
}

}  // namespace
}  // namespace burgee::test
