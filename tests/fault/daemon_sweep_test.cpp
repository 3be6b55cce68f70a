// Promise: a crash of burgeed at any system call of its start (last known good snapshot, recovery,
// publication) and of an upload loses no acknowledged event, doubles none, and shows no reader a
// torn or older snapshot. Method: events are put into the spool while no daemon runs. One clean
// life counts the system calls from the opening of the configuration file until the events are in
// PostgreSQL; then burgeed starts again and again, with new events, and is killed at each of those
// stops in turn. Threads make the order differ from life to life: the points are a sample of all
// orders, and each is printed by name.
#include <sys/syscall.h>

#include <iostream>

#include "tests/daemon/spool_events.hpp"
#include "tests/fault/daemon_place.hpp"
#include "tests/fault/event_load.hpp"
#include "tests/fault/syscall_sweep.hpp"

namespace burgee::test {
namespace {

using std::chrono::seconds;

constexpr std::uint32_t kEventsInLife = 20;
constexpr std::uint64_t kLivesUntilDrained = 20;

class DaemonSweepTest : public ::testing::Test {
protected:
    void SetUp() override {
        migrate(postgres_);
        create_load_flags(postgres_);
        // The experiment that spool_events.hpp writes about.
        postgres_.execute(
            "UPDATE public.ab_test_experiments SET id = '07000000-0000-0000-0000-000000000000'");
        place_.start();  // makes the directories
        client_ = std::make_unique<Client>(ClientOptions{place_.run_directory()});
        ASSERT_TRUE(client_->wait_for_generation(1, seconds(30)));
        ASSERT_EQ(place_.stop(), 0);
    }

    /// What a client would have been told is durable.
    void spool_events() {
        daemon::SpoolOptions options;
        options.segment_size_bytes = 1 << 20;
        auto opened = daemon::Spool::open(place_.spool_directory(), options);
        ASSERT_TRUE(opened) << opened.error().message;
        ASSERT_EQ((*opened)->durable_end_lsn(), spooled_ + 1) << "an acknowledged event is gone";
        const auto now = std::chrono::system_clock::now().time_since_epoch();
        const auto events =
            make_events(1, spooled_ + 1, kEventsInLife,
                        std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
        ASSERT_TRUE((*opened)->stage(make_batch(1, spooled_ + 1, kEventsInLife, events)));
        ASSERT_TRUE((*opened)->commit());
        spooled_ += kEventsInLife;
    }

    bool is_stored() {
        return stored_events(postgres_).rows + stored_events(postgres_).dead_letters >= spooled_;
    }

    /// A life to the end: everything is delivered.
    void drain() {
        place_.start();
        ASSERT_TRUE(wait_until([&] { return is_stored(); }, seconds(180))) << place_.log();
        ASSERT_EQ(place_.stop(), 0);
    }

    /// A snapshot answers, whole, and no older than the one before.
    void look() {
        const Context user{{"user_id", "reader"}};
        const Snapshot snapshot = client_->pin();
        const Evaluation first = snapshot.evaluate("pair.a", user);
        const Evaluation second = snapshot.evaluate("pair.b", user);
        ASSERT_EQ(first.reason(), Reason::kSplit);
        const std::int64_t version = first.config().integer("version", -1);
        ASSERT_EQ(version, second.config().integer("version", -2)) << "torn";
        ASSERT_GE(version, version_seen_) << "an older snapshot";
        ASSERT_GE(client_->generation(), generation_seen_);
        version_seen_ = version;
        generation_seen_ = client_->generation();
    }

    /// Stops of a life in which nothing fails, until its events are stored.
    std::uint64_t count_stops() {
        spool_events();
        move_pair(postgres_, ++version_);
        const auto daemon = place_.start_traced();
        EXPECT_TRUE(place_.notify().wait_for("READY=1", seconds(60))) << place_.log();
        EXPECT_TRUE(wait_until([&] { return is_stored(); }, seconds(60))) << place_.log();
        const std::uint64_t stops = daemon->stops();
        daemon->kill_now();
        EXPECT_TRUE(daemon->wait_gone(seconds(30)));
        std::cout << stops << " stops of a whole life: " << describe_calls(daemon->calls()) << "\n";
        return stops;
    }

    static PlaceOptions small_segments() {
        PlaceOptions options;
        options.segment_mib = 1;
        options.cap_mib = 64;
        return options;
    }

    PostgresCluster postgres_;
    // Small, because most lives end before anything is delivered and each leaves segments behind.
    DaemonPlace place_{postgres_.dsn(), small_segments()};
    std::unique_ptr<Client> client_;
    std::uint64_t spooled_ = 0;
    std::uint64_t version_ = 1;
    std::int64_t version_seen_ = 0;
    std::uint64_t generation_seen_ = 0;
};

TEST_F(DaemonSweepTest, SurvivesAKillAtEverySystemCallOfStartAndUpload) {
    const std::uint64_t stops = count_stops();
    const std::uint64_t stride =
        stride_of(stops, count_from_environment("BURGEE_FAULT_DAEMON_POINTS", 60));
    std::map<long, std::uint64_t> killed_at;
    std::uint64_t killed = 0;
    for (std::uint64_t stop = 1; stop <= stops; stop += stride) {
        ASSERT_NO_FATAL_FAILURE(spool_events());
        move_pair(postgres_, ++version_);
        TracePlan plan;
        plan.kill_at = stop;
        const auto daemon = place_.start_traced(plan);
        ASSERT_TRUE(daemon->wait_gone(seconds(60))) << "stop " << stop << "\n" << place_.log();
        ASSERT_NO_FATAL_FAILURE(look()) << "killed at stop " << stop;
        ++killed_at[daemon->killed_at()];
        if (++killed % kLivesUntilDrained == 0) {
            ASSERT_NO_FATAL_FAILURE(drain());
        }
    }
    std::cout << "ran " << killed << " of " << stops
              << " kill points: " << describe_calls(killed_at) << "\n";
    ASSERT_NO_FATAL_FAILURE(spool_events());
    ASSERT_NO_FATAL_FAILURE(drain());
    look();
    expect_stored_once(postgres_, spooled_);
    EXPECT_EQ(complaint(place_.accounts()), "");
    EXPECT_EQ(complaint(stored_accounts(postgres_)), "");
}

}  // namespace
}  // namespace burgee::test
