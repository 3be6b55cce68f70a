#pragma once

// An event's bytes read back: who wrote them does not matter, for nothing outside them is read.
// Used by the daemon's upload and by `burgee spool dump`.

#include <burgee/event_wire.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace burgee {

/// One event; the texts lie in the bytes that were read.
struct EventView {
    EventHeader header{};
    std::string_view variant;
    std::string_view metric;
    std::string_view user_id;
    std::string_view session_id;
    std::string_view unit;  ///< of UnitKind::kOther
    std::string_view metadata_json;
};

/// Reads the event in the `size` bytes at `data`.
/// @return  false, and nothing to rely on in `out`, when the sizes in it do not fit the bytes
/// Thread safety: pure. Cost: some nanoseconds.
inline bool read_event(const void* data, std::size_t size, EventView& out) noexcept {
    if (size < sizeof(EventHeader)) {
        return false;
    }
    std::memcpy(&out.header, data, sizeof(EventHeader));
    const char* text = static_cast<const char*>(data) + sizeof(EventHeader);
    std::size_t rest = size - sizeof(EventHeader);
    bool fits = true;
    const auto take = [&](std::uint16_t wanted) {
        fits = fits && wanted <= rest;
        const std::string_view taken(text, fits ? wanted : 0);
        text += taken.size();
        rest -= taken.size();
        return taken;
    };
    out.variant = take(out.header.variant_size);
    out.metric = take(out.header.metric_size);
    out.user_id = take(out.header.user_id_size);
    out.session_id = take(out.header.session_id_size);
    out.unit = take(out.header.unit_size);
    out.metadata_json = take(out.header.metadata_size);
    return fits;
}

}  // namespace burgee
