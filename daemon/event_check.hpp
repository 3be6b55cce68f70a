#pragma once

// Checks events at the door, so strictly that nothing acknowledged can be refused by PostgreSQL:
// bytes, sizes, UTF-8, JSON, numbers, times. Relied on by the event socket; what passes here is
// trusted.

#include <burgee/event_wire.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace burgee::daemon {

inline constexpr std::int64_t kEventAgeMaxMs = 7LL * 24 * 3600 * 1000;
inline constexpr std::int64_t kEventAheadMaxMs = 5LL * 60 * 1000;
inline constexpr int kMetadataDepthMax = 32;
/// PostgreSQL's numeric holds 131 072 digits before the point and 16 383 after it; a text of 1 KiB
/// stays inside with exponents up to this.
inline constexpr int kMetadataExponentMax = 9'999;

struct RefusedEvent {
    std::uint32_t index = 0;  ///< in the frame, from 0
    NackReason reason = NackReason::kInvalid;
    std::string_view why = {};  ///< for people; a literal that says nothing of what the event holds
};

struct CheckedEvents {
    bool is_well_framed = false;  ///< false: the sizes do not add up, nothing else is set
    std::uint32_t kept_count = 0;
    std::size_t kept_size_bytes = 0;  ///< the good events lie at the front of the given bytes
    std::uint32_t clamped_count = 0;
    std::uint32_t automatic_count = 0;  ///< of the good ones: exposures that evaluate() told
    std::vector<RefusedEvent> refused;
};

/// Checks `count` events that lie back to back, moves the good ones together and their created
/// times into [now - 7 d, now + 5 min].
/// @param now_unix_ms  milliseconds since 1970-01-01 UTC
/// Thread safety: pure but for the bytes. Cost: linear, about 40 ns an event without metadata.
CheckedEvents check_events(std::span<std::byte> events, std::uint32_t count,
                           std::int64_t now_unix_ms);

/// Strict UTF-8 as PostgreSQL checks it, and no NUL.
bool is_storable_text(std::string_view text);

/// A JSON object that PostgreSQL's jsonb accepts: no \u0000, whole surrogate pairs, bounded numbers
/// and depth. A little stricter than PostgreSQL, never more lenient.
bool is_storable_json_object(std::string_view text);

}  // namespace burgee::daemon
