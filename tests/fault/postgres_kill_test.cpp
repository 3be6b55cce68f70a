// Promise: PostgreSQL may crash or be away; events wait in the spool, flags keep answering, and when it
// is back everything is there exactly once.
// Method: kill -9 of the whole server at a moment drawn from the number of rows it has just stored, and
// a long stop, while producers and a checker run.
#include <iostream>
#include <random>

#include "tests/fault/daemon_place.hpp"
#include "tests/fault/event_load.hpp"

namespace burgee::test {
namespace {

using std::chrono::seconds;

class PostgresKillTest : public ::testing::Test {
protected:
    void SetUp() override {
        create_load_flags(host_.postgres());
        host_.start_daemon();
        load_ = std::make_unique<EventLoad>(host_.run_directory(), EventLoad::Options{});
        ASSERT_TRUE(wait_until([&] { return rows() > 0; }, seconds(30))) << host_.daemon_log();
    }

    std::uint64_t rows() {
        return std::stoull(host_.postgres().value("SELECT count(*) FROM public.ab_test_metrics"));
    }

    /// Everything drains and every event is there once.
    void expect_exactly_once() {
        load_->stop();
        ASSERT_TRUE(load_->client().flush(seconds(60)).complete);
        const EventCounters counters = load_->client().counters();
        EXPECT_EQ(counters.acknowledged, counters.accepted);
        std::cout << counters.acknowledged << " events acknowledged\n";
        EXPECT_EQ(complaint(counters, load_->offered()), "");
        expect_stored_once(host_.postgres(), counters.acknowledged);
        EXPECT_EQ(load_->failed_lookups() + load_->torn_snapshots(), 0U);
        ASSERT_EQ(host_.stop_daemon(), 0);
        const Accounts accounts =
            DaemonPlace::accounts_in(read_file(host_.run_directory() + "/status.json"));
        EXPECT_EQ(complaint(accounts), "");
        EXPECT_EQ(accounts.accepted, counters.acknowledged);
        EXPECT_EQ(accounts.in_spool, 0U);
        EXPECT_EQ(complaint(stored_accounts(host_.postgres())), "");
    }

    // Durable: a crash of a server that does not sync may lose what it has confirmed.
    Host host_{[] {
        HostOptions options;
        options.postgres.is_durable = true;
        return options;
    }()};
    std::unique_ptr<EventLoad> load_;
};

TEST_F(PostgresKillTest, CrashesLoseAndDoubleNothing) {
    const std::uint64_t kills = count_from_environment("BURGEE_FAULT_CRASHES", 10);
    std::mt19937_64 random(seed_of_run());
    for (std::uint64_t kill = 1; kill <= kills; ++kill) {
        const std::uint64_t target = rows() + random() % 2'000;
        ASSERT_TRUE(wait_until([&] { return rows() >= target; }, seconds(60)));
        host_.postgres().kill9();
        std::cout << "crash " << kill << " after row " << target << ": " << load_->in_flight()
                  << " events in flight\n";
        host_.postgres().start();
    }
    std::cout << "ran " << kills << " of " << kills << " crashes of PostgreSQL\n";
    expect_exactly_once();
}

TEST_F(PostgresKillTest, AStopOnlyDelays) {
    host_.postgres().stop();
    const std::uint64_t before = load_->client().counters().acknowledged;
    EXPECT_TRUE(wait_until(
        [&] { return load_->client().counters().acknowledged > before + 20'000; }, seconds(60)))
        << "events are no longer acknowledged while PostgreSQL is away";
    host_.postgres().start();
    expect_exactly_once();
}

}  // namespace
}  // namespace burgee::test
