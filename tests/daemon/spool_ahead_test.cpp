// Promise: what the spool does ahead of need or for lack of anything else to do: the next segment's
// room is filled before it begins, a recovered segment is never appended to, and quiet is noted on
// disk. None of it can cost an event. Method: a disk in memory whose files can be scribbled on, cut
// and failed.
#include <chrono>
#include <future>
#include <random>

#include "daemon/ingest_queue.hpp"
#include "daemon/spool/spare_files.hpp"
#include "daemon/spool/spool.hpp"
#include "power_cut_disk.hpp"
#include "spool_events.hpp"

namespace burgee::test {
namespace {

using daemon::SpareFiles;
using daemon::Spool;
using daemon::SpoolOptions;

constexpr std::uint64_t kSegmentSize = 1U << 20U;

bool is_all_zero(std::span<const std::byte> bytes) {
    return std::all_of(bytes.begin(), bytes.end(),
                       [](std::byte byte) { return byte == std::byte{0}; });
}

void scribble_on(DiskFile& file) {
    std::fill(file.cached.begin(), file.cached.end(), std::byte{0xAA});
    file.durable = file.cached;
}

class SpareFilesTest : public ::testing::Test {
protected:
    DiskFile& file(const std::string& name) { return *disk_.files().at(name); }

    PowerCutDisk disk_{1};
    std::unique_ptr<daemon::SpoolDisk> attached_ = disk_.attach();
    SpareFiles spares_{*attached_, kSegmentSize, {}};
};

TEST_F(SpareFilesTest, FillsPieceByPieceAndGivesTheFilledOneFirst) {
    ASSERT_EQ(spares_.make(), 0);
    ASSERT_EQ(spares_.make(), 0);
    scribble_on(file("spare.1"));
    scribble_on(file("spare.2"));
    for (int piece = 0; piece < 3; ++piece) {
        spares_.fill(kSegmentSize / 4);
    }
    EXPECT_FALSE(is_all_zero(file("spare.2").cached)) << "a quarter is left";
    spares_.fill(kSegmentSize);
    EXPECT_TRUE(is_all_zero(file("spare.2").durable)) << "filled and synced";
    spares_.fill(kSegmentSize);
    EXPECT_FALSE(is_all_zero(file("spare.1").cached)) << "one is enough";
    EXPECT_EQ(spares_.take(), "spare.2");
    EXPECT_EQ(spares_.take(), "spare.1");
}

TEST_F(SpareFilesTest, GivesAwayAHalfFilledOneAndLeavesItAlone) {
    ASSERT_EQ(spares_.make(), 0);
    spares_.fill(kSegmentSize / 2);
    EXPECT_EQ(spares_.take(), "spare.1");
    scribble_on(file("spare.1"));
    spares_.fill(kSegmentSize);
    EXPECT_EQ(file("spare.1").cached.back(), std::byte{0xAA});
}

TEST_F(SpareFilesTest, DropsTheFileThatTheDiskFailsOn) {
    for (std::uint64_t failing = 0; failing < 5; ++failing) {  // four writes and the sync
        ASSERT_EQ(spares_.make(), 0);
        disk_.fail_call(failing, EIO);
        spares_.fill(kSegmentSize);
        EXPECT_EQ(spares_.count(), 0U) << "call " << failing;
    }
    EXPECT_EQ(disk_.syncs_after_failure(), 0U);
}

class SpoolAheadTest : public ::testing::Test {
protected:
    void open() {
        spool_.reset();
        auto opened = Spool::open(disk_.attach(), options_);
        ASSERT_TRUE(opened) << opened.error().message;
        spool_ = std::move(*opened);
    }

    bool store(std::uint32_t count) {
        const auto events = make_events(1, next_seq_, count);
        EXPECT_TRUE(spool_->stage(make_batch(1, next_seq_, count, events)));
        const bool is_stored = spool_->commit().has_value();
        next_seq_ += is_stored ? count : 0U;
        return is_stored;
    }

    std::vector<std::string> names_with(const std::string& prefix) {
        std::vector<std::string> names;
        for (const auto& [name, file] : disk_.files()) {
            if (name.starts_with(prefix)) {
                names.push_back(name);
            }
        }
        return names;
    }

    static SpoolOptions small_segments() {
        SpoolOptions options;
        options.segment_size_bytes = kSegmentSize;
        options.replay_window_bytes = 0;
        return options;
    }

