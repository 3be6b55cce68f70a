// Promise: pauses between tries stay within their limits, grow, begin short again after a success,
// and differ between processes. Method: draw many from several seeds.

#include <burgee/event_timing.hpp>

#include <gtest/gtest.h>

#include <algorithm>

namespace burgee::test {
namespace {

TEST(EventBackoffTest, StaysWithinItsLimitsAndReachesThem) {
    std::int64_t longest = 0;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        detail::EventBackoff backoff(50, 5'000);
        backoff.seed(seed);
        for (int pause = 0; pause < 100; ++pause) {
            const std::int64_t pause_ms = backoff.next();
            ASSERT_GE(pause_ms, 50);
            ASSERT_LE(pause_ms, 5'000);
            longest = std::max(longest, pause_ms);
        }
        backoff.reset();
        EXPECT_LE(backoff.next(), 150) << "seed " << seed;
    }
    EXPECT_EQ(longest, 5'000);
}

TEST(EventBackoffTest, DiffersBetweenSeeds) {
    std::vector<std::int64_t> first_pauses;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        detail::EventBackoff backoff(50, 5'000);
        backoff.seed(seed);
        first_pauses.push_back(backoff.next());
    }
    std::sort(first_pauses.begin(), first_pauses.end());
    const auto distinct = std::unique(first_pauses.begin(), first_pauses.end());
    EXPECT_GT(distinct - first_pauses.begin(), 40) << "of 101 possible ones";
}

}  // namespace
}  // namespace burgee::test
