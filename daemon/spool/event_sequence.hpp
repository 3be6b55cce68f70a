#pragma once

// Whether bytes are events as the spool stores them. Asked by the writer before it stores them, and
// by the reader before it walks from one to the next.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "daemon/spool/spool_format.hpp"

namespace burgee::daemon {

/// Whether `events` are `count` well-formed events and nothing else. Cost: one load an event.
inline bool is_event_sequence(std::span<const std::byte> events, std::uint32_t count) {
    std::size_t offset = 0;
    for (std::uint32_t index = 0; index < count; ++index) {
        std::uint32_t size_bytes = 0;
        if (events.size() - offset < kSpoolEventSizeMin) {
            return false;
        }
        std::memcpy(&size_bytes, events.data() + offset, sizeof size_bytes);
        if (size_bytes < kSpoolEventSizeMin || size_bytes % 8 != 0 ||
            size_bytes > events.size() - offset) {
            return false;
        }
        offset += size_bytes;
    }
    return offset == events.size();
}

/// Whether a frame of this type holds `count` events: EVENTS as many as it says, others none.
inline bool holds_its_events(SpoolFrameType type, std::uint32_t count,
                             std::span<const std::byte> payload) {
    if (type != SpoolFrameType::kEvents) {
        return count == 0;
    }
    return payload.size() >= sizeof(EventsPrefix) &&
           is_event_sequence(payload.subspan(sizeof(EventsPrefix)), count);
}

}  // namespace burgee::daemon
