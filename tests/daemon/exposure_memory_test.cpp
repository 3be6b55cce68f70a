// Promise: of equal automatic exposures the first is kept and the others are not, nothing else is
// ever taken out, and what did not become durable is not remembered.
// Method: batches of made-up events; the set beneath against std::set, with numbers that collide.
#include "daemon/exposure_memory.hpp"

#include <algorithm>
#include <random>
#include <set>

#include "spool_events.hpp"

namespace burgee::test {
namespace {

using daemon::ExposureMemory;
using daemon::NumberSet;
using daemon::WideNumber;

TEST(NumberSetTest, HoldsWhatASetHolds) {
    std::mt19937_64 random(7);
    NumberSet numbers;
    std::set<std::pair<std::uint64_t, std::uint64_t>> expected;
    for (int step = 0; step < 200'000; ++step) {
        // Few homes for many numbers, and the last place before the table's end among them.
        const std::uint64_t home =
            random() % 8 == 0 ? ~std::uint64_t{0} - random() % 3 : random() % 40;
        const WideNumber number{home, random() % 30 + 1};
        if (random() % 2 == 0 && expected.size() < 600) {
            if (expected.emplace(number.high, number.low).second) {
                ASSERT_FALSE(numbers.contains(number));
                numbers.insert(number);
            }
        } else {
            ASSERT_EQ(numbers.erase(number), expected.erase({number.high, number.low}) == 1);
        }
        ASSERT_EQ(numbers.size(), expected.size());
        const WideNumber other{random() % 40, random() % 30 + 1};
        ASSERT_EQ(numbers.contains(other), expected.count({other.high, other.low}) == 1);
    }
    for (const auto& [high, low] : expected) {
        EXPECT_TRUE(numbers.contains({high, low}));
    }
}

class ExposureMemoryTest : public ::testing::Test {
protected:
    ExposureMemory memory_;
    std::vector<std::byte> bytes_;

