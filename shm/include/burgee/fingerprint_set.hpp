#pragma once

// Looks a fingerprint up in a sorted array of them: include and exclude lists, IN lists, up to a
// million ids at 8 bytes each and nothing beside them. Fingerprints are XXH3-64, which spreads
// evenly, so a place can be computed instead of searched.

#include <cstdint>

namespace burgee::detail {

inline constexpr std::uint64_t kLinearSetMax = 8;         // one cache line
inline constexpr std::uint64_t kInterpolatedSetMin = 64;  // below, halving is as fast; by feel
inline constexpr int kInterpolationRounds =
    3;  // 10^6 entries: off by 500, then 22, then 5 on average
inline constexpr std::uint64_t kInterpolationWalkMax = 32;  // six times that 5; then halving

/// How many of `count` evenly spread fingerprints lie below `distance`.
inline std::uint64_t expected_count(std::uint64_t distance, std::uint64_t count) noexcept {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Wide>(distance) * count) >> 64U);
}

/// Plain binary search of [0, count), for whatever is small or not evenly spread.
inline bool halved_contains(const std::uint64_t* entries, std::uint64_t count,
                            std::uint64_t wanted) noexcept {
    while (count > kLinearSetMax) {  // halves each time: at most 32 rounds
        const std::uint64_t half = count / 2;
        entries += entries[half] <= wanted ? half : 0;
        count -= half;
    }
    bool is_found = false;
    for (std::uint64_t number = 0; number < count; ++number) {
        is_found = is_found || entries[number] == wanted;
    }
    return is_found;
}

/// Whether `wanted` is one of the `count` ascending entries. Entries that do not ascend give some
/// answer. Cost: 8 comparisons for few; for 10^6 about five reads, each of which may miss the
/// cache; at worst log2(count) more.
inline bool sorted_contains(const std::uint64_t* entries, std::uint64_t count,
                            std::uint64_t wanted) noexcept {
    if (count < kInterpolatedSetMin) {
        return halved_contains(entries, count, wanted);
    }
    // Invariant: every entry before `low` is below `wanted`, every one from `high` on above it,
    // as far as the entries ascend.
    std::uint64_t low = 0;
    std::uint64_t high = count;
    std::uint64_t place = expected_count(wanted, count);
    for (int round = 0; round < kInterpolationRounds && low < high; ++round) {
        place = place < low ? low : place >= high ? high - 1 : place;
        const std::uint64_t entry = entries[place];
        if (entry == wanted) {
            return true;
        }
        if (entry < wanted) {
            low = place + 1;
            place += expected_count(wanted - entry, count);
        } else {
            high = place;
            const std::uint64_t back = expected_count(entry - wanted, count);
            place = place > back ? place - back : 0;
        }
    }
    place = place < low ? low : place >= high && high > low ? high - 1 : place;
    for (std::uint64_t steps = 0; steps < kInterpolationWalkMax && low < high; ++steps) {
        const std::uint64_t entry = entries[place];
        if (entry == wanted) {
            return true;
        }
        if (entry < wanted) {
            low = place + 1;
            place = low;
        } else {
            high = place;
            place = place > 0 ? place - 1 : 0;
        }
        if (place < low || place >= high) {
            return false;
        }
    }
    return low < high && halved_contains(entries + low, high - low, wanted);
}

}  // namespace burgee::detail
