#include "tests/fault/resident_memory.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>

#include "tests/support/child_process.hpp"

namespace burgee::test {
namespace {

constexpr double kSecondsInHour = 3'600;

std::vector<MemorySample> block_medians(const std::vector<MemorySample>& samples, double begin,
                                        double block_seconds) {
    std::vector<MemorySample> blocks;
    std::vector<double> values;
    double block_begin = begin;
    const auto close_block = [&] {
        if (!values.empty()) {
            std::sort(values.begin(), values.end());
            blocks.push_back({block_begin + block_seconds / 2, values[values.size() / 2]});
        }
        values.clear();
    };
    for (const MemorySample& sample : samples) {
        while (sample.seconds >= block_begin + block_seconds) {
            close_block();
            block_begin += block_seconds;
        }
        if (sample.seconds >= begin) {
            values.push_back(sample.bytes);
        }
    }
    close_block();
    return blocks;
}

/// H. Theil (1950), P. K. Sen (1968): Journal of the American Statistical Association 63:1379-1389.
double median_pair_slope(const std::vector<MemorySample>& blocks) {
    std::vector<double> slopes;
    for (std::size_t first = 0; first < blocks.size(); ++first) {
        for (std::size_t second = first + 1; second < blocks.size(); ++second) {
            slopes.push_back((blocks[second].bytes - blocks[first].bytes) /
                             (blocks[second].seconds - blocks[first].seconds));
        }
    }
    std::sort(slopes.begin(), slopes.end());
    return slopes[slopes.size() / 2];
}

}  // namespace

std::uint64_t resident_bytes(pid_t process) {
    std::istringstream text(read_file("/proc/" + std::to_string(process) + "/statm"));
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    text >> size >> resident;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

MemorySlope slope_of_second_half(const std::vector<MemorySample>& samples, double block_seconds) {
    MemorySlope slope;
    if (samples.empty()) {
        return slope;
    }
    const double middle = (samples.front().seconds + samples.back().seconds) / 2;
    const auto blocks = block_medians(samples, middle, block_seconds);
    slope.blocks = blocks.size();
    const auto n = static_cast<double>(blocks.size());
    if (blocks.size() < 3) {
        return slope;
    }
    double mean_x = 0;
    double mean_y = 0;
    for (const MemorySample& block : blocks) {
        mean_x += block.seconds / n;
        mean_y += block.bytes / n;
    }
    double xx = 0;
    double xy = 0;
    for (const MemorySample& block : blocks) {
        xx += (block.seconds - mean_x) * (block.seconds - mean_x);
        xy += (block.seconds - mean_x) * (block.bytes - mean_y);
    }
    double residual = 0;
    for (const MemorySample& block : blocks) {
        const double error = block.bytes - mean_y - xy / xx * (block.seconds - mean_x);
        residual += error * error;
    }
    slope.median_bytes_per_hour = median_pair_slope(blocks) * kSecondsInHour;
    slope.bytes_per_hour = xy / xx * kSecondsInHour;
    slope.error_bytes_per_hour = std::sqrt(residual / (n - 2) / xx) * kSecondsInHour;
    return slope;
}

}  // namespace burgee::test
