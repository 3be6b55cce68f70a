// Promise: a disk that hangs holds up who writes to it and nobody who only asks how things stand:
// the daemon's heartbeat asks every second.
// Method: a disk in memory whose next call stops at a gate; statistics are asked for meanwhile.
#include <future>
#include <optional>

#include "daemon/spool/spool.hpp"
#include "power_cut_disk.hpp"
#include "spool_events.hpp"
#include "stalling_disk.hpp"

namespace burgee::test {
namespace {

using daemon::Spool;
using daemon::SpoolOptions;
using daemon::SpoolStatistics;
using std::chrono::seconds;

class SpoolStallTest : public ::testing::Test {
protected:
    void SetUp() override {
        SpoolOptions options;
        options.segment_size_bytes = 1 << 20;
        options.replay_window_bytes = 0;
        auto opened = Spool::open(
            std::make_unique<StallingDisk>(memory_.attach(), syncs_, renames_), options);
        ASSERT_TRUE(opened) << opened.error().message;
        spool_ = std::move(*opened);
    }

    void stage(std::uint32_t count) {
        events_ = make_events(1, next_seq_, count);
        ASSERT_TRUE(spool_->stage(make_batch(1, next_seq_, count, events_)));
        next_seq_ += count;
    }

    /// Statistics, if they come although the disk hangs at `gate`, which is opened afterwards.
    std::optional<SpoolStatistics> statistics_in_spite_of(Gate& gate) {
        auto asked = std::async(std::launch::async, [this] { return spool_->statistics(); });
        const bool came = asked.wait_for(seconds(10)) == std::future_status::ready;
        gate.open();
        return came ? std::optional(asked.get()) : std::nullopt;
    }

    Gate syncs_;
    Gate renames_;
    PowerCutDisk memory_{1};
    std::unique_ptr<Spool> spool_;
    std::vector<std::byte> events_;
    std::uint64_t next_seq_ = 1;
};

TEST_F(SpoolStallTest, StatisticsDoNotWaitForASync) {
    stage(3);
    ASSERT_TRUE(spool_->commit());
    stage(4);
    syncs_.shut();
    auto stalled = std::async(std::launch::async, [this] { return spool_->commit(); });
    ASSERT_TRUE(syncs_.wait_until_somebody_waits());
    const auto meanwhile = statistics_in_spite_of(syncs_);
    ASSERT_TRUE(meanwhile) << "statistics() waited for the disk";
    EXPECT_EQ(meanwhile->events_in_spool, 3U) << "what is not on disk does not count yet";
    EXPECT_EQ(meanwhile->commits, 1U);
    ASSERT_TRUE(stalled.get());
    EXPECT_EQ(spool_->statistics().events_in_spool, 7U);
    EXPECT_EQ(spool_->statistics().commits, 2U);
}

TEST_F(SpoolStallTest, StatisticsDoNotWaitForASegmentThatIsRecycled) {
    while (spool_->statistics().segments < 3) {
        stage(500);
        ASSERT_TRUE(spool_->commit());
    }
    const std::uint64_t end = spool_->durable_end_lsn();
    renames_.shut();
    auto stalled = std::async(std::launch::async, [this, end] { spool_->release(end); });
    ASSERT_TRUE(renames_.wait_until_somebody_waits());
    const auto meanwhile = statistics_in_spite_of(renames_);
    ASSERT_TRUE(meanwhile) << "statistics() waited for the disk";
    EXPECT_EQ(meanwhile->durable_end_lsn, end);
    stalled.get();
    EXPECT_EQ(spool_->statistics().events_in_spool, 0U);
    EXPECT_EQ(spool_->statistics().released_lsn, end);
    EXPECT_EQ(spool_->statistics().segments, 1U);
}

}  // namespace
}  // namespace burgee::test
