#include "daemon/event_decode.hpp"

#include <algorithm>
#include <burgee/checksum.hpp>
#include <burgee/event_view.hpp>
#include <string_view>

#include "shm/assertion.hpp"

namespace burgee::daemon {
namespace {

// One piece: small enough for the processor's cache, large enough that reading it costs little an
// event.
constexpr std::uint64_t kPieceEventsMax = 8'192;
constexpr std::uint64_t kPieceSizeMax = 1 << 20;

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
    EventView view;
    if (!read_event(bytes.data(), bytes.size(), view)) {
        return std::nullopt;
    }
    sync::MetricEvent event;
    event.lsn = lsn;
    event.experiment = view.header.experiment_id;
    event.phase = view.header.phase;
    event.in_experiment = view.header.in_experiment != 0;
    event.created_unix_ms = view.header.created_unix_ms;
    event.value = view.header.value;
    event.variant = view.variant;
    event.metric = view.metric;
    event.user_id = view.user_id;
    event.session_id = view.session_id;
    event.unit_text = view.unit;
    event.metadata_json = view.metadata_json;
    set_unit(event, view.header.unit_kind);
    return event;
}

sync::EventChunk SpoolEventSource::read(std::uint64_t from_lsn, std::uint64_t end_lsn) {
    BURGEE_ASSERT(from_lsn < end_lsn);
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
