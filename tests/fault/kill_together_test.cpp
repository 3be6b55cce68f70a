// Promise: burgeed, its clients and PostgreSQL may all die in one run, over and over and at the
// same time, and still every acknowledged event is stored once. Method: burgeeds are killed at
// system calls drawn at random, client processes kill themselves at events drawn at random, and the
// whole server is killed when it has stored a number of rows drawn at random, all three beside each
// other; then everything drains and PostgreSQL is asked.
#include <iostream>
#include <random>
#include <thread>

#include "tests/fault/client_lives.hpp"
#include "tests/fault/daemon_victim.hpp"

namespace burgee::test {
namespace {

using std::chrono::seconds;

constexpr int kDaemons = 2;

class KillTogetherTest : public ::testing::Test {
protected:
    void SetUp() override {
        migrate(postgres_);
        create_load_flags(postgres_);
        for (int number = 0; number < kDaemons; ++number) {
            victims_.push_back(std::make_unique<DaemonVictim>(postgres_, number, seed_));
        }
    }

    std::uint64_t rows() {
        return std::stoull(postgres_.value("SELECT count(*) FROM public.ab_test_metrics"));
    }

    void kill_daemons(std::uint64_t kills) {
        std::vector<std::thread> deaths;
        for (std::size_t number = 0; number < victims_.size(); ++number) {
            const std::uint64_t share = kills / kDaemons + (number < kills % kDaemons ? 1 : 0);
            deaths.emplace_back(
                [&victim = *victims_[number], share] { victim.live_and_die(share); });
        }
        for (std::thread& death : deaths) {
            death.join();
        }
        are_daemons_done_ = true;
    }

    void kill_clients() {
        const ClientLives clients(victims_[0]->run_directory());
        std::mt19937_64 random(seed_ + 1'000);
        for (std::uint64_t number = 101; !are_daemons_done_; ++number) {
            lives_.push_back(clients.live_and_die(number, random() % 5'000 + 1));
        }
    }

    /// On this thread: a server dies with the thread that started it.
    void kill_servers() {
        std::mt19937_64 random(seed_ + 2'000);
        while (!are_daemons_done_) {
            const std::uint64_t target = rows() + random() % 5'000;
            wait_until([&] { return are_daemons_done_ || rows() >= target; }, seconds(2));
            postgres_.kill9();
            postgres_.start();
            ++crashes_;
        }
    }

    std::uint64_t seed_ = seed_of_run();
    // Durable: a crash of a server that does not sync may lose what it has confirmed.
    PostgresCluster postgres_{PostgresOptions{.is_durable = true, .settings = {}}};
    std::vector<std::unique_ptr<DaemonVictim>> victims_;
    std::vector<ClientLife> lives_;
    std::atomic<bool> are_daemons_done_{false};
    std::uint64_t crashes_ = 0;
};

TEST_F(KillTogetherTest, EveryAcknowledgedEventIsStoredOnce) {
    const std::uint64_t wanted = count_from_environment("BURGEE_FAULT_TOGETHER_KILLS", 40);
    std::thread daemons([&] { kill_daemons(wanted); });
    std::thread clients([&] { kill_clients(); });
    kill_servers();
    daemons.join();
    std::uint64_t killed = 0;
    std::uint64_t acknowledged = 0;
    // A client still waits for its daemon: settle first.
    for (const auto& victim : victims_) {
        victim->settle();
        killed += victim->killed();
        acknowledged += victim->acknowledged();
    }
    clients.join();
    for (const auto& victim : victims_) {
        victim->wait_until_delivered();
        victim->stop();
    }
    acknowledged += expect_stored_prefixes(postgres_, lives_);
    std::cout << "ran " << killed << " of " << wanted << " kills of " << kDaemons << " daemons, "
              << lives_.size() << " of clients and " << crashes_ << " of PostgreSQL; "
              << acknowledged << " events\n";
    EXPECT_EQ(killed, wanted);
    EXPECT_GT(lives_.size(), 0U);
    EXPECT_GT(crashes_, 0U);
    expect_stored_once(postgres_, acknowledged);
    EXPECT_EQ(complaint(stored_accounts(postgres_)), "");
}

}  // namespace
}  // namespace burgee::test
