// Promise: whatever a client sends as events, the check ends and reads nothing outside; what it
// keeps can be decoded, holds texts and JSON that PostgreSQL takes, and passes again unchanged.
// Method: bytes as they come, or, so that more of them get past the sizes, events whose sizes and
// padding are put right; JSON also by a parser that is not ours.
//
// An input: one byte of Mode bits, one byte that is the count, then the events.

#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "daemon/event_check.hpp"
#include "daemon/event_decode.hpp"
#include "tests/fuzz/input_reader.hpp"

namespace burgee::fuzz {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

enum Mode : std::uint8_t {
    kModeRaw = 1U << 0U,        ///< the bytes as they are, and the count as it says
    kModeKeepSizes = 1U << 1U,  ///< texts keep sizes up to 65 535
};

/// Memory that ends with the last event.
struct Events {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t size = 0;
    std::uint32_t count = 0;

    std::span<std::byte> span() const { return {bytes.get(), size}; }
};

Events events_of(const std::vector<std::byte>& bytes, std::uint32_t count) {
    Events events{std::unique_ptr<std::byte[]>(new std::byte[bytes.size()]), bytes.size(), count};
    std::copy(bytes.begin(), bytes.end(), events.bytes.get());
    return events;
}

/// The next event of the input, with sizes that fit what follows and zeros behind it.
void append_event(InputReader& input, std::uint8_t mode, std::vector<std::byte>& bytes) {
    auto header = input.take<EventHeader>();
    std::size_t text_size = 0;
    for (std::uint16_t* size :
         {&header.variant_size, &header.metric_size, &header.user_id_size, &header.session_id_size,
          &header.unit_size, &header.metadata_size}) {
        *size = (mode & kModeKeepSizes) != 0 ? *size : static_cast<std::uint16_t>(*size % 64);
        text_size += *size;
    }
    const std::size_t size = (sizeof header + text_size + 7) / 8 * 8;
    header.size_bytes = static_cast<std::uint32_t>(size);
    const std::size_t offset = bytes.size();
    bytes.resize(offset + size);
    std::memcpy(bytes.data() + offset, &header, sizeof header);
    const auto texts = input.take_bytes(text_size);
    if (!texts.empty()) {
        std::memcpy(bytes.data() + offset + sizeof header, texts.data(), texts.size());
    }
}

Events read_events(InputReader input, std::size_t size) {
    const auto mode = input.take<std::uint8_t>();
    std::uint32_t count = input.take<std::uint8_t>();
    std::vector<std::byte> bytes;
    if ((mode & kModeRaw) != 0) {
        for (const std::uint8_t byte : input.take_bytes(size)) {
            bytes.push_back(static_cast<std::byte>(byte));
        }
    } else {
        for (count = 0; !input.is_empty(); ++count) {
            append_event(input, mode, bytes);
        }
    }
    return events_of(bytes, count);
}

/// Whether a JSON parser that is not ours agrees; numbers may be larger than it can hold.
bool is_object_to_others(std::string_view text) {
    simdjson::dom::parser parser;
    const auto parsed = parser.parse(simdjson::padded_string(text));
    return parsed.error() == simdjson::NUMBER_ERROR || parsed.is_object();
}

void check_kept(std::uint64_t lsn, std::span<const std::byte> bytes) {
    const auto event = daemon::decode_event(lsn, bytes);
    require(event.has_value(), "a kept event can be decoded");
    require(std::isfinite(event->value), "a kept value is finite");
    require(event->created_unix_ms >= kNow - daemon::kEventAgeMaxMs &&
                event->created_unix_ms <= kNow + daemon::kEventAheadMaxMs,
            "a kept time is near");
    for (const std::string_view text :
         {event->variant, event->metric, event->user_id, event->session_id, event->unit_text}) {
        require(simdjson::validate_utf8(text.data(), text.size()) &&
                    text.find('\0') == std::string_view::npos,
                "a kept text is UTF-8 without NUL");
    }
    require(event->metadata_json.empty() || is_object_to_others(event->metadata_json),
            "kept metadata is a JSON object");
}

void run(InputReader input, std::size_t size) {
    const Events events = read_events(input, size);
    static_cast<void>(daemon::decode_event(1, events.span()));
    const daemon::CheckedEvents checked = daemon::check_events(events.span(), events.count, kNow);
    if (!checked.is_well_framed) {
        return;
    }
    require(checked.kept_count + checked.refused.size() == events.count,
            "each event is kept or refused");
    require(checked.kept_size_bytes <= events.size, "nothing grows");
    std::vector<std::byte> kept(events.bytes.get(), events.bytes.get() + checked.kept_size_bytes);
    std::size_t offset = 0;
    for (std::uint32_t index = 0; index < checked.kept_count; ++index) {
        std::uint32_t event_size = 0;
        std::memcpy(&event_size, kept.data() + offset, sizeof event_size);
        check_kept(index + 1, std::span(kept).subspan(offset, event_size));
        offset += event_size;
    }
    require(offset == kept.size(), "kept events lie back to back");
    const std::vector<std::byte> before = kept;
    const auto again = daemon::check_events(kept, checked.kept_count, kNow);
    require(
        again.is_well_framed && again.refused.empty() && again.clamped_count == 0 && kept == before,
        "what was kept passes again unchanged");
}

}  // namespace
}  // namespace burgee::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    burgee::fuzz::run(burgee::fuzz::InputReader(data, size), size);
    return 0;
}
