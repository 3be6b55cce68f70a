// Promise: an exposure is claimed once until it is given up or pushed out, and one that was never
// claimed is never taken for a told one. Method: numbers made for chosen sets, and threads that
// race.

#include <burgee/exposure_table.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <random>
#include <set>
#include <thread>
#include <vector>

namespace burgee::test {
namespace {

using detail::ExposureTable;

class ExposureTableTest : public ::testing::Test {
protected:
    std::unique_ptr<ExposureTable> table_ = std::make_unique<ExposureTable>();

    /// The `number`th exposure of a set; numbers below 65 536 differ in where they push.
    static std::uint64_t of_set(std::uint64_t set, std::uint64_t number) {
        return (number << 48) | (set << 32) | 1;
    }
};

TEST_F(ExposureTableTest, GivesAnExposureToOneClaimAlone) {
    EXPECT_FALSE(table_->holds(of_set(3, 0)));
    EXPECT_TRUE(table_->claim(of_set(3, 0)));
    EXPECT_TRUE(table_->holds(of_set(3, 0)));
    EXPECT_FALSE(table_->claim(of_set(3, 0)));
    EXPECT_FALSE(table_->holds(of_set(3, 1))) << "another one of its set";
    EXPECT_FALSE(table_->holds(of_set(4, 0)));
}

TEST_F(ExposureTableTest, GivesOutAgainWhatWasGivenUp) {
    EXPECT_TRUE(table_->claim(of_set(3, 0)));
    EXPECT_TRUE(table_->claim(of_set(3, 1)));
    table_->give_up(of_set(3, 0));
    EXPECT_FALSE(table_->holds(of_set(3, 0)));
    EXPECT_TRUE(table_->holds(of_set(3, 1)));
    EXPECT_TRUE(table_->claim(of_set(3, 0)));
    EXPECT_FALSE(table_->claim(of_set(3, 0)));
}

TEST_F(ExposureTableTest, ForgetsOneOfAFullSetForEachNewOne) {
    for (std::uint64_t number = 0; number < 1'000; ++number) {
        ASSERT_TRUE(table_->claim(of_set(9, number))) << number;
        ASSERT_TRUE(table_->holds(of_set(9, number))) << number;
        std::size_t held_count = 0;
        for (std::uint64_t earlier = 0; earlier <= number; ++earlier) {
            held_count += table_->holds(of_set(9, earlier)) ? 1U : 0U;
        }
        ASSERT_EQ(held_count, std::min<std::size_t>(number + 1, ExposureTable::kSetSize));
    }
}

TEST_F(ExposureTableTest, NeverTakesANewOneForATold) {
    std::mt19937_64 random(20'260'101);
    constexpr std::size_t kNumbers = 4 * ExposureTable::kSetCount * ExposureTable::kSetSize;
    for (std::size_t number = 0; number < kNumbers; ++number) {
        ASSERT_TRUE(table_->claim(random() | 1)) << number;
    }
}

TEST_F(ExposureTableTest, GivesEachToOneOfManyThreads) {
    constexpr std::size_t kThreads = 4;
    // Half of each set, so that none is full.
    constexpr std::uint64_t kPerSet = ExposureTable::kSetSize / 2;
    std::array<std::vector<std::uint64_t>, kThreads> won;
    std::atomic<std::size_t> ready{0};
    std::vector<std::thread> threads;
    for (std::size_t thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([&, thread] {
            ready.fetch_add(1);
            while (ready.load() < kThreads) {
            }
            for (std::uint64_t set = 0; set < ExposureTable::kSetCount; ++set) {
                for (std::uint64_t number = 0; number < kPerSet; ++number) {
                    if (table_->claim(of_set(set, number))) {
                        won[thread].push_back(of_set(set, number));
                    }
                }
            }
        });
    }
    std::multiset<std::uint64_t> all;
    for (std::size_t thread = 0; thread < kThreads; ++thread) {
        threads[thread].join();
        all.insert(won[thread].begin(), won[thread].end());
    }
    EXPECT_EQ(all.size(), ExposureTable::kSetCount * kPerSet);
    EXPECT_EQ(std::set<std::uint64_t>(all.begin(), all.end()).size(), all.size());
}

TEST_F(ExposureTableTest, ForgetsAllWhenAsked) {
    for (std::uint64_t set = 0; set < ExposureTable::kSetCount; ++set) {
        ASSERT_TRUE(table_->claim(of_set(set, set % 16)));
    }
    table_->forget_all();
    for (std::uint64_t set = 0; set < ExposureTable::kSetCount; ++set) {
        ASSERT_FALSE(table_->holds(of_set(set, set % 16)));
        ASSERT_TRUE(table_->claim(of_set(set, set % 16)));
    }
}

}  // namespace
}  // namespace burgee::test
