// Promise: a fingerprint is found if and only if it is in the list, whatever the list looks like,
// and no list leads outside itself. Method: even, crowded, tiny and hostile lists against
// std::binary_search, with every entry and its neighbours asked.

#include <burgee/checksum.hpp>
#include <burgee/fingerprint_set.hpp>

#include <algorithm>
#include <random>
#include <set>

#include "tests/shm/random_seed.hpp"

namespace burgee::test {
namespace {

void expect_exact(const std::vector<std::uint64_t>& entries) {
    for (const std::uint64_t entry : entries) {
        for (const std::uint64_t asked : {entry - 1, entry, entry + 1}) {
            EXPECT_EQ(detail::sorted_contains(entries.data(), entries.size(), asked),
                      std::binary_search(entries.begin(), entries.end(), asked))
                << asked << " among " << entries.size();
        }
    }
    for (const std::uint64_t asked : {std::uint64_t{0}, UINT64_MAX, UINT64_MAX / 2}) {
        EXPECT_EQ(detail::sorted_contains(entries.data(), entries.size(), asked),
                  std::binary_search(entries.begin(), entries.end(), asked));
    }
}

std::vector<std::uint64_t> sorted(std::set<std::uint64_t> entries) {
    return {entries.begin(), entries.end()};
}

TEST(FingerprintSetTest, FindsExactlyWhatIsThere) {
    for (const int count : {0, 1, 2, 7, 8, 9, 63, 64, 65, 1'000, 100'000}) {
        std::set<std::uint64_t> entries;
        for (int id = 0; id < count; ++id) {
            entries.insert(hash64("user-" + std::to_string(id)));
        }
        expect_exact(sorted(entries));
    }
}

TEST(FingerprintSetTest, FindsExactlyInCrowdedLists) {
    std::mt19937_64 random(random_seed());
    const std::vector<std::uint64_t> spans{1'000, 1ULL << 33U, 1ULL << 50U};
    const std::vector<std::uint64_t> bases{0, UINT64_MAX / 3, UINT64_MAX - (1ULL << 51U)};
    for (const std::uint64_t span : spans) {
        for (const std::uint64_t base : bases) {
            std::set<std::uint64_t> entries;
            for (int number = 0; number < 500; ++number) {
                entries.insert(base + random() % span);
            }
            entries.insert({0, 1, UINT64_MAX - 1, UINT64_MAX});
            expect_exact(sorted(entries));
        }
    }
}

TEST(FingerprintSetTest, EntriesOutOfOrderGiveSomeAnswer) {
    std::mt19937_64 random(random_seed());
    for (int round = 0; round < 1'000; ++round) {
        std::vector<std::uint64_t> entries(1 + random() % 300);
        std::ranges::generate(entries, [&] { return random() % 4 == 0 ? 0 : random(); });
        for (int asked = 0; asked < 20; ++asked) {
            const std::uint64_t wanted = random();
            if (detail::sorted_contains(entries.data(), entries.size(), wanted)) {
                EXPECT_TRUE(std::ranges::count(entries, wanted) > 0);
            }
        }
    }
}

}  // namespace
}  // namespace burgee::test
