// Promise: what write() wrote outlives the process and is hidden until commit(); a power cut takes
// it from the end and never a hole, so that nothing read earlier is missing later; and when the
// disk fails it afterwards it waits for one that works. Method: a disk in memory that is cut
// and failed between the write and the sync.
#include <gtest/gtest.h>

#include <random>

#include "daemon/spool/spool.hpp"
#include "power_cut_disk.hpp"
#include "spool_events.hpp"

namespace burgee::test {
namespace {

using daemon::Spool;

class SpoolRelaxedTest : public ::testing::Test {
protected:
    void open() {
        spool_.reset();
        daemon::SpoolOptions options;
        options.segment_size_bytes = 1U << 20U;
        options.replay_window_bytes = 0;
        auto opened = Spool::open(disk_.attach(), options);
        ASSERT_TRUE(opened) << opened.error().message;
        spool_ = std::move(*opened);
        next_seq_ = 1;
        for (const auto& session : spool_->sessions()) {
            next_seq_ = session.last_seq + 1;
        }
    }

    void stage(std::uint32_t count) {
        const auto events = make_events(1, next_seq_, count);
        ASSERT_TRUE(spool_->stage(make_batch(1, next_seq_, count, events)));
        next_seq_ += count;
    }

    /// How many events can be read; they must be 1, 2, 3, ... of the session.
    std::uint64_t readable() {
        const std::vector<std::uint64_t> numbers = read_numbers(*spool_, 1, &batch_);
        for (std::size_t index = 0; index < numbers.size(); ++index) {
            EXPECT_EQ(numbers[index], 1'000'000'000 + index + 1);
        }
        return numbers.size();
    }

    PowerCutDisk disk_{1};
    std::unique_ptr<Spool> spool_;
    daemon::SpoolBatch batch_;
    std::uint64_t next_seq_ = 1;
};

TEST_F(SpoolRelaxedTest, WhatIsWrittenIsHiddenUntilItIsSynced) {
    open();
    EXPECT_FALSE(spool_->write()) << "there is nothing to write";
    stage(10);
    EXPECT_TRUE(spool_->write());
    EXPECT_EQ(readable(), 0U);
    EXPECT_EQ(spool_->durable_end_lsn(), 1U);
    ASSERT_TRUE(spool_->commit());
    EXPECT_EQ(readable(), 10U);
}

TEST_F(SpoolRelaxedTest, WhatIsWrittenOutlivesTheProcess) {
    open();
    stage(10);
    ASSERT_TRUE(spool_->write());
    open();
    EXPECT_EQ(readable(), 10U);
    EXPECT_EQ(next_seq_, 11U) << "and the session knows";
}

TEST_F(SpoolRelaxedTest, APowerCutTakesFromTheEndAndNothingThatWasReadable) {
    std::mt19937_64 random(7);
    std::uint64_t cuts_that_took = 0;
    for (int cut = 0; cut < 100; ++cut) {
        SCOPED_TRACE(cut);
        open();
        const std::uint64_t before = readable();
        stage(static_cast<std::uint32_t>(1 + random() % 60));
        if (random() % 2 == 0 && spool_->write()) {
            ASSERT_TRUE(spool_->commit());
            stage(static_cast<std::uint32_t>(1 + random() % 60));
        }
        const std::uint64_t shown = readable();
        const bool is_written = spool_->write();
        const std::uint64_t promised = next_seq_ - 1;
        spool_.reset();
        disk_.cut(random() % 2 == 0 ? 512 : 4096);
        open();
        const std::uint64_t after = readable();
        EXPECT_GE(after, std::max(before, shown)) << "the database may have it";
        EXPECT_LE(after, promised);
        EXPECT_EQ(next_seq_, after + 1) << "the session knows what became of its events";
        EXPECT_TRUE(batch_.gaps.empty());
        cuts_that_took += is_written && after < promised ? 1U : 0U;
    }
    EXPECT_GT(cuts_that_took, 20U) << "else nothing was at stake";
}

TEST_F(SpoolRelaxedTest, OneFailedSyncCostsNothing) {
    open();
    stage(10);
    ASSERT_TRUE(spool_->write());
    disk_.fail_call(0, EIO);
    ASSERT_TRUE(spool_->commit()) << "written again, into another segment";
    EXPECT_EQ(readable(), 10U);
    disk_.cut(512);
    open();
    EXPECT_EQ(readable(), 10U);
    EXPECT_EQ(disk_.syncs_after_failure(), 0U);
}

TEST_F(SpoolRelaxedTest, WhatTheDiskFailsAfterItWasPromisedWaitsForADiskThatWorks) {
    open();
    stage(10);
    ASSERT_TRUE(spool_->commit());
    stage(5);
    ASSERT_TRUE(spool_->write());
    disk_.fail_syncs(EIO);
    EXPECT_FALSE(spool_->commit());
    const std::uint64_t promised_end = next_seq_;
    for (int attempt = 0; attempt < 3; ++attempt) {
        stage(20);
        EXPECT_FALSE(spool_->write()) << "it would overtake what waits";
        EXPECT_FALSE(spool_->commit());
        next_seq_ = promised_end;  // not promised: forgotten, and sent again
        EXPECT_FALSE(spool_->tick());
    }
    EXPECT_EQ(readable(), 10U);
    disk_.fail_syncs(0);
    stage(20);
    EXPECT_TRUE(spool_->commit());
    EXPECT_EQ(readable(), 35U);
    stage(5);
    EXPECT_TRUE(spool_->write()) << "all is as before";
    ASSERT_TRUE(spool_->commit());
    disk_.cut(4096);
    open();
    EXPECT_EQ(readable(), 40U);
    EXPECT_EQ(next_seq_, 41U);
    EXPECT_TRUE(batch_.gaps.empty());
    EXPECT_EQ(disk_.syncs_after_failure(), 0U);
}

TEST_F(SpoolRelaxedTest, QuietStoresWhatWasPromised) {
    open();
    stage(5);
    ASSERT_TRUE(spool_->write());
    disk_.fail_syncs(EIO);
    EXPECT_FALSE(spool_->commit());
    disk_.fail_syncs(0);
    ASSERT_TRUE(spool_->tick());
    EXPECT_EQ(readable(), 5U);
}

TEST_F(SpoolRelaxedTest, WhereASegmentEndsTheSyncComesFirst) {
    open();
    std::uint64_t unwritten = 0;
    while (spool_->statistics().segments < 4) {
        stage(400);
        unwritten += spool_->write() ? 0U : 1U;
        ASSERT_TRUE(spool_->commit());
    }
    EXPECT_EQ(unwritten, 3U);
    EXPECT_EQ(readable(), next_seq_ - 1);
    open();
    EXPECT_EQ(readable(), next_seq_ - 1);
}

}  // namespace
}  // namespace burgee::test
