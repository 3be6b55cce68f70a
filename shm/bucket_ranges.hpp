#pragma once

// Percentages as ranges of buckets: where a rollout's gate ends and which buckets each variant
// owns. Worked out once by the writer, so that readers compare integers and all agree. Pure
// arithmetic.

#include <cstdint>
#include <span>

#include "shm/flag_set.hpp"

namespace burgee {

/// First bucket outside a rollout of `percentage` (0 .. 100) percent.
///   xxh3        round(percentage x 10 000), half away from zero, of kBucketCount
///   legacy_md5  how many hundredths h have h / 100.0 < percentage in double arithmetic, as the
///   Python
///               system compares them, of kLegacyBucketCount
std::uint32_t gate_end_of(double percentage, Bucketing bucketing);

/// First bucket behind each variant's range.
///   xxh3        each variant gets round(weight x 10 000) buckets, half away from zero. What is
///   then
///               missing or over is spread by largest remainder: variants of weight > 0 in order of
///               (exact share - rounded share), largest first and earlier first among equals, gain
///               one bucket each from the front, or lose one each from the back, in turns, until
///               the sum is kBucketCount. A variant of weight 0 owns nothing.
///   legacy_md5  the hundredths that are not below the running sum of weights in double arithmetic;
///               the last variant takes the rest
///
/// @param weights  percent, each finite and >= 0, at least one > 0, at most kVariantCountMax
/// @param ends     as many elements
void range_ends_of(std::span<const double> weights, Bucketing bucketing,
                   std::span<std::uint32_t> ends);

}  // namespace burgee
