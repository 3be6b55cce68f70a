// Promise: after a power cut at any moment no acknowledged event is missing, none is there that was
//          never sent or twice, and a cut alone never looks like damage; damage always does.
// Method: a disk in memory that keeps a random part of what was not synced. The list of
// acknowledged
//         events is kept here, from what commit() returned, never read from the spool.
#include <malloc.h>

#include <cerrno>
#include <set>

#include "daemon/spool/mutations.hpp"
#include "daemon/spool/spool_format.hpp"
#include "power_cut_disk.hpp"
#include "spool_events.hpp"
#include "tests/fault/accounting.hpp"
#include "tests/fault/fault_count.hpp"

namespace burgee::test {
namespace {

using daemon::Spool;
using daemon::SpoolBatch;
using daemon::SpoolErrorCode;

std::uint64_t cut_count() {
    return count_from_environment("BURGEE_FAULT_CUTS", 10'000);
}

std::uint64_t seed() {
    return count_from_environment("BURGEE_FAULT_SEED", 20'240'607);
}

/// A life takes and gives back megabytes, thousands of times: without this each goes through the
/// kernel, half of the time of a run.
void keep_freed_memory() {
    ::mallopt(M_MMAP_THRESHOLD, 64 << 20);
    ::mallopt(M_TRIM_THRESHOLD, 256 << 20);
}

/// One host's life: a disk, the spool on it, and what was promised to its one client.
class Host {
public:
    explicit Host(std::uint64_t seed) : random_(seed), disk_(seed) {
        options_.segment_size_bytes = 1 << 20;
        options_.replay_window_bytes = 0;
    }

    void start() {
        spool_.reset();
        auto opened = Spool::open(disk_.attach(), options_);
        ASSERT_TRUE(opened) << opened.error().message;
        spool_ = std::move(*opened);
        next_seq_ = 1;
        for (const auto& session : spool_->sessions()) {
            next_seq_ = session.last_seq + 1;
        }
    }

    /// Stages and commits until the number of events or a failure is reached.
    bool store(std::uint32_t batches, std::uint32_t count) {
        const std::uint64_t first_seq = next_seq_;
        std::uint64_t seq = next_seq_;
        for (std::uint32_t index = 0; index < batches; ++index, seq += count) {
            const auto events = make_events(1, seq, count);
            EXPECT_TRUE(spool_->stage(make_batch(1, seq, count, events)));
        }
        sent_seq_ = std::max(sent_seq_, seq - 1);
        if (!spool_->commit()) {
            next_seq_ = first_seq;
            return false;
        }
        next_seq_ = seq;
        acknowledged_seq_ = seq - 1;
        return true;
    }

    void lose_power(std::uint64_t block_size) {
        // The process dies with its memory; its files stay as the disk has them.
        spool_.reset();
        disk_.cut(block_size);
    }

    /// Takes a random part of what is there as delivered.
    void deliver_some() {
        read();
        const std::uint64_t kept = random_() % (batch_.event_count + 1);
        std::uint64_t taken = 0;
        batch_.for_each_event([&](std::uint64_t lsn, std::span<const std::byte> event) {
            if (taken++ < kept) {
                delivered_.insert(event_number(event));
                cursor_ = lsn + 1;
            }
        });
        spool_->release(cursor_);
    }

    void read() { numbers_ = read_numbers(*spool_, cursor_, &batch_); }

    /// Every promise at once; `lost` events may be missing if the spool says so.
    void check() {
        read();
        std::set<std::uint64_t> all = delivered_;
        for (const std::uint64_t number : numbers_) {
            ASSERT_NE(number, 0U) << "garbage";
            ASSERT_TRUE(all.insert(number).second) << "twice: " << number;
        }
        std::uint64_t lost = 0;
        for (const auto& gap : batch_.gaps) {
            lost += gap.count;
        }
        ASSERT_EQ(lost, allowed_losses_ == 0 ? 0 : lost) << "a cut taken for damage";
        const std::uint64_t number_base = 1'000'000'000;
        std::uint64_t missing = 0;
        for (std::uint64_t seq = 1; seq <= acknowledged_seq_; ++seq) {
            missing += all.count(number_base + seq) == 0 ? 1U : 0U;
        }
        ASSERT_LE(missing, lost) << "acknowledged and missing";
        ASSERT_TRUE(all.empty() || *all.rbegin() <= number_base + sent_seq_) << "never sent";
        ASSERT_GE(next_seq_, acknowledged_seq_ + 1) << "the session forgot what was acknowledged";
        spool_->release(cursor_);
        ASSERT_EQ(complaint(spool_->statistics(), batch_), "");
    }

    std::mt19937_64 random_;
    PowerCutDisk disk_;
    daemon::SpoolOptions options_;
    std::unique_ptr<Spool> spool_;
    SpoolBatch batch_;
    std::vector<std::uint64_t> numbers_;
    std::set<std::uint64_t> delivered_;
    std::uint64_t cursor_ = 1;
    std::uint64_t next_seq_ = 1;
    std::uint64_t sent_seq_ = 0;
    std::uint64_t acknowledged_seq_ = 0;
    std::uint64_t allowed_losses_ = 0;
};

TEST(SpoolPowerCutTest, LosesNothingAcknowledgedAndInventsNothing) {
    keep_freed_memory();
    const std::uint64_t first_seed = seed();
    std::cout << "seed " << first_seed << '\n';
    std::uint64_t cuts_in_flight = 0;
    std::uint64_t cut = 0;
    while (cut < cut_count()) {
        Host host(first_seed + cut);
        for (int life = 0; life < 5 && cut < cut_count(); ++life, ++cut) {
            SCOPED_TRACE("cut " + std::to_string(cut));
            ASSERT_NO_FATAL_FAILURE(host.start());
            ASSERT_NO_FATAL_FAILURE(host.check());
            const auto groups = host.random_() % 6;
            for (std::uint64_t group = 0; group < groups; ++group) {
                ASSERT_TRUE(host.store(static_cast<std::uint32_t>(1 + host.random_() % 4),
                                       static_cast<std::uint32_t>(1 + host.random_() % 60)));
                if (host.random_() % 4 == 0) {
                    ASSERT_TRUE(host.spool_->tick());
                }
            }
            if (host.random_() % 3 == 0) {
                host.deliver_some();
            }
            // The moment of the cut is a write or sync of the next group, which then fails.
            host.disk_.fail_call(host.random_() % 2, EIO);
            host.disk_.fail_syncs(EIO);
            cuts_in_flight += host.store(3, 40) ? 0U : 1U;
            host.lose_power(host.random_() % 2 == 0 ? 512 : 4096);
        }
        ASSERT_NO_FATAL_FAILURE(host.start());
        ASSERT_NO_FATAL_FAILURE(host.check());
    }
    std::cout << "ran " << cut << " of " << cut_count() << " power cuts, " << cuts_in_flight
              << " with events in flight\n";
    EXPECT_GE(cuts_in_flight * 2, cut_count()) << "the cuts must find events in flight";
}

TEST(SpoolPowerCutTest, ReportsEveryFlippedBitOfDurableEvents) {
    const std::uint64_t first_seed = seed();
    std::cout << "seed " << first_seed << '\n';
    keep_freed_memory();
    const std::uint64_t rounds = std::max<std::uint64_t>(100, cut_count() / 10);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        SCOPED_TRACE("round " + std::to_string(round));
        Host host(first_seed + round);
        ASSERT_NO_FATAL_FAILURE(host.start());
        for (int group = 0; group < 4; ++group) {
            ASSERT_TRUE(host.store(2, 20));
        }
        ASSERT_TRUE(host.spool_->tick());
        const std::string name = "00000000000000000001";
        const std::size_t frames_end = [&] {
            const auto& bytes = host.disk_.files()[name]->durable;
            std::size_t end = bytes.size();
            while (end > 0 && bytes[end - 1] == std::byte{0}) {
                --end;
            }
            return end - sizeof(daemon::SpoolFrameHeader);  // the watermark itself holds no event
        }();
        host.disk_.fail_syncs(EIO);
        host.store(1, 10);
        host.lose_power(512);
        auto& file = *host.disk_.files()[name];
        const std::size_t begin = daemon::kSegmentHeaderSize;
        const std::size_t at = begin + host.random_() % (frames_end - begin - 8);
        file.durable[at] ^= static_cast<std::byte>(1U << (host.random_() % 8));
        file.cached = file.durable;
        host.allowed_losses_ = 160;
        ASSERT_NO_FATAL_FAILURE(host.start());
        // A session knows less after damage to its last events: the server then expires it.
        host.next_seq_ = host.acknowledged_seq_ + 1;
        ASSERT_NO_FATAL_FAILURE(host.check());
        EXPECT_FALSE(host.batch_.gaps.empty()) << "bit at " << at << " went unnoticed";
        EXPECT_EQ(host.spool_->statistics().events_lost, 20U) << "one frame, exactly";
    }
    std::cout << "ran " << rounds << " flipped bits\n";
}

TEST(SpoolPowerCutTest, MovesToAFreshSegmentWhenASyncFailsOnce) {
    for (std::uint64_t call = 0; call < 8; ++call) {
        SCOPED_TRACE("failing call " + std::to_string(call));
        Host host(seed());
        ASSERT_NO_FATAL_FAILURE(host.start());
        host.disk_.fail_call(call, EIO);
        for (int group = 0; group < 6; ++group) {
            ASSERT_TRUE(host.store(2, 20));
        }
        EXPECT_EQ(host.disk_.syncs_after_failure(), 0U);
        EXPECT_EQ(host.spool_->statistics().sync_failures, 1U);
        ASSERT_NO_FATAL_FAILURE(host.check());
        host.lose_power(4096);
        ASSERT_NO_FATAL_FAILURE(host.start());
        ASSERT_NO_FATAL_FAILURE(host.check());
    }
}

TEST(SpoolPowerCutTest, RefusesWhileTheDiskFailsAndRecoversUnaided) {
    Host host(seed());
    ASSERT_NO_FATAL_FAILURE(host.start());
    ASSERT_TRUE(host.store(1, 10));
    host.disk_.fail_syncs(EIO);
    for (int attempt = 0; attempt < 5; ++attempt) {
        EXPECT_FALSE(host.store(1, 10));
    }
    EXPECT_EQ(host.disk_.syncs_after_failure(), 0U);
    host.disk_.fail_syncs(0);
    EXPECT_TRUE(host.store(1, 10));
    ASSERT_NO_FATAL_FAILURE(host.check());
    EXPECT_EQ(host.spool_->durable_end_lsn(), 21U);
    host.lose_power(512);
    ASSERT_NO_FATAL_FAILURE(host.start());
    ASSERT_NO_FATAL_FAILURE(host.check());
}

// Linux tells of a failed sync once: the process that comes after, or an attempt after this one, is
// told that all is well, of pages that are on no disk.
TEST(SpoolPowerCutTest, TrustsNoSyncThatFollowsAFailedOne) {
    for (std::uint64_t round = 0; round < 100; ++round) {
        SCOPED_TRACE("round " + std::to_string(round));
        Host host(seed() + round);
        ASSERT_NO_FATAL_FAILURE(host.start());
        ASSERT_TRUE(host.store(2, 20));
        // Once: written again elsewhere if the process lives. Twice: taken back if it lives.
        host.disk_.fail_syncs(EIO);
        ASSERT_FALSE(host.store(2, 20));
        host.spool_.reset();  // killed at once; the page cache stays
        if (round % 2 == 0) {
            ASSERT_FALSE(Spool::open(host.disk_.attach(), host.options_)) << "not even opened";
        }
        host.disk_.fail_syncs(0);
        ASSERT_NO_FATAL_FAILURE(host.start());
        host.acknowledged_seq_ = host.next_seq_ - 1;  // the client hears so in WELCOME
        host.lose_power(512);
        ASSERT_NO_FATAL_FAILURE(host.start());
        ASSERT_NO_FATAL_FAILURE(host.check());
    }
}

// What cannot be read is damage; it must not keep the spool from opening, now and for ever.
TEST(SpoolPowerCutTest, OpensThoughABlockOfTheLastGroupCannotBeRead) {
    Host host(seed());
    ASSERT_NO_FATAL_FAILURE(host.start());
    ASSERT_TRUE(host.store(2, 20));
    ASSERT_TRUE(host.store(2, 20));
    host.spool_.reset();
    DiskFile& file = *host.disk_.files()["00000000000000000001"];
    file.unreadable_at = file.cached.size();
    while (file.cached[--file.unreadable_at] == std::byte{0}) {
    }
    ASSERT_NO_FATAL_FAILURE(host.start());
    // The last group has no later frame to vouch for it, so it passes for a torn write; the first
    // group is vouched for by what can be read of the last.
    EXPECT_GE(host.next_seq_, 41U);
    EXPECT_LT(host.next_seq_, 81U);
    EXPECT_TRUE(host.store(1, 10));
}

TEST(SpoolPowerCutTest, FillsAndFreesAFullDiskAgainAndAgain) {
    Host host(seed());
    host.disk_.set_capacity(6 << 20);
    ASSERT_NO_FATAL_FAILURE(host.start());
    for (int cycle = 0; cycle < 10; ++cycle) {
        int stored = 0;
        while (stored < 1'000 && host.store(1, 500)) {
            ++stored;
        }
        ASSERT_LT(stored, 1'000) << "the disk never filled";
        ASSERT_GT(stored, 0);
        ASSERT_NO_FATAL_FAILURE(host.check());
        host.lose_power(4096);
        ASSERT_NO_FATAL_FAILURE(host.start());
        ASSERT_NO_FATAL_FAILURE(host.check());
        for (const std::uint64_t number : host.numbers_) {
            host.delivered_.insert(number);
        }
        host.cursor_ = host.batch_.end_lsn;
        host.spool_->release(host.cursor_);
        EXPECT_TRUE(host.store(1, 10)) << "room came back in cycle " << cycle;
    }
}

}  // namespace
}  // namespace burgee::test
