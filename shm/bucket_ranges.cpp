#include "shm/bucket_ranges.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "shm/assertion.hpp"

namespace burgee {
namespace {

/// The number of hundredths h in 0 .. 9 999 with double(h) / 100.0 < limit. The quotient grows with
/// h, so halving finds the first that is not below.
std::uint32_t hundredths_below(double limit) {
    std::uint32_t begin = 0;
    std::uint32_t end = kLegacyBucketCount;
    while (begin < end) {
        const std::uint32_t middle = begin + (end - begin) / 2;
        if (static_cast<double>(middle) / 100.0 < limit) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

void legacy_range_ends(std::span<const double> weights, std::span<std::uint32_t> ends) {
    double cumulative = 0;
    for (std::size_t number = 0; number < weights.size(); ++number) {
        cumulative += weights[number];
        ends[number] = hundredths_below(cumulative);
    }
    ends.back() = kLegacyBucketCount;
}

struct Share {
    std::size_t number;
    double remainder;  ///< exact share - rounded share, in buckets
};

/// Adds the missing buckets, one each in the order of `shares`, again and again.
void hand_out(std::int64_t missing, std::span<const Share> shares,
              std::span<std::int64_t> buckets) {
    for (std::size_t turn = 0; missing > 0; ++turn, --missing) {
        ++buckets[shares[turn % shares.size()].number];
    }
}

/// Takes the surplus, one each from the back of `shares`; a variant without buckets is passed over.
void take_back(std::int64_t surplus, std::span<const Share> shares,
               std::span<std::int64_t> buckets) {
    for (std::size_t turn = 0; surplus > 0; ++turn) {
        std::int64_t& owned = buckets[shares[shares.size() - 1 - turn % shares.size()].number];
        if (owned > 0) {
            --owned;
            --surplus;
        }
    }
}

void xxh3_range_ends(std::span<const double> weights, std::span<std::uint32_t> ends) {
    std::array<std::int64_t, kVariantCountMax> buckets{};
    std::array<Share, kVariantCountMax> shares{};
    std::size_t share_count = 0;
    std::int64_t missing = kBucketCount;
    for (std::size_t number = 0; number < weights.size(); ++number) {
        const double exact = weights[number] * 10'000.0;
        buckets[number] = std::llround(exact);
        missing -= buckets[number];
        if (weights[number] > 0) {
            shares[share_count++] = {number, exact - static_cast<double>(buckets[number])};
        }
    }
    const std::span<Share> taking_part(shares.data(), share_count);
    std::ranges::stable_sort(taking_part, std::greater{}, &Share::remainder);
    hand_out(missing, taking_part, buckets);
    take_back(-missing, taking_part, buckets);
    std::int64_t end = 0;
    for (std::size_t number = 0; number < weights.size(); ++number) {
        end += buckets[number];
        ends[number] = static_cast<std::uint32_t>(end);
    }
    BURGEE_ASSERT(end == kBucketCount);
}

}  // namespace

std::uint32_t gate_end_of(double percentage, Bucketing bucketing) {
    BURGEE_ASSERT(percentage >= 0 && percentage <= 100);
    return bucketing == Bucketing::kLegacyMd5
               ? hundredths_below(percentage)
               : static_cast<std::uint32_t>(std::llround(percentage * 10'000.0));
}

void range_ends_of(std::span<const double> weights, Bucketing bucketing,
                   std::span<std::uint32_t> ends) {
    BURGEE_ASSERT(!weights.empty() && weights.size() <= kVariantCountMax);
    BURGEE_ASSERT(ends.size() == weights.size());
    if (bucketing == Bucketing::kLegacyMd5) {
        legacy_range_ends(weights, ends);
    } else {
        xxh3_range_ends(weights, ends);
    }
}

}  // namespace burgee
