// Promise: every refused number that a client may still wait for is remembered, in order and once;
//          nothing grows without bound; and a power cut leaves no number used up whose refusal is
//          forgotten. Method: a set of numbers as the model; then a disk that loses power.
#include "daemon/spool/refusal_memory.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <random>

#include "power_cut_disk.hpp"
#include "spool_events.hpp"

namespace burgee::test {
namespace {

using daemon::RefusalMemory;
using daemon::RefusalRecord;
using Numbers = std::map<std::uint64_t, std::uint32_t>;  // number to reason

Numbers numbers_of(const RefusalMemory& memory, std::uint64_t session) {
    Numbers numbers;
    std::uint64_t end = 0;
    for (const RefusalRecord& range : memory.of(session_id(session))) {
        EXPECT_GE(range.first_seq, end) << "ascending, without overlap";
        EXPECT_GT(range.count, 0U);
        end = range.first_seq + range.count;
        for (std::uint64_t seq = range.first_seq; seq < end; ++seq) {
            numbers[seq] = range.reason;
        }
    }
    return numbers;
}

TEST(RefusalMemoryTest, IgnoresNumbersThatNoClientReaches) {
    RefusalMemory memory(1'000);
    const std::uint64_t last = ~std::uint64_t{0};
    for (const std::uint64_t first : {last, last - 10, last - daemon::kRefusalWindow}) {
        memory.note({session_id(1), first, 5, 2});
        EXPECT_EQ(memory.range_count(), 0U) << first;
    }
    memory.note({session_id(1), 7, 1, 2});
    memory.note({session_id(1), last - 10, 0xFFFF'FFFF, 3});
    EXPECT_EQ(numbers_of(memory, 1), (Numbers{{7, 2}}));
}

TEST(RefusalMemoryTest, HoldsWhatAModelHolds) {
    const std::uint32_t seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    for (int round = 0; round < 200; ++round) {
        RefusalMemory memory(1'000);
        Numbers model;
        std::uint64_t next = 1;
        for (int step = 0; step < 50; ++step) {
            const std::uint32_t count = 1 + random() % 4;
            const std::uint32_t reason = 2 + random() % 2;
            const std::uint64_t first = next - std::min<std::uint64_t>(next - 1, random() % 3);
            memory.note({session_id(1), first, count, reason});
            const std::uint64_t known_end = model.empty() ? 0 : model.rbegin()->first + 1;
            for (std::uint64_t seq = std::max(first, known_end); seq < first + count; ++seq) {
                model.emplace(seq, reason);
            }
            next = std::max(next, first + count);
            if (random() % 8 == 0) {
                const std::uint64_t decided = random() % next;
                memory.forget_until(session_id(1), decided);
                model.erase(model.begin(), model.upper_bound(decided));
            }
            if (random() % 16 == 0 && !model.empty()) {
                const std::uint64_t last = next - 1 - random() % 3;
                memory.forget_after(session_id(1), last);
                model.erase(model.upper_bound(last), model.end());
            }
            ASSERT_EQ(numbers_of(memory, 1), model) << "step " << step;
            ASSERT_EQ(memory.range_count(), memory.of(session_id(1)).size());
            next += random() % 2;
        }
    }
}

TEST(RefusalMemoryTest, ForgetsWhatAClientMustHaveHeard) {
    RefusalMemory memory(1'000);
    memory.note({session_id(1), 5, 1, 2});
    memory.note({session_id(1), 4 + daemon::kRefusalWindow, 1, 2});
    EXPECT_EQ(numbers_of(memory, 1).size(), 2U);
    memory.note({session_id(1), 5 + daemon::kRefusalWindow, 1, 3});
    EXPECT_EQ(numbers_of(memory, 1).begin()->first, 4 + daemon::kRefusalWindow);
}

TEST(RefusalMemoryTest, ForgetsTheSessionThatWasRefusedLongestAgo) {
    RefusalMemory memory(10);
    for (std::uint64_t session = 1; session <= 5; ++session) {
        memory.note({session_id(session), 1, 1, 2});
        memory.note({session_id(session), 3, 1, 2});
    }
    memory.note({session_id(1), 5, 1, 2});
    EXPECT_EQ(numbers_of(memory, 2).size(), 0U);
    EXPECT_EQ(numbers_of(memory, 1).size(), 3U);
    EXPECT_LE(memory.range_count(), 10U);
    for (std::uint64_t seq = 1; seq < 20'000; seq += 2) {
        memory.note({session_id(9), seq, 1, 2});
        ASSERT_LE(memory.of(session_id(9)).size(), daemon::kSessionRefusalsMax);
    }
}

TEST(RefusalMemoryTest, KnowsAfterAPowerCutTheRefusalOfEveryNumberThatIsUsedUp) {
    std::uint64_t recovered = 0;
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        PowerCutDisk disk(seed);
        daemon::SpoolOptions options;
        options.segment_size_bytes = 1 << 20;
        auto opened = daemon::Spool::open(disk.attach(), options);
        ASSERT_TRUE(opened) << opened.error().message;
        const auto events = make_events(1, 1, 8);
        std::vector<RefusalRecord> refusals;  // over several blocks of the disk
        for (std::uint32_t index = 0; index < 24; ++index) {
            refusals.push_back({session_id(1), 9 + index, 1, 2 + index % 2});
        }
        const daemon::SessionTotals totals{3};
        auto batch = make_batch(1, 1, 8, events);
        batch.seq_count = 32;
        batch.event_count = 8;
        batch.refusals = refusals;
        batch.totals = &totals;
        ASSERT_TRUE((*opened)->stage(batch));
        disk.fail_syncs(EIO);
        EXPECT_FALSE((*opened)->commit());
        opened->reset();
        disk.fail_syncs(0);
        disk.cut(512);
        auto again = daemon::Spool::open(disk.attach(), options);
        ASSERT_TRUE(again) << again.error().message;
        const bool is_used_up =
            !(*again)->sessions().empty() && (*again)->sessions().front().last_seq == 32;
        EXPECT_EQ((*again)->refusals().size(), is_used_up ? 24U : 0U) << "seed " << seed;
        recovered += is_used_up ? 1U : 0U;
        if (is_used_up) {
            ASSERT_EQ((*again)->session_totals().size(), 1U);
            EXPECT_EQ((*again)->session_totals().front().totals, totals);
        }
    }
    EXPECT_GT(recovered, 0U) << "no cut left the group on the disk: nothing was tested";
}

}  // namespace
}  // namespace burgee::test
