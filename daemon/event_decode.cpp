#include "daemon/event_decode.hpp"

#include <algorithm>
#include <burgee/checksum.hpp>
#include <burgee/event_wire.hpp>
#include <cassert>
#include <cstring>
#include <string_view>

namespace burgee::daemon {
namespace {

// One piece: small enough for the processor's cache, large enough that reading it costs little an
// event.
constexpr std::uint64_t kPieceEventsMax = 8'192;
constexpr std::uint64_t kPieceSizeMax = 1 << 20;

/// Takes the texts behind an event's header, one after the other.
class TextReader {
public:
    explicit TextReader(std::span<const std::byte> bytes) : rest_(bytes) {}

    std::string_view take(std::uint16_t size) {
        if (size > rest_.size()) {
            is_short_ = true;
            return {};
        }
        const std::string_view text(reinterpret_cast<const char*>(rest_.data()), size);
        rest_ = rest_.subspan(size);
        return text;
    }

    bool is_short() const { return is_short_; }

private:
    std::span<const std::byte> rest_;
    bool is_short_ = false;
};

void set_unit(sync::MetricEvent& event, std::uint8_t kind) {
    std::string_view text;
    switch (static_cast<UnitKind>(kind)) {
        case UnitKind::kUserId:
            event.unit_source = sync::UnitSource::kUserId;
            text = event.user_id;
            break;
        case UnitKind::kSessionId:
            event.unit_source = sync::UnitSource::kSessionId;
            text = event.session_id;
            break;
        case UnitKind::kOther:
            event.unit_source = sync::UnitSource::kOther;
            text = event.unit_text;
            break;
        case UnitKind::kNone:
            break;
    }
    if (text.empty()) {
        event.unit_source = sync::UnitSource::kNone;
    } else {
        event.unit = hash64(text);
    }
}

}  // namespace

std::optional<sync::MetricEvent> decode_event(std::uint64_t lsn, std::span<const std::byte> bytes) {
    EventHeader header;
    if (bytes.size() < sizeof header) {
        return std::nullopt;
    }
    std::memcpy(&header, bytes.data(), sizeof header);
    TextReader texts(bytes.subspan(sizeof header));
    sync::MetricEvent event;
    event.lsn = lsn;
    event.experiment = header.experiment_id;
    event.phase = header.phase;
    event.in_experiment = header.in_experiment != 0;
    event.created_unix_ms = header.created_unix_ms;
    event.value = header.value;
    event.variant = texts.take(header.variant_size);
    event.metric = texts.take(header.metric_size);
    event.user_id = texts.take(header.user_id_size);
    event.session_id = texts.take(header.session_id_size);
    event.unit_text = texts.take(header.unit_size);
    event.metadata_json = texts.take(header.metadata_size);
    if (texts.is_short()) {
        return std::nullopt;
    }
    set_unit(event, header.unit_kind);
    return event;
}

sync::EventChunk SpoolEventSource::read(std::uint64_t from_lsn, std::uint64_t end_lsn) {
    assert(from_lsn < end_lsn);
    events_.clear();
    const SpoolReadLimits limits{std::min(kPieceEventsMax, end_lsn - from_lsn), kPieceSizeMax};
    if (!spool_.read(from_lsn, limits, batch_)) {
        return {{}, from_lsn};
    }
    batch_.for_each_event([&](std::uint64_t lsn, std::span<const std::byte> bytes) {
        const auto event = decode_event(lsn, bytes);
        if (event && lsn < end_lsn) {
            events_.push_back(*event);
        }
    });
    return {events_, std::clamp(batch_.end_lsn, from_lsn, end_lsn)};
}

}  // namespace burgee::daemon
