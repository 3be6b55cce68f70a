// Promise: kill -9 of burgeed at any moment loses no acknowledged event, stores none twice, shows no
// process a torn or older snapshot, and fails no lookup.
// Method: burgeed runs under ptrace and is killed at a system call drawn at random while producers
// track, a writer changes flags and a checker reads; then everything drains and PostgreSQL is asked.
#include <chrono>
#include <iostream>
#include <random>
#include <thread>

#include "tests/e2e/host.hpp"
#include "tests/fault/event_load.hpp"
#include "tests/fault/traced_process.hpp"

namespace burgee::test {
namespace {

using std::chrono::seconds;

constexpr std::uint64_t kKillsDefault = 200;
constexpr std::uint64_t kStopsMax = 3'000;  // about a quarter of a second of a loaded daemon's life

class DaemonKillTest : public ::testing::Test {
protected:
    void SetUp() override {
        create_load_flags(host_.postgres());
        host_.start_daemon();
        load_ = std::make_unique<EventLoad>(host_.run_directory(), EventLoad::Options{});
        ASSERT_TRUE(wait_until([&] { return load_->client().counters().acknowledged > 0; },
                               seconds(30)))
            << host_.daemon_log();
        host_.stop_daemon();
        writer_ = std::thread([this] { write_flags(); });
    }

    void TearDown() override {
        is_writing_ = false;
        if (writer_.joinable()) {
            writer_.join();
        }
    }

    void write_flags() {
        for (std::uint64_t version = 2; is_writing_; ++version) {
            move_pair(host_.postgres(), version);
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    }

    /// One life of the daemon. @return events in flight when it died; nothing if it did not start.
    std::optional<std::uint64_t> live_and_die(std::uint64_t stops) {
        TracedProcess daemon(
            {host_.daemon_command(), {host_.notify().variable()}, host_.log_path()});
        if (!host_.notify().wait_for("READY=1", seconds(30))) {
            return std::nullopt;
        }
        daemon.kill_after(stops);
        EXPECT_TRUE(daemon.wait_gone(seconds(60)));
        return load_->in_flight();
    }

    Host host_;
    std::unique_ptr<EventLoad> load_;
    std::atomic<bool> is_writing_{true};
    std::thread writer_;
};

TEST_F(DaemonKillTest, LosesNothingDoublesNothingTearsNothing) {
    const std::uint64_t kills = count_from_environment("BURGEE_FAULT_KILLS", kKillsDefault);
    std::mt19937_64 random(seed_of_run());
    std::uint64_t kills_with_events = 0;
    for (std::uint64_t kill = 1; kill <= kills; ++kill) {
        const std::uint64_t stops = random() % kStopsMax + 1;
        const auto in_flight = live_and_die(stops);
        ASSERT_TRUE(in_flight) << "not ready again after kill " << kill - 1 << "\n"
                               << host_.daemon_log();
        kills_with_events += *in_flight > 0 ? 1U : 0U;
        std::cout << "kill " << kill << " at stop " << stops << ": " << *in_flight
                  << " events in flight\n";
    }
    EXPECT_GE(kills_with_events * 2, kills) << "too few kills hit events on their way";

    host_.start_daemon();
    load_->stop();
    const FlushResult flushed = load_->client().flush(seconds(60));
    EXPECT_TRUE(flushed.complete);
    const EventCounters counters = load_->client().counters();
    EXPECT_EQ(counters.in_flight, 0U);
    EXPECT_EQ(total(counters.lost), 0U);
    EXPECT_EQ(counters.acknowledged, counters.accepted);

    StoredEvents stored;
    wait_until(
        [&] {
            stored = stored_events(host_.postgres());
            return stored.rows >= counters.acknowledged;
        },
        seconds(120));
    std::cout << "ran " << kills << " kills, " << kills_with_events << " with events in flight; "
              << counters.acknowledged << " events acknowledged, " << stored.rows << " stored, "
              << load_->checks() << " checks\n";
    EXPECT_EQ(stored.rows, counters.acknowledged);
    EXPECT_EQ(stored.distinct_values, stored.rows) << "an event was stored twice";
    EXPECT_EQ(stored.distinct_lsns, stored.rows);
    EXPECT_EQ(stored.dead_letters, 0U);
    EXPECT_EQ(stored.folded, stored.rows);
    EXPECT_EQ(load_->failed_lookups(), 0U);
    EXPECT_EQ(load_->torn_snapshots(), 0U);
    EXPECT_EQ(load_->backward_steps(), 0U);
    EXPECT_GT(load_->checks(), kills);
    EXPECT_EQ(host_.stop_daemon(), 0);
}

}  // namespace
}  // namespace burgee::test