    void add(const ExposureSample& exposure, std::int64_t created_unix_ms = 0) {
        append_exposure(&bytes_, exposure, created_unix_ms);
    }
    ExposureMemory::Sifted sift() {
        const auto sifted = memory_.sift(bytes_);
        bytes_.resize(sifted.kept_size_bytes);
        return sifted;
    }
    /// Whether the exposure is known; changes nothing.
    bool knows(const ExposureSample& exposure) {
        std::vector<std::byte> bytes;
        append_exposure(&bytes, exposure, 0);
        const auto sifted = memory_.sift(bytes);
        memory_.withdraw(sifted.counts.first);
        return sifted.counts.repeated == 1;
    }
};

TEST_F(ExposureMemoryTest, KeepsTheFirstOfEqualOnesAndLeavesTheRestInOrder) {
    add({.user = "a"}, 1);
    append_event(&bytes_, 1, 1, 0);
    add({.user = "a"}, 2);
    add({.user = "b"}, 3);
    append_event(&bytes_, 1, 2, 0);
    add({.user = "a"}, 4);
    std::vector<std::byte> expected;
    append_exposure(&expected, {.user = "a"}, 1);
    append_event(&expected, 1, 1, 0);
    append_exposure(&expected, {.user = "b"}, 3);
    append_event(&expected, 1, 2, 0);
    const auto sifted = sift();
    EXPECT_EQ(sifted.counts.first, 2U);
    EXPECT_EQ(sifted.counts.repeated, 2U);
    EXPECT_EQ(sifted.kept_count, 4U);
    EXPECT_EQ(bytes_, expected);
    EXPECT_EQ(memory_.pending_count(), 2U);
}

TEST_F(ExposureMemoryTest, TellsExposuresApartByWhatTheyAre) {
    add({});
    add({.user = "v"});
    add({.variant = "treatment"});
    add({.phase = 2});
    add({.experiment = 8});
    // The same characters, divided otherwise between variant and unit.
    add({.user = "lu", .variant = "contro"});
    const std::size_t session_at = bytes_.size();
    add({});
    bytes_[session_at + offsetof(EventHeader, unit_kind)] = std::byte{2};
    EventHeader header{};
    std::memcpy(&header, bytes_.data() + session_at, sizeof header);
    std::swap(header.user_id_size, header.session_id_size);
    std::memcpy(bytes_.data() + session_at, &header, sizeof header);
    EXPECT_EQ(sift().counts.first, 7U);
    EXPECT_EQ(sift().counts.repeated, 7U);
    EXPECT_TRUE(bytes_.empty());
}

TEST_F(ExposureMemoryTest, LeavesImpressionsThatACallerTracked) {
    for (int time = 0; time < 3; ++time) {
        const std::size_t offset = bytes_.size();
        add({});
        bytes_[offset + offsetof(EventHeader, is_automatic)] = std::byte{0};
    }
    add({});
    EXPECT_EQ(sift().kept_count, 4U) << "of class exposure, and no business of this memory";
    EXPECT_EQ(sift().kept_count, 3U);
}

TEST_F(ExposureMemoryTest, ForgetsWhatWasNotStored) {
    add({.user = "durable"});
    memory_.settle(sift().counts.first);
    bytes_.clear();
    add({.user = "under way"});
    sift();
    bytes_.clear();
    add({.user = "under way"});
    add({.user = "not queued"});
    add({.user = "durable"});
    const auto sifted = sift();
    EXPECT_EQ(sifted.counts.first, 1U);
    EXPECT_EQ(sifted.counts.repeated, 2U);
    memory_.withdraw(sifted.counts.first);
    EXPECT_FALSE(knows({.user = "not queued"}));
    EXPECT_TRUE(knows({.user = "under way"}));
    memory_.withdraw_all();
    EXPECT_FALSE(knows({.user = "under way"}));
    EXPECT_TRUE(knows({.user = "durable"}));
    EXPECT_EQ(memory_.size(), 1U);
}

TEST_F(ExposureMemoryTest, AlwaysHoldsTheHalfThatWasMetLast) {
    constexpr std::size_t kHalf = 200;
    memory_ = ExposureMemory(2 * kHalf);
    std::mt19937_64 random(11);
    std::vector<int> met;  // distinct, the last one at the end
    int forgotten_count = 0;
    for (int step = 0; step < 20'000; ++step) {
        // Some are met all the time, most seldom.
        const int user = static_cast<int>(random() % 4 == 0 ? random() % 20 : random() % 1'000);
        bytes_.clear();
        add({.user = std::to_string(user)});
        const auto counts = sift().counts;
        memory_.settle(counts.first);
        const auto before = std::find(met.begin(), met.end(), user);
        const std::size_t met_since = static_cast<std::size_t>(met.end() - before);
        if (before == met.end()) {
            ASSERT_EQ(counts.first, 1U) << "never met";
        } else {
            if (met_since <= kHalf) {
                ASSERT_EQ(counts.repeated, 1U) << met_since;
            }
            forgotten_count += counts.first == 1 ? 1 : 0;
            met.erase(before);
        }
        met.push_back(user);
        ASSERT_LE(memory_.size(), 2 * kHalf);
    }
    EXPECT_GT(forgotten_count, 0);
}

TEST_F(ExposureMemoryTest, MayBeToldThatAForgottenOneIsPending) {
    memory_ = ExposureMemory(100);
    add({.user = "slow"});
    sift();
    std::vector<std::byte> others;
    for (int user = 0; user < 500; ++user) {
        append_exposure(&others, {.user = std::to_string(user)}, 0);
    }
    EXPECT_EQ(memory_.sift(others).counts.first, 500U);
    memory_.settle(100);
    memory_.withdraw_all();
    EXPECT_EQ(memory_.pending_count(), 0U);
    EXPECT_EQ(memory_.size(), 0U) << "all that was left in it was pending";
}

TEST_F(ExposureMemoryTest, RemembersWhatASpoolHeld) {
    add({.user = "a"});
    append_event(&bytes_, 1, 1, 0);
    add({.user = "b"});
    memory_.remember(bytes_);
    EXPECT_EQ(memory_.size(), 2U);
    EXPECT_EQ(memory_.pending_count(), 0U);
    EXPECT_TRUE(knows({.user = "a"}));
    EXPECT_TRUE(knows({.user = "b"}));
    EXPECT_FALSE(knows({.user = "c"}));
}

TEST_F(ExposureMemoryTest, TakesNoNewOneForAKnownOne) {
    constexpr int kUsers = 300'000;
    for (int user = 0; user < kUsers; user += 1'000) {
        bytes_.clear();
        for (int each = user; each < user + 1'000; ++each) {
            add({.user = std::to_string(each)});
        }
        const auto sifted = sift();
        ASSERT_EQ(sifted.counts.first, 1'000U);
        memory_.settle(1'000);
    }
    EXPECT_EQ(memory_.size(), static_cast<std::size_t>(kUsers));
}

}  // namespace
}  // namespace burgee::test
