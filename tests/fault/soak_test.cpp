// Promise: under a steady load burgeed's memory does not grow: less than 1 MiB an hour.
// Method: producers and a checker at a steady pace, flags that change, resident memory once a
// second; the slope of the second half with its standard error, judged by the median of all pairs,
// because a batch larger than any before takes memory once and is no leak. A run too short to tell
// 1 MiB/h from noise says so and is judged only by what is gross: 8 MiB between the halves.
#include <iostream>
#include <thread>

#include "tests/fault/daemon_place.hpp"
#include "tests/fault/event_load.hpp"
#include "tests/fault/resident_memory.hpp"

namespace burgee::test {
namespace {

using std::chrono::seconds;

constexpr double kMiB = 1 << 20;
constexpr double kSlopeMax = 1 * kMiB;  // an hour: reliability of a day's soak, scaled
constexpr double kGrossGrowthMax = 8 * kMiB;

TEST(ResidentMemoryTest, TellsALeakFromNoise) {
    std::vector<MemorySample> flat;
    std::vector<MemorySample> leaking;
    for (int second = 0; second < 900; ++second) {
        const double noise = (second * 7'919 % 13 - 6) * 4'096.0;
        flat.push_back({static_cast<double>(second), 30 * kMiB + noise});
        leaking.push_back(
            {static_cast<double>(second), 30 * kMiB + noise + second * 4 * kMiB / 3'600});
    }
    const MemorySlope none = slope_of_second_half(flat, 30);
    const MemorySlope some = slope_of_second_half(leaking, 30);
    EXPECT_EQ(none.blocks, 15U);
    EXPECT_LT(none.median_bytes_per_hour, kSlopeMax);
    EXPECT_GT(some.median_bytes_per_hour, kSlopeMax);
    // A batch larger than any before takes memory once.
    std::vector<MemorySample> step = flat;
    for (std::size_t second = 800; second < step.size(); ++second) {
        step[second].bytes += kMiB;
    }
    EXPECT_LT(slope_of_second_half(step, 30).median_bytes_per_hour, kSlopeMax);
    EXPECT_NEAR(some.bytes_per_hour, 4 * kMiB, 0.5 * kMiB);
    EXPECT_GT(resident_bytes(::getpid()), 0U);
}

class SoakTest : public ::testing::Test {
protected:
    void SetUp() override {
        migrate(postgres_);
        create_load_flags(postgres_);
        place_.start();
        load_ = std::make_unique<EventLoad>(place_.run_directory(), EventLoad::Options{});
    }

    std::vector<MemorySample> sample_for(std::uint64_t duration_s) {
        std::vector<MemorySample> samples;
        for (std::uint64_t second = 0; second < duration_s; ++second) {
            std::this_thread::sleep_for(seconds(1));  // the pace of the samples, not a wait
            samples.push_back({static_cast<double>(second),
                               static_cast<double>(resident_bytes(place_.daemon().pid()))});
            if (second % 30 == 0) {
                std::cout << "second " << second << ": " << samples.back().bytes / kMiB
                          << " MiB resident, " << load_->client().counters().acknowledged
                          << " events\n";
            }
            if (second % 5 == 0) {
                move_pair(postgres_, ++version_);
            }
        }
        return samples;
    }

    PostgresCluster postgres_;
    DaemonPlace place_{postgres_.dsn()};
    std::unique_ptr<EventLoad> load_;
    std::uint64_t version_ = 1;
};

TEST_F(SoakTest, MemoryStaysFlatUnderASteadyLoad) {
    const std::uint64_t wanted = count_from_environment("BURGEE_FAULT_SOAK_SECONDS", 20);
    const auto samples = sample_for(wanted);
    load_->stop();
    ASSERT_TRUE(load_->client().flush(seconds(60)).complete) << place_.log();
    const EventCounters counters = load_->client().counters();
    expect_stored_once(postgres_, counters.acknowledged);
    ASSERT_EQ(place_.stop(), 0);
    EXPECT_EQ(complaint(counters, load_->offered()), "");
    EXPECT_EQ(complaint(place_.accounts()), "");
    EXPECT_EQ(complaint(stored_accounts(postgres_)), "");

    const double block_seconds = wanted >= 300 ? 30 : 1;
    const MemorySlope slope = slope_of_second_half(samples, block_seconds);
    const double middle = samples[samples.size() / 2].bytes;
    std::cout << "ran " << samples.size() << " of " << wanted << " s, " << counters.acknowledged
              << " events; resident " << samples.front().bytes / kMiB << " MiB at first, "
              << middle / kMiB << " in the middle, " << samples.back().bytes / kMiB
              << " at last; second half: " << slope.bytes_per_hour / kMiB << " MiB/h +- "
              << slope.error_bytes_per_hour / kMiB << " (one standard error, " << slope.blocks
              << " medians of " << block_seconds << " s), median of pairs "
              << slope.median_bytes_per_hour / kMiB << "\n";
    EXPECT_LT(samples.back().bytes - middle, kGrossGrowthMax);
    if (wanted >= 300) {
        EXPECT_LT(slope.median_bytes_per_hour, kSlopeMax);
    } else {
        std::cout << "too short to tell 1 MiB/h from noise: only gross growth was judged\n";
    }
}

}  // namespace
}  // namespace burgee::test
