#pragma once

// Moments as people and PostgreSQL write them.

#include <array>
#include <cstdint>
#include <ctime>
#include <string>

namespace burgee::cli {

/// RFC 3339 in UTC, to the second: "2026-11-23T09:56:39Z".
inline std::string instant_text(std::int64_t unix_ms) {
    // Rounded down, also before 1970, where division alone would round up.
    const std::time_t seconds = unix_ms / 1000 - (unix_ms % 1000 < 0 ? 1 : 0);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 40> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text.data();
}

/// "42s", "3m", "5h", "2d": how long ago something was, in the largest unit that is not 0.
inline std::string age_text(std::int64_t seconds) {
    constexpr std::int64_t kMinute = 60;
    constexpr std::int64_t kHour = 60 * kMinute;
    constexpr std::int64_t kDay = 24 * kHour;
    if (seconds < kMinute) {
        return std::to_string(seconds < 0 ? 0 : seconds) + "s";
    }
    if (seconds < kHour) {
        return std::to_string(seconds / kMinute) + "m";
    }
    return seconds < kDay ? std::to_string(seconds / kHour) + "h"
                          : std::to_string(seconds / kDay) + "d";
}

}  // namespace burgee::cli
