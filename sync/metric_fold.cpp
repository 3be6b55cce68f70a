#include "sync/metric_fold.hpp"

#include <algorithm>
#include <limits>

#include "shm/assertion.hpp"

namespace burgee::sync {
namespace {

// A power of two. Small enough for an idle host, large enough that a busy one grows only a few
// times.
constexpr std::size_t kSlotsAtFirst = 1024;

// The sort key by itself: sorting 16 bytes instead of whole rows halves the time.
struct RowKey {
    std::int64_t unit;
    std::uint32_t cell;
    std::uint32_t index;
};

}  // namespace

MetricFold::MetricFold() : slots_(kSlotsAtFirst, 0) {}

std::size_t MetricFold::slot_of(std::int64_t unit, std::uint32_t cell) const {
    // Units are hashes already; the multiplication (Knuth's 64-bit golden ratio) spreads the cells
    // of one unit over the table and folds the high bits in, since a caller might pass units that
    // are not.
    constexpr std::uint64_t kGoldenRatio = 0x9E3779B97F4A7C15;
    std::uint64_t mixed = (static_cast<std::uint64_t>(unit) ^ (cell * kGoldenRatio)) * kGoldenRatio;
    mixed ^= mixed >> 32;
    return static_cast<std::size_t>(mixed) & (slots_.size() - 1);
}

void MetricFold::add(std::uint64_t unit, std::uint32_t cell, double value,
                     std::int64_t created_unix_ms) {
    if (2 * (rows_.size() + 1) > slots_.size()) {
        grow();
    }
    const auto signed_unit = static_cast<std::int64_t>(unit);
    std::size_t slot = slot_of(signed_unit, cell);
    while (slots_[slot] != 0) {
        FoldedRow& row = rows_[slots_[slot] - 1];
        if (row.unit == signed_unit && row.cell == cell) {
            row.n += 1;
            row.sum += value;
            row.sum_of_squares += value * value;
            row.min = std::min(row.min, value);
            row.max = std::max(row.max, value);
            row.first_unix_ms = std::min(row.first_unix_ms, created_unix_ms);
            row.last_unix_ms = std::max(row.last_unix_ms, created_unix_ms);
            return;
        }
        slot = (slot + 1) & (slots_.size() - 1);
    }
    rows_.push_back({signed_unit, cell, 1, value, value * value, value, value, created_unix_ms,
                     created_unix_ms});
    slots_[slot] = static_cast<std::uint32_t>(rows_.size());
}

void MetricFold::grow() {
    BURGEE_ASSERT(slots_.size() < std::numeric_limits<std::uint32_t>::max() / 2);
    slots_.assign(slots_.size() * 2, 0);
    for (std::size_t index = 0; index < rows_.size(); ++index) {
        std::size_t slot = slot_of(rows_[index].unit, rows_[index].cell);
        while (slots_[slot] != 0) {
            slot = (slot + 1) & (slots_.size() - 1);
        }
        slots_[slot] = static_cast<std::uint32_t>(index + 1);
    }
}

std::vector<std::uint32_t> MetricFold::finish(std::span<const std::uint32_t> numbers) {
    std::vector<RowKey> keys;
    keys.reserve(rows_.size());
    for (std::size_t index = 0; index < rows_.size(); ++index) {
        FoldedRow& row = rows_[index];
        BURGEE_ASSERT(row.cell < numbers.size());
        row.cell = numbers[row.cell];
        keys.push_back({row.unit, row.cell, static_cast<std::uint32_t>(index)});
    }
    std::sort(keys.begin(), keys.end(), [](const RowKey& left, const RowKey& right) {
        return left.unit != right.unit ? left.unit < right.unit : left.cell < right.cell;
    });
    std::vector<std::uint32_t> order;
    order.reserve(keys.size());
    for (const RowKey& key : keys) {
        order.push_back(key.index);
    }
    return order;
}

void MetricFold::clear() {
    rows_.clear();
    std::fill(slots_.begin(), slots_.end(), 0U);
}

}  // namespace burgee::sync
