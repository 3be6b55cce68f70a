// Promise: kill -9 of burgeed at any moment loses no acknowledged event, stores none twice, shows
// no process a torn or older snapshot, and fails no lookup. Method: several burgeeds on one
// database run under ptrace and are killed at system calls drawn at random while producers track, a
// writer changes flags and checkers read; then everything drains and PostgreSQL is asked.
#include <chrono>
#include <iostream>
#include <thread>

#include "tests/fault/daemon_victim.hpp"

namespace burgee::test {
namespace {

constexpr std::uint64_t kKillsDefault = 200;

class DaemonKillTest : public ::testing::Test {
protected:
    void SetUp() override {
        migrate(postgres_);
        create_load_flags(postgres_);
        writer_ = std::thread([this] { write_flags(); });
    }

    void TearDown() override {
        is_writing_ = false;
        writer_.join();
    }

    void write_flags() {
        for (std::uint64_t version = 2; is_writing_; ++version) {
            move_pair(postgres_, version);
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    }

    PostgresCluster postgres_;
    std::atomic<bool> is_writing_{true};
    std::thread writer_;
};

TEST_F(DaemonKillTest, LosesNothingDoublesNothingTearsNothing) {
    const std::uint64_t wanted = count_from_environment("BURGEE_FAULT_KILLS", kKillsDefault);
    const std::uint64_t daemons = count_from_environment("BURGEE_FAULT_DAEMONS", 3);
    const std::uint64_t seed = seed_of_run();
    std::vector<std::unique_ptr<DaemonVictim>> victims;
    for (std::uint64_t number = 0; number < daemons; ++number) {
        victims.push_back(
            std::make_unique<DaemonVictim>(postgres_, static_cast<int>(number), seed));
    }
    std::vector<std::thread> deaths;
    for (std::uint64_t number = 0; number < daemons; ++number) {
        const std::uint64_t kills = wanted / daemons + (number < wanted % daemons ? 1 : 0);
        deaths.emplace_back([&victim = *victims[number], kills] { victim.live_and_die(kills); });
    }
    std::uint64_t killed = 0;
    std::uint64_t with_events = 0;
    std::uint64_t acknowledged = 0;
    for (std::uint64_t number = 0; number < daemons; ++number) {
        deaths[number].join();
        killed += victims[number]->killed();
        with_events += victims[number]->killed_with_events();
    }
    for (const auto& victim : victims) {
        victim->settle();
        acknowledged += victim->acknowledged();
    }
    std::cout << "ran " << killed << " of " << wanted << " kills of " << daemons << " daemons, "
              << with_events << " with events in flight; " << acknowledged
              << " events acknowledged\n";
    EXPECT_EQ(killed, wanted);
    EXPECT_GE(with_events * 2, wanted) << "too few kills hit events on their way";
    expect_stored_once(postgres_, acknowledged);
    for (const auto& victim : victims) {
        victim->stop();
    }
    EXPECT_EQ(complaint(stored_accounts(postgres_)), "");
}

}  // namespace
}  // namespace burgee::test
