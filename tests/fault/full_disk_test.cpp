// Promise: a full disk and a disk whose syncs fail cost no acknowledged event and no flag; clients
// are told to wait; it is over within seconds of room, or luck, coming back, without anybody's
// help. Method: burgeed's state directory lies on a small file system of its own that a file fills
// up and leaves, over and over; and burgeed under ptrace, where every so-many-th fdatasync gives
// EIO. Which file system it was is printed.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <limits>

#include "tests/fault/daemon_place.hpp"
#include "tests/fault/event_load.hpp"
#include "tests/fault/private_mount.hpp"

namespace burgee::test {
namespace {

using std::chrono::seconds;

class FullDiskTest : public ::testing::Test {
protected:
    void SetUp() override {
        migrate(postgres_);
        create_load_flags(postgres_);
    }

    PlaceOptions place_options() const {
        PlaceOptions options;
        options.state_directory = disk_.path() + "/state";
        options.segment_mib = 1;
        options.cap_mib = 192;  // more than the disk has: the cap is not what refuses
        return options;
    }

    void start_load() {
        EventLoad::Options options;
        options.burst_events = 25;
        load_ = std::make_unique<EventLoad>(place_.run_directory(), options);
    }

    std::uint64_t acknowledged() const { return load_->client().counters().acknowledged; }

    /// Where the database's cursor stands.
    std::uint64_t passed() {
        return std::stoull(postgres_.value(
            "SELECT coalesce(sum(next_lsn - 1), 0)::bigint FROM burgee.spool_cursor"));
    }

    void start_daemon() {
        if (disk_.is_mounted()) {
            place_.start();
            return;
        }
        TracePlan plan;
        plan.failing = {SYS_fallocate};
        plan.fail_every = 1;
        plan.error = ENOSPC;
        traced_ = place_.start_traced(plan);
        traced_->set_failing(false);
        ASSERT_TRUE(place_.notify().wait_for("READY=1", seconds(60))) << place_.log();
    }
    bool has_daemon() { return traced_ ? traced_->is_running() : place_.has_daemon(); }
    void stop_daemon() {
        if (!traced_) {
            ASSERT_EQ(place_.stop(), 0);
            return;
        }
        ::kill(traced_->pid(), SIGTERM);
        ASSERT_TRUE(traced_->wait_gone(seconds(60)));
    }

