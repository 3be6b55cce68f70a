// Promise: kill -9 of a client loses none of its acknowledged events and stores none twice; what it
// had not heard about is stored as a whole prefix or not at all; nobody else notices. Method:
// producer processes kill themselves at an event number drawn at random; they note in shared memory
// what was acknowledged; a bystander runs through all of it.
#include <iostream>
#include <random>

#include "tests/fault/client_lives.hpp"
#include "tests/fault/daemon_place.hpp"
#include "tests/fault/event_load.hpp"

namespace burgee::test {
namespace {

using std::chrono::seconds;

constexpr std::uint64_t kClientKillsDefault = 50;

class ClientKillTest : public ::testing::Test {
protected:
    void SetUp() override {
        create_load_flags(host_.postgres());
        host_.start_daemon();
    }

    std::uint64_t number(const std::string& sql) {
        return std::stoull(host_.postgres().value(sql));
    }

    Host host_;
};

TEST_F(ClientKillTest, AcknowledgedEventsSurviveTheirClient) {
    const std::uint64_t kills =
        count_from_environment("BURGEE_FAULT_CLIENT_KILLS", kClientKillsDefault);
    std::mt19937_64 random(seed_of_run());
    EventLoad bystander(host_.run_directory(), {});
    const ClientLives clients(host_.run_directory());
    std::vector<ClientLife> lives;
    std::uint64_t kills_with_events = 0;
    for (std::uint64_t kill = 1; kill <= kills; ++kill) {
        const std::uint64_t kill_at = random() % ClientLives::kKillAtMax + 1;
        const ClientLife life = clients.live_and_die(100 + kill, kill_at);
        lives.push_back(life);
        kills_with_events += life.offered > life.acknowledged ? 1U : 0U;
        std::cout << "kill " << kill << " at event " << kill_at << ": " << life.acknowledged
                  << " acknowledged, " << life.offered - life.acknowledged << " in flight\n";
    }
    EXPECT_GE(kills_with_events * 2, kills);
    bystander.stop();
    ASSERT_TRUE(bystander.client().flush(seconds(30)).complete);
    const EventCounters counters = bystander.client().counters();
    EXPECT_EQ(complaint(counters, bystander.offered()), "");
    EXPECT_EQ(bystander.failed_lookups() + bystander.torn_snapshots(), 0U);

    // Nothing comes any more: when the spool is empty, all that was taken is stored.
    EXPECT_TRUE(wait_until_delivered_in(host_.run_directory(), counters.acknowledged))
        << host_.daemon_log();
    ASSERT_EQ(host_.stop_daemon(), 0);
    const Accounts accounts =
        DaemonPlace::accounts_in(read_file(host_.run_directory() + "/status.json"));
    EXPECT_EQ(complaint(accounts), "");
    EXPECT_EQ(complaint(stored_accounts(host_.postgres())), "");
    const std::uint64_t rows =
        counters.acknowledged + expect_stored_prefixes(host_.postgres(), lives);
    EXPECT_EQ(number("SELECT count(*) FROM public.ab_test_metrics"), rows);
    std::cout << "ran " << lives.size() << " of " << kills << " kills of clients, "
              << kills_with_events << " with events in flight; " << rows << " rows\n";
}

}  // namespace
}  // namespace burgee::test
