// Promise: folding loses nothing, adds nothing, and hands rows over in the order that keeps writers
// from deadlocking. Method: random events against a plain map.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <vector>

#include "sync/metric_fold.hpp"
#include "sync/metric_rows.hpp"

namespace burgee::test {
namespace {

using sync::FoldedRow;
using sync::MetricFold;

std::vector<std::uint32_t> identity(std::uint32_t count) {
    std::vector<std::uint32_t> numbers(count);
    std::iota(numbers.begin(), numbers.end(), 0U);
    return numbers;
}

TEST(MetricFoldTest, EqualsAPlainMapOnRandomEvents) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    MetricFold fold;
    for (int round = 0; round < 3; ++round) {
        fold.clear();
        std::map<std::pair<std::int64_t, std::uint32_t>, FoldedRow> expected;
        for (int count = 0; count < 50'000; ++count) {
            // Small, clustered units: the worst that hashing of real ones will never see.
            const std::uint64_t unit = random() % 5'000 * (random() % 2 == 0 ? 1 : 1ULL << 40);
            const auto cell = static_cast<std::uint32_t>(random() % 8);
            const double value = static_cast<double>(random() % 1000) - 500;
            const std::int64_t at = static_cast<std::int64_t>(random() % 100'000);
            fold.add(unit, cell, value, at);
            FoldedRow& row = expected[{static_cast<std::int64_t>(unit), cell}];
            row.min = row.n == 0 ? value : std::min(row.min, value);
            row.max = row.n == 0 ? value : std::max(row.max, value);
            row.first_unix_ms = row.n == 0 ? at : std::min(row.first_unix_ms, at);
            row.last_unix_ms = std::max(row.last_unix_ms, at);
            row.n += 1;
            row.sum += value;
            row.sum_of_squares += value * value;
        }
        const std::vector<std::uint32_t> order = fold.finish(identity(8));
        ASSERT_EQ(order.size(), expected.size());
        auto next = expected.begin();
        for (const std::uint32_t index : order) {
            const FoldedRow& row = fold.rows()[index];
            EXPECT_EQ(std::pair(row.unit, row.cell), next->first);
            EXPECT_EQ(row.n, next->second.n);
            EXPECT_EQ(row.sum, next->second.sum);  // whole numbers: exact
            EXPECT_EQ(row.sum_of_squares, next->second.sum_of_squares);
            EXPECT_EQ(row.min, next->second.min);
            EXPECT_EQ(row.max, next->second.max);
            EXPECT_EQ(row.first_unix_ms, next->second.first_unix_ms);
            EXPECT_EQ(row.last_unix_ms, next->second.last_unix_ms);
            ++next;
        }
    }
}

TEST(MetricFoldTest, OrdersByTheNumbersOfTheDatabaseNotByItsOwn) {
    MetricFold fold;
    fold.add(7, 0, 1, 0);
    fold.add(7, 1, 1, 0);
    fold.add(~0ULL, 0, 1, 0);  // -1 as a bigint: first
    const std::vector<std::uint32_t> numbers = {20, 10};
    std::vector<std::pair<std::int64_t, std::uint32_t>> keys;
    for (const std::uint32_t index : fold.finish(numbers)) {
        keys.emplace_back(fold.rows()[index].unit, fold.rows()[index].cell);
    }
    EXPECT_THAT(
        keys, ::testing::ElementsAre(std::pair(-1L, 20U), std::pair(7L, 10U), std::pair(7L, 20U)));
}

TEST(MetricRowsTest, GivesARowTheSameIdOnEveryAttemptAndNoOtherRowThatId) {
    const Uuid spool{1, 2, 3};
    const Uuid other{1, 2, 4};
    EXPECT_EQ(sync::raw_row_id(spool, 1), sync::raw_row_id(spool, 1));
    EXPECT_NE(sync::raw_row_id(spool, 1), sync::raw_row_id(spool, 2));
    EXPECT_NE(sync::raw_row_id(spool, 1), sync::raw_row_id(other, 1));
    EXPECT_EQ(sync::raw_row_id(spool, 1)[6] >> 4, 8) << "the version nibble of RFC 9562";
}

TEST(MetricRowsTest, WritesTimesAsPostgresReadsThem) {
    const auto time_of = [](std::int64_t unix_ms) {
        sync::MetricEvent event;
        event.created_unix_ms = unix_ms;
        std::string line;
        sync::append_raw_line(line, Uuid{}, event);
        std::vector<std::string> fields(1);
        for (const char symbol : line) {
            if (symbol == '\t') {
                fields.emplace_back();
            } else {
                fields.back() += symbol;
            }
        }
        return fields.at(8);
    };
    EXPECT_EQ(time_of(0), "1970-01-01 00:00:00.000+00");
    EXPECT_EQ(time_of(-1), "1969-12-31 23:59:59.999+00");
    EXPECT_EQ(time_of(951'782'400'000), "2000-02-29 00:00:00.000+00");
    EXPECT_EQ(time_of(1'709'251'199'007), "2024-02-29 23:59:59.007+00");
    EXPECT_EQ(time_of(4'107'542'400'000), "2100-03-01 00:00:00.000+00");
    EXPECT_EQ(time_of(-62'135'596'800'000), "0001-01-01 00:00:00.000+00");
}

}  // namespace
}  // namespace burgee::test
