#pragma once

// How much memory a process holds, and whether that grows: samples, and the line through their
// second half with the error that its scatter leaves.

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace burgee::test {

/// Resident pages of a process, in bytes; 0 when it is gone.
std::uint64_t resident_bytes(pid_t process);

struct MemorySample {
    double seconds = 0;
    double bytes = 0;
};

/// A line's slope, and one standard error of it.
struct MemorySlope {
    double bytes_per_hour = 0;         ///< by least squares
    double median_bytes_per_hour = 0;  ///< of the slopes between all pairs: a step is no slope
    double error_bytes_per_hour = 0;
    std::size_t blocks = 0;
};

/// Through the second half of the samples by least squares. Neighbouring samples say the same, so
/// their medians over `block_seconds` are what counts: the error would be flattered otherwise.
MemorySlope slope_of_second_half(const std::vector<MemorySample>& samples, double block_seconds);

}  // namespace burgee::test