    /// Takes all room there is, to the last block. @return how many bytes that were.
    std::uint64_t fill_disk() const {
        if (traced_) {
            traced_->set_failing(true);
            return std::numeric_limits<std::uint64_t>::max();
        }
        const int fd = ::open(ballast().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        for (off_t size = 1 << 20; size > 0;) {
            const off_t end = ::lseek(fd, 0, SEEK_END);
            size = ::posix_fallocate(fd, end, size) == 0 ? size : size / 2;
        }
        const off_t filled = ::lseek(fd, 0, SEEK_END);
        ::close(fd);
        return static_cast<std::uint64_t>(filled);
    }
    void free_disk() const {
        if (traced_) {
            traced_->set_failing(false);
            return;
        }
        std::filesystem::remove(ballast());
    }
    std::string ballast() const { return disk_.path() + "/ballast"; }

    bool is_refusing() const {
        return (load_->client().status().control_state & kStateShedding) != 0;
    }

    /// Everything drains, each event once, and the accounts balance.
    void expect_exactly_once() {
        load_->stop();
        ASSERT_TRUE(load_->client().flush(seconds(60)).complete) << place_.log();
        const EventCounters counters = load_->client().counters();
        EXPECT_EQ(complaint(counters, load_->offered()), "");
        EXPECT_EQ(total(counters.lost), 0U);
        expect_stored_once(postgres_, counters.acknowledged);
        EXPECT_EQ(load_->failed_lookups() + load_->torn_snapshots(), 0U);
        EXPECT_EQ(complaint(stored_accounts(postgres_)), "");
    }

    PrivateMount disk_{PrivateMount::Kind::kExt4, 48};
    PostgresCluster postgres_;
    DaemonPlace place_{postgres_.dsn(), place_options()};
    std::unique_ptr<TracedProcess> traced_;
    std::unique_ptr<EventLoad> load_;
};

TEST_F(FullDiskTest, FillsAndEmptiesAgainAndAgain) {
    const std::uint64_t cycles = count_from_environment("BURGEE_FAULT_FULL_DISKS", 3);
    ASSERT_NO_FATAL_FAILURE(start_daemon());
    start_load();
    std::uint64_t refused = 0;
    std::uint64_t without_delivery = 0;
    for (std::uint64_t cycle = 1; cycle <= cycles; ++cycle) {
        // Without PostgreSQL nothing is delivered, so that no segment can be used again.
        postgres_.stop();
        const std::uint64_t ballast_bytes = fill_disk();
        ASSERT_TRUE(wait_until([&] { return is_refusing(); }, seconds(60)))
            << "cycle " << cycle << ": the disk never filled\n"
            << place_.log();
        ++refused;
        ASSERT_TRUE(has_daemon());
        const std::uint64_t before = acknowledged();
        const auto freed_at = std::chrono::steady_clock::now();
        free_disk();
        // A spool that fills the disk by itself gets its room by delivering.
        const bool makes_room = ballast_bytes >= 4 << 20;
        if (!makes_room) {
            postgres_.start();
        }
        without_delivery += makes_room ? 1U : 0U;
        ASSERT_TRUE(wait_until([&] { return acknowledged() > before; }, seconds(60)))
            << "cycle " << cycle << ": nothing is taken though there is room\n"
            << place_.log();
        std::cout << "cycle " << cycle << ": full at " << before << " events, taken again after "
                  << (std::chrono::steady_clock::now() - freed_at) / std::chrono::milliseconds(1)
                  << " ms\n";
        if (makes_room) {
            postgres_.start();
        }
        ASSERT_TRUE(wait_until([&] { return passed() >= before; }, seconds(60))) << place_.log();
    }
    std::cout << "ran " << refused << " of " << cycles << " full disks on " << disk_.kind()
              << (traced_ ? ", by failing fallocate()" : "") << ", " << without_delivery
              << " times taken again before anything was delivered\n";
    EXPECT_GT(without_delivery, 0U);
    expect_exactly_once();
    ASSERT_NO_FATAL_FAILURE(stop_daemon());
    EXPECT_EQ(complaint(place_.accounts()), "");
    EXPECT_GE(place_.counter("commit_failures"), cycles);
}

TEST_F(FullDiskTest, NoSyncThatFailsLosesAnythingOrIsRepeated) {
    TracePlan plan;
    plan.failing = {SYS_fdatasync};
    plan.fail_every = 5;
    plan.error = EIO;
    const std::uint64_t wanted = count_from_environment("BURGEE_FAULT_FAILED_SYNCS", 100);
    auto daemon = place_.start_traced(plan);
    ASSERT_TRUE(place_.notify().wait_for("READY=1", seconds(60))) << place_.log();
    start_load();
    EXPECT_TRUE(wait_until([&] { return daemon->failed_calls() >= wanted; }, seconds(300)))
        << daemon->failed_calls() << " of " << wanted << "\n"
        << place_.log();
    daemon->set_failing(false);
    const std::uint64_t failed = daemon->failed_calls();
    expect_exactly_once();
    daemon->kill_now();
    ASSERT_TRUE(daemon->wait_gone(seconds(30)));
    EXPECT_EQ(daemon->syncs().syncs_after_failure(), 0U) << "a file was synced after it had failed";
    EXPECT_GE(daemon->syncs().failures(), wanted);
    std::cout << "ran " << failed << " of " << wanted << " failed syncs, "
              << load_->client().counters().acknowledged << " events acknowledged\n";
}

}  // namespace
}  // namespace burgee::test
