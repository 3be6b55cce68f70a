#include "tests/fault/daemon_victim.hpp"

#include <gtest/gtest.h>

#include <iostream>
#include <mutex>

namespace burgee::test {
namespace {

using std::chrono::seconds;

constexpr std::uint64_t kStopsMax = 2'000;  // a fifth of a second of a loaded daemon's life
constexpr int kProducers = 2;
// Bounds against hanging: a disk that others share was seen to stall for a minute.
constexpr seconds kPatience{180};

// A kill of burgeed must not tell the two apart: every third acknowledges before its disk has it.
PlaceOptions place_options(int number) {
    PlaceOptions options;
    options.durability = number % 3 == 2 ? "relaxed" : "synced";
    return options;
}

}  // namespace

DaemonVictim::DaemonVictim(PostgresCluster& postgres, int number, std::uint64_t seed)
    : place_(postgres.dsn(), place_options(number)),
      random_(seed + static_cast<std::uint64_t>(number)),
      number_(number) {
    place_.start();
    EventLoad::Options options;
    options.producer_count = kProducers;
    options.first_producer = 1 + number * kProducers;
    load_ = std::make_unique<EventLoad>(place_.run_directory(), options);
    const bool is_working =
        wait_until([&] { return load_->client().counters().acknowledged > 0; }, seconds(30));
    EXPECT_TRUE(is_working) << place_.log();
    place_.stop();
}

void DaemonVictim::live_and_die(std::uint64_t kills) {
    for (; killed_ < kills; ++killed_) {
        const std::uint64_t stops = random_() % kStopsMax + 1;
        const auto daemon = place_.start_traced();
        if (!place_.notify().wait_for("READY=1", kPatience)) {
            ADD_FAILURE() << "not ready again after kill " << killed_ << "\n" << place_.log();
            return;
        }
        daemon->kill_after(stops);
        EXPECT_TRUE(daemon->wait_gone(kPatience));
        const std::uint64_t in_flight = load_->in_flight();
        killed_with_events_ += in_flight > 0 ? 1U : 0U;
        static std::mutex output;
        const std::lock_guard lock(output);
        std::cout << "daemon " << number_ << ", kill " << killed_ + 1 << " at stop " << stops
                  << ": " << in_flight << " events in flight\n";
    }
}

void DaemonVictim::settle() {
    place_.start();
    load_->stop();
    EXPECT_TRUE(load_->client().flush(kPatience).complete) << place_.log();
    const EventCounters counters = load_->client().counters();
    EXPECT_EQ(counters.in_flight, 0U);
    EXPECT_EQ(total(counters.lost), 0U);
    EXPECT_EQ(complaint(counters, load_->offered()), "");
    EXPECT_EQ(load_->failed_lookups(), 0U);
    EXPECT_EQ(load_->torn_snapshots(), 0U);
    EXPECT_EQ(load_->backward_steps(), 0U);
    EXPECT_GT(load_->checks(), killed_);
}

void DaemonVictim::wait_until_delivered() {
    EXPECT_TRUE(wait_until_delivered_in(place_.run_directory(), 1)) << place_.log();
}

void DaemonVictim::stop() {
    EXPECT_EQ(place_.stop(), 0);
    const Accounts accounts = place_.accounts();
    EXPECT_EQ(complaint(accounts), "");
    EXPECT_EQ(accounts.in_spool, 0U);
    EXPECT_EQ(accounts.counted_lost, 0U);
}

}  // namespace burgee::test
