// Promise: the ring never hands out room it has not got, keeps what matters longer, and gives the
// consumer each record whole. Method: laps of odd sizes against plain arithmetic, then threads.

#include <burgee/event_ring.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <thread>

namespace burgee::test {
namespace {

using detail::EventRing;
using detail::EventRingHeader;
using detail::RecordWord;

constexpr std::uint64_t kCapacity = detail::kEventRingSizeMin;

std::uint32_t draw(std::mt19937& random, std::uint32_t bound) {
    return static_cast<std::uint32_t>(random() % bound);
}

class EventRingTest : public ::testing::Test {
protected:
    struct alignas(128) Memory {
        std::array<std::byte, EventRing::memory_size_bytes(kCapacity)> bytes{};
    };
    std::unique_ptr<Memory> memory_ = std::make_unique<Memory>();
    EventRing ring_{memory_->bytes.data(), kCapacity};

    std::byte* reserve(std::uint32_t size_bytes, EventClass event_class = EventClass::kError) {
        return ring_.reserve(size_bytes, event_class).record;
    }
    static void commit(std::byte* record, std::uint32_t size_bytes, EventClass event_class) {
        EventRing::commit(record, {size_bytes, event_class, 0, 0, 0});
    }
    /// Reserves, fills and commits; false when there is no room.
    bool put(std::uint32_t size_bytes, std::uint8_t fill,
             EventClass event_class = EventClass::kError) {
        std::byte* record = reserve(size_bytes, event_class);
        if (record == nullptr) {
            return false;
        }
        std::memset(record + sizeof(RecordWord), fill, size_bytes - sizeof(RecordWord));
        commit(record, size_bytes, event_class);
        return true;
    }
    /// Takes the record at the head away and checks that it is filled with `fill` throughout.
    void expect_next(std::uint32_t size_bytes, std::uint8_t fill) {
        const EventRing::Found found = ring_.find(ring_.head());
        ASSERT_NE(found.record, nullptr);
        ASSERT_EQ(found.size_bytes, size_bytes);
        for (std::uint32_t index = sizeof(RecordWord); index < size_bytes; ++index) {
            ASSERT_EQ(found.record[index], std::byte{fill});
        }
        ring_.release(found.position + found.size_bytes);
    }
};

TEST_F(EventRingTest, DescribesItself) {
    ring_.describe();
    EventRingHeader* header = reinterpret_cast<EventRingHeader*>(memory_->bytes.data());
    EXPECT_EQ(header->magic, detail::kEventRingMagic);
    EXPECT_EQ(header->version, detail::kEventRingVersion);
    EXPECT_EQ(header->capacity_bytes, kCapacity);
    const auto* bytes = memory_->bytes.data();
    EXPECT_EQ(reinterpret_cast<std::byte*>(&header->tail) - bytes, 128);
    EXPECT_EQ(reinterpret_cast<std::byte*>(&header->accepted_count) - bytes, 136);
    EXPECT_EQ(reinterpret_cast<std::byte*>(&header->head) - bytes, 256);
    EXPECT_EQ(header->header_size_bytes, sizeof(EventRingHeader));
    EXPECT_EQ(std::memcmp(&header->magic, "BGERING1", 8), 0);
}

TEST_F(EventRingTest, ShowsNothingThatIsNotCommitted) {
    std::byte* first = reserve(64);
    ASSERT_TRUE(put(64, 2));
    EXPECT_EQ(ring_.find(0).record, nullptr) << "the first is not written, the second must wait";
    commit(first, 64, EventClass::kError);
    EXPECT_EQ(ring_.find(0).record, first);
}

TEST_F(EventRingTest, KeepsItsOrderOverManyLapsOfOddSizes) {
    std::mt19937 random(20'240'601);
    std::vector<std::uint32_t> waiting;
    std::size_t next = 0;
    std::uint64_t carried = 0;
    while (carried < 200 * kCapacity) {
        const std::uint32_t size = 64 + draw(random, 400) * 8;
        if (put(size, static_cast<std::uint8_t>(waiting.size()))) {
            waiting.push_back(size);
            carried += size;
            continue;
        }
        while (next < waiting.size() && random() % 8 != 0) {
            ASSERT_NO_FATAL_FAILURE(expect_next(waiting[next], static_cast<std::uint8_t>(next)));
            ++next;
        }
    }
    EXPECT_EQ(ring_.accepted_count(), waiting.size());
}

TEST_F(EventRingTest, LeavesOnlyZerosBehind) {
    std::mt19937 random(7);
    for (int round = 0; round < 1'000; ++round) {
        const std::uint32_t size = 64 + draw(random, 500) * 8;
        ASSERT_TRUE(put(size, 0xFF));
        ASSERT_NO_FATAL_FAILURE(expect_next(size, 0xFF));
    }
    ring_.release(ring_.tail());
    for (std::size_t index = sizeof(EventRingHeader); index < memory_->bytes.size(); ++index) {
        ASSERT_EQ(memory_->bytes[index], std::byte{0}) << "at " << index;
    }
}

TEST_F(EventRingTest, RefusesOrdinaryEventsAboveThreeQuarters) {
    constexpr std::uint32_t kSize = 128;
    std::uint64_t ordinary = 0;
    while (put(kSize, 1, EventClass::kOrdinary)) {
        ++ordinary;
    }
    EXPECT_EQ(ordinary * kSize, kCapacity / 4 * 3);
    std::uint64_t others = 0;
    while (put(kSize, 1, others % 2 == 0 ? EventClass::kExposure : EventClass::kConversion)) {
        ++others;
    }
    EXPECT_EQ((ordinary + others) * kSize, kCapacity) << "and the others only when it is full";
    expect_next(kSize, 1);
    EXPECT_FALSE(put(kSize, 1, EventClass::kOrdinary));
    EXPECT_TRUE(put(kSize, 1, EventClass::kError)) << "given back room is room again";
}

TEST_F(EventRingTest, CountsThePaddingAtTheEndOfALap) {
    while (put(64, 1)) {
    }
    ring_.release(kCapacity);
    ASSERT_TRUE(put(kCapacity / 4, 2));
    ASSERT_TRUE(put(kCapacity / 4, 2));
    ASSERT_TRUE(put(kCapacity / 4, 2));
    ASSERT_TRUE(put(kCapacity / 4 - 8, 2));
    EXPECT_FALSE(put(64, 3)) << "8 bytes are left, and padding would need room behind them";
    EXPECT_TRUE(put(8, 3));
}

TEST_F(EventRingTest, TellsOnceThatHalfIsPassed) {
    int told = 0;
    for (std::uint64_t used = 0; used < kCapacity; used += 64) {
        const EventRing::Reservation room = ring_.reserve(64, EventClass::kError);
        commit(room.record, 64, EventClass::kError);
        EXPECT_EQ(room.passed_half, used == kCapacity / 2);
        told += room.passed_half ? 1 : 0;
    }
    EXPECT_EQ(told, 1);
}

TEST_F(EventRingTest, GivesEachRecordWholeUnderManyProducers) {
    constexpr std::uint32_t kThreads = 8;
    constexpr std::uint32_t kEach = 20'000;
    std::atomic<std::uint32_t> running{kThreads};
    std::vector<std::thread> threads;
    for (std::uint32_t thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([&, thread] {
            std::mt19937 random(thread);
            for (std::uint32_t number = 0; number < kEach;) {
                const std::uint32_t size = 16 + draw(random, 20) * 8;
                std::byte* record = reserve(size, EventClass::kError);
                if (record == nullptr) {
                    std::this_thread::yield();
                    continue;
                }
                for (std::uint32_t at = 8; at < size; at += 8) {
                    std::memcpy(record + at, &thread, 4);
                    std::memcpy(record + at + 4, &number, 4);
                }
                commit(record, size, EventClass::kError);
                ++number;
            }
            running.fetch_sub(1);
        });
    }
    std::array<std::uint32_t, kThreads> next{};
    std::uint64_t position = 0;
    bool is_whole = true;
    while (running.load() != 0 || position != ring_.tail()) {
        const EventRing::Found found = ring_.find(position);
        if (found.record == nullptr) {
            std::this_thread::yield();
            continue;
        }
        std::uint32_t thread = 0;
        std::memcpy(&thread, found.record + 8, 4);
        for (std::uint32_t at = 8; at < found.size_bytes; at += 8) {
            is_whole = is_whole && std::memcmp(found.record + at, &thread, 4) == 0 &&
                       std::memcmp(found.record + at + 4, &next[thread], 4) == 0;
        }
        ++next[thread];
        position = found.position + found.size_bytes;
        ring_.release(position);
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_TRUE(is_whole);
    EXPECT_EQ(ring_.accepted_count(), std::uint64_t{kThreads} * kEach);
}

}  // namespace
}  // namespace burgee::test