    SpoolOptions options_ = small_segments();
    PowerCutDisk disk_{1};
    std::unique_ptr<Spool> spool_;
    std::uint64_t next_seq_ = 1;
};

TEST_F(SpoolAheadTest, TheNextSegmentsRoomIsFilledBeforeItBegins) {
    open();
    for (int rotation = 0; rotation < 4; ++rotation) {
        const auto spares = names_with("spare.");
        ASSERT_EQ(spares.size(), 1U);
        scribble_on(*disk_.files().at(spares.front()));
        const auto segments = names_with("0").size();
        while (names_with("0").size() == segments) {
            ASSERT_TRUE(store(100));
            spool_->prepare_ahead();
        }
        const auto& bytes = disk_.files().at(names_with("0").back())->cached;
        EXPECT_TRUE(is_all_zero(std::span(bytes).last(kSegmentSize / 2))) << rotation;
    }
}

TEST_F(SpoolAheadTest, ACutWhileRoomIsFilledCostsNothing) {
    const std::uint64_t seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    daemon::SpoolBatch batch;
    open();
    for (int cut = 0; cut < 40; ++cut) {
        const auto groups = 1 + random() % 40;
        for (std::uint64_t group = 0; group < groups; ++group) {
            if (random() % 20 == 0) {
                disk_.fail_call(random() % 3, EIO);
            }
            store(static_cast<std::uint32_t>(1 + random() % 300));
            spool_->prepare_ahead();
        }
        EXPECT_EQ(disk_.syncs_after_failure(), 0U);
        spool_.reset();
        disk_.cut(random() % 2 == 0 ? 512 : 4096);
        open();
        const auto numbers = read_numbers(*spool_, 1, &batch);
        ASSERT_TRUE(batch.gaps.empty());
        ASSERT_GE(numbers.size(), next_seq_ - 1) << "acknowledged and missing";
        for (std::size_t index = 0; index < numbers.size(); ++index) {
            ASSERT_EQ(numbers[index], 1'000'000'001 + index);
        }
        next_seq_ = numbers.size() + 1;
    }
}

TEST_F(SpoolAheadTest, AFullSpoolTellsTheFirstCursorThatMakesRoom) {
    options_.cap_bytes = 8 * kSegmentSize;
    options_.replay_window_bytes = 2 * kSegmentSize;
    open();
    ASSERT_TRUE(store(500));
    EXPECT_FALSE(spool_->lsn_that_makes_room()) << "there is room";
    while (store(500)) {
    }
    for (int cycle = 0; cycle < 3; ++cycle) {
        const auto lsn = spool_->lsn_that_makes_room();
        ASSERT_TRUE(lsn);
        spool_->release(*lsn - 1);
        EXPECT_FALSE(store(500)) << "one event less is not enough";
        spool_->release(*lsn);
        EXPECT_FALSE(spool_->lsn_that_makes_room());
        EXPECT_TRUE(store(500));
        while (store(500)) {
        }
    }
}

TEST_F(SpoolAheadTest, ARecoveredSegmentIsNeverAppendedTo) {
    open();
    ASSERT_TRUE(store(10));
    spool_.reset();
    const std::string name = names_with("0").back();
    const std::vector<std::byte> before = disk_.files().at(name)->cached;
    open();
    ASSERT_TRUE(store(10));
    EXPECT_EQ(disk_.files().at(name)->cached, before);
    EXPECT_EQ(names_with("0").size(), 2U);
}

// The ingest thread's half of the rule that recovery leans on: see SegmentScanTest's watermark.
TEST_F(SpoolAheadTest, QuietIsNotedOnDiskOnceByTheIngestThread) {
    open();
    std::promise<void> reported;
    daemon::IngestLimits limits;
    limits.watermark_after = std::chrono::milliseconds(1);
    daemon::IngestQueue queue(*spool_, limits,
                              [&](const daemon::IngestReport&) { reported.set_value(); });
    const auto events = make_events(1, 1, 5);
    ASSERT_TRUE(queue.push(make_batch(1, 1, 5, events), nullptr));
    reported.get_future().wait();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (spool_->statistics().commits < 2 && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::yield();
    }
    EXPECT_EQ(spool_->statistics().commits, 2U) << "the group, and the mark that it is durable";
    queue.stop();
    EXPECT_EQ(spool_->statistics().commits, 2U) << "once is enough";
    const std::string name = names_with("0").back();
    auto& file = *disk_.files().at(name);
    spool_.reset();
    file.cached[4096 + 48 + 40 + 20] ^= std::byte{1};
    file.durable = file.cached;
    open();
    EXPECT_EQ(spool_->statistics().events_lost, 5U) << "damage to the last group shows";
}

}  // namespace
}  // namespace burgee::test
