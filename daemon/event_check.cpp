#include "daemon/event_check.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

namespace burgee::daemon {
namespace {

/// The smallest event there can be: a variant and a metric of one byte each.
constexpr std::size_t kEventSizeMin = sizeof(EventHeader) + 8;

struct EventTexts {
    std::string_view variant, metric, user_id, session_id, unit, metadata;
    std::size_t end = 0;  ///< where the padding begins
};

bool is_over_a_limit(const EventHeader& header) {
    const std::uint16_t longest =
        std::max({header.variant_size, header.metric_size, header.user_id_size,
                  header.session_id_size, header.unit_size});
    return longest > kEventTextSizeMax || header.metadata_size > kMetadataSizeMax ||
           header.size_bytes > kEventSizeMax;
}

/// The texts, if together with their padding they are exactly as long as the event.
std::optional<EventTexts> cut_texts(const EventHeader& header, std::span<const std::byte> event) {
    std::size_t offset = sizeof header;
    bool fits = true;
    const auto next = [&](std::uint16_t size_bytes) -> std::string_view {
        if (!fits || size_bytes > event.size() - offset) {
            fits = false;
            return {};
        }
        const auto* text = reinterpret_cast<const char*>(event.data() + offset);
        offset += size_bytes;
        return {text, size_bytes};
    };
    EventTexts texts;
    texts.variant = next(header.variant_size);
    texts.metric = next(header.metric_size);
    texts.user_id = next(header.user_id_size);
    texts.session_id = next(header.session_id_size);
    texts.unit = next(header.unit_size);
    texts.metadata = next(header.metadata_size);
    texts.end = offset;
    if (!fits || event.size() - offset >= 8) {
        return std::nullopt;
    }
    return texts;
}

bool has_unit_it_names(const EventHeader& header) {
    switch (static_cast<UnitKind>(header.unit_kind)) {
        case UnitKind::kNone:
            return header.unit_size == 0;
        case UnitKind::kUserId:
            return header.unit_size == 0 && header.user_id_size != 0;
        case UnitKind::kSessionId:
            return header.unit_size == 0 && header.session_id_size != 0;
        case UnitKind::kOther:
            return header.unit_size != 0;
    }
    return false;
}

/// These metrics are read as "has it at least once", the sum of a unit above 0: a negative value
/// would take back what another event says.
bool is_counted_by_unit(std::string_view metric) {
    return metric == "conversion" || metric == "error";
}

/// What evaluate() tells by itself. Of equal ones a host keeps the first, so they must not differ
/// in anything that results read.
bool is_exposure(const EventHeader& header, std::string_view metric) {
    return header.event_class == static_cast<std::uint8_t>(EventClass::kExposure) &&
           metric == "impression" && header.value == 1 && header.in_experiment == 1 &&
           header.unit_kind != static_cast<std::uint8_t>(UnitKind::kNone) && header.phase != 0;
}

/// Why the header cannot stand, or nothing.
std::string_view fault_of(const EventHeader& header) {
    if (header.event_class >= kEventClassCount || header.in_experiment > 1 ||
        header.unit_kind > static_cast<std::uint8_t>(UnitKind::kOther) || header.is_automatic > 1) {
        return "a class, unit kind or flag out of range";
    }
    if (!std::isfinite(header.value)) {
        return "its value is not a finite number";
    }
    return has_unit_it_names(header) ? "" : "it names a unit that is not there";
}

/// Why the event can never be stored, or nothing.
std::string_view fault_of(const EventHeader& header, std::span<const std::byte> event) {
    const auto texts = cut_texts(header, event);
    if (!texts || event.size() < kEventSizeMin) {
        return "its texts do not fit its size";
    }
    if (texts->variant.empty() || texts->metric.empty()) {
        return "its variant or its metric is empty";
    }
    if (const std::string_view fault = fault_of(header); !fault.empty()) {
        return fault;
    }
    if (header.value < 0 && is_counted_by_unit(texts->metric)) {
        return "a conversion or an error below 0";
    }
    if (header.is_automatic != 0 && !is_exposure(header, texts->metric)) {
        return "it says it is an automatic exposure and is none";
    }
    const auto padding = event.subspan(texts->end);
    if (!std::all_of(padding.begin(), padding.end(),
                     [](std::byte each) { return each == std::byte{0}; })) {
        return "bytes in its padding";
    }
    // A character must not straddle two texts, so each is checked by itself.
    if (!is_storable_text(texts->variant) || !is_storable_text(texts->metric) ||
        !is_storable_text(texts->user_id) || !is_storable_text(texts->session_id) ||
        !is_storable_text(texts->unit)) {
        return "a text that is not UTF-8 or holds a NUL";
    }
    const bool has_good_metadata =
        texts->metadata.empty() || is_storable_json_object(texts->metadata);
    return has_good_metadata ? "" : "its metadata is not a JSON object that jsonb takes";
}

bool clamp_time(std::byte* event, const EventHeader& header, std::int64_t now_unix_ms) {
    const std::int64_t clamped = std::clamp(header.created_unix_ms, now_unix_ms - kEventAgeMaxMs,
                                            now_unix_ms + kEventAheadMaxMs);
    if (clamped == header.created_unix_ms) {
        return false;
    }
    std::memcpy(event + offsetof(EventHeader, created_unix_ms), &clamped, sizeof clamped);
    return true;
}

}  // namespace

CheckedEvents check_events(std::span<std::byte> events, std::uint32_t count,
                           std::int64_t now_unix_ms) {
    CheckedEvents checked;
    std::size_t offset = 0;
    for (std::uint32_t index = 0; index < count; ++index) {
        EventHeader header{};
        if (events.size() - offset < sizeof header) {
            return {};
        }
        std::memcpy(&header, events.data() + offset, sizeof header);
        if (header.size_bytes < sizeof header || header.size_bytes % 8 != 0 ||
            header.size_bytes > events.size() - offset) {
            return {};
        }
        const auto event = events.subspan(offset, header.size_bytes);
        offset += header.size_bytes;
        if (is_over_a_limit(header)) {
            checked.refused.push_back(
                {index, NackReason::kTooBig, "a text or the event is too long"});
        } else if (const std::string_view why = fault_of(header, event); !why.empty()) {
            checked.refused.push_back({index, NackReason::kInvalid, why});
        } else {
            checked.automatic_count += header.is_automatic;
            checked.clamped_count += clamp_time(event.data(), header, now_unix_ms) ? 1U : 0U;
            std::byte* const target = events.data() + checked.kept_size_bytes;
            if (target != event.data()) {
                std::memmove(target, event.data(), event.size());
            }
            checked.kept_size_bytes += event.size();
            ++checked.kept_count;
        }
    }
    checked.is_well_framed = offset == events.size();
    return checked;
}

bool is_storable_text(std::string_view text) {
    std::size_t index = 0;
    const auto byte_at = [&](std::size_t at) {
        return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
    };
    while (index < text.size()) {
        const unsigned lead = byte_at(index);
        if (lead < 0x80) {
            if (lead == 0) {
                return false;
            }
            ++index;
            continue;
        }
        // The well-formed sequences of the Unicode Standard, table 3-7: the second byte's range
        // depends on the lead, which excludes long forms, surrogates and what is past U+10FFFF.
        const std::size_t follow = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
        const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
        const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
        if (lead < 0xC2 || lead > 0xF4 || byte_at(index + 1) < low || byte_at(index + 1) > high) {
            return false;
        }
        for (std::size_t at = index + 2; at <= index + follow; ++at) {
            if ((byte_at(at) & 0xC0U) != 0x80) {
                return false;
            }
        }
        index += follow + 1;
    }
    return true;
}

}  // namespace burgee::daemon
