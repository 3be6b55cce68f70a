#pragma once

// Hashes, seeds and checksums as people compare them. Numbers above 2^53 would not survive a JSON
// reader that uses doubles, so they are texts there, too.

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>

namespace burgee::cli {

/// 16 lower-case hexadecimal digits.
inline std::string hexadecimal(std::uint64_t number) {
    std::array<char, 17> digits{};
    std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(number));
    return digits.data();
}

}  // namespace burgee::cli
