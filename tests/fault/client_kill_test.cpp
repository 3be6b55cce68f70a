// Promise: kill -9 of a client loses none of its acknowledged events and stores none twice; what it had
// not heard about is stored as a whole prefix or not at all; nobody else notices.
// Method: producer processes kill themselves at an event number drawn at random; they note in shared
// memory what was acknowledged; a bystander runs through all of it.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <iostream>
#include <random>

#include "tests/e2e/host.hpp"
#include "tests/fault/event_load.hpp"
#include "tests/fault/producer_page.hpp"

namespace burgee::test {
namespace {

using std::chrono::seconds;

constexpr std::uint64_t kClientKillsDefault = 60;
constexpr std::uint64_t kEventsMax = 20'000;

class ClientKillTest : public ::testing::Test {
protected:
    struct Life {
        std::uint64_t offered = 0;
        std::uint64_t acknowledged = 0;
        std::uint64_t refused = 0;
    };

    void SetUp() override {
        create_load_flags(host_.postgres());
        host_.start_daemon();
    }

    Life live_and_die(std::uint64_t producer, std::uint64_t kill_at) {
        const std::string path = pages_.file(std::to_string(producer));
        const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        EXPECT_EQ(::ftruncate(fd, sizeof(ProducerPage)), 0);
        void* memory = ::mmap(nullptr, sizeof(ProducerPage), PROT_READ, MAP_SHARED, fd, 0);
        ::close(fd);
        const auto& page = *static_cast<const ProducerPage*>(memory);
        ChildOptions options;
        options.arguments = {BURGEE_PRODUCER_PATH, host_.run_directory(), path,
                             std::to_string(static_cast<std::uint64_t>(
                                 static_cast<double>(producer) * kProducerStride)),
                             std::to_string(kEventsMax), std::to_string(kill_at)};
        ChildProcess child(options);
        const auto exit = child.wait(seconds(60));
        EXPECT_TRUE(exit && exit->signal == SIGKILL);
        const Life life{page.offered, page.acknowledged, page.refused};
        ::munmap(memory, sizeof(ProducerPage));
        return life;
    }

    std::uint64_t number(const std::string& sql) {
        return std::stoull(host_.postgres().value(sql));
    }

    Host host_;
    TemporaryDirectory pages_;
};

TEST_F(ClientKillTest, AcknowledgedEventsSurviveTheirClient) {
    const std::uint64_t kills =
        count_from_environment("BURGEE_FAULT_KILLS", kClientKillsDefault * 10) / 10;
    std::mt19937_64 random(seed_of_run());
    EventLoad bystander(host_.run_directory(), {});
    std::vector<Life> lives;
    std::uint64_t kills_with_events = 0;
    for (std::uint64_t kill = 1; kill <= kills; ++kill) {
        const std::uint64_t kill_at = random() % kEventsMax + 1;
        const Life life = live_and_die(100 + kill, kill_at);
        lives.push_back(life);
        kills_with_events += life.offered > life.acknowledged ? 1 : 0;
        std::cout << "kill " << kill << " at event " << kill_at << ": " << life.acknowledged
                  << " acknowledged, " << life.offered - life.acknowledged << " in flight\n";
    }
    EXPECT_GE(kills_with_events * 2, kills);
    bystander.stop();
    ASSERT_TRUE(bystander.client().flush(seconds(30)).complete);
    const std::uint64_t bystander_events = bystander.client().counters().acknowledged;
    EXPECT_EQ(bystander.failed_lookups() + bystander.torn_snapshots(), 0U);
    ASSERT_TRUE(wait_until(
        [&] {
            return number("SELECT count(*) FROM public.ab_test_metrics WHERE metric_value < 100e9") >=
                   bystander_events;
        },
        seconds(60)));
    ASSERT_EQ(host_.stop_daemon(), 0);
    host_.start_daemon();
    wait_until([&] { return number("SELECT count(*) FROM burgee.spool_cursor WHERE next_lsn > 1") > 0; },
               seconds(10));

    for (std::size_t kill = 0; kill < lives.size(); ++kill) {
        const std::string first = std::to_string(static_cast<double>(101 + kill) * kProducerStride);
        const std::string where = " FROM public.ab_test_metrics WHERE metric_value > " + first +
                                  " AND metric_value < " + first + " + " +
                                  std::to_string(kProducerStride);
        const std::uint64_t rows = number("SELECT count(*)" + where);
        EXPECT_EQ(number("SELECT count(DISTINCT metric_value)" + where), rows);
        EXPECT_GE(rows, lives[kill].acknowledged) << "kill " << kill + 1;
        EXPECT_LE(rows, lives[kill].offered);
        EXPECT_EQ(lives[kill].refused, 0U);
        // Without a hole: the stored values are exactly the first `rows` of this client.
        EXPECT_EQ(number("SELECT coalesce(max(metric_value) - " + first + ", 0)::bigint" + where), rows);
    }
}

}  // namespace
}  // namespace burgee::test
