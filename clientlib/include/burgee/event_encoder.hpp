#pragma once

// Turns a draft into the bytes of one event, straight in the ring. Checks what is cheap to check
// here; the daemon checks everything again, because it cannot trust what it did not write.

#include <burgee/event_draft.hpp>
#include <burgee/event_exposure.hpp>
#include <burgee/event_ring.hpp>

#include <time.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace burgee::detail {

/// Milliseconds since 1970-01-01 UTC on the coarse clock: some 5 ns, a few milliseconds late at
/// most.
inline std::int64_t coarse_unix_ms() noexcept {
    timespec now{};
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1'000 + now.tv_nsec / 1'000'000;
}

/// Neither an infinity nor "not a number": those have all bits of the exponent. By hand, because
/// <cmath> would make every file of a service that includes us a tenth slower to compile.
inline bool is_finite(double value) noexcept {
    constexpr std::uint64_t kExponent = 0x7FF0'0000'0000'0000U;
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    return (bits & kExponent) != kExponent;
}

/// Whether a draft can be an event; if not, `reason` says why.
inline bool is_sendable(const EventDraft& draft, DropReason& reason) noexcept {
    if (draft.experiment_id == std::array<std::uint8_t, 16>{}) {
        reason = DropReason::kNoExperiment;
        return false;
    }
    const bool names_its_unit = draft.unit_kind == UnitKind::kNone || !unit_text(draft).empty();
    if (draft.variant.empty() || draft.metric.empty() || !is_finite(draft.value) ||
        !names_its_unit) {
        reason = DropReason::kInvalid;
        return false;
    }
    if (draft.variant.size() > kEventTextSizeMax || draft.metric.size() > kEventTextSizeMax ||
        draft.user_id.size() > kEventTextSizeMax || draft.session_id.size() > kEventTextSizeMax ||
        draft.unit.size() > kEventTextSizeMax || draft.metadata.size() > kMetadataSizeMax) {
        reason = DropReason::kTooBig;
        return false;
    }
    return true;
}

/// The class by which the ring decides when room is short. `first_exposure` is not 0 only for an
/// impression that `met` does not know: the caller remembers it once the event is taken.
inline EventClass classify(const EventDraft& draft, const ExposureFilter& met,
                           std::uint64_t& first_exposure) noexcept {
    first_exposure = 0;
    if (draft.metric == "conversion") {
        return EventClass::kConversion;
    }
    if (draft.metric == "error") {
        return EventClass::kError;
    }
    if (draft.metric != "impression" || draft.unit_kind == UnitKind::kNone) {
        return EventClass::kOrdinary;
    }
    const std::uint64_t hash = exposure_hash(draft);
    if (met.has_met(hash)) {
        return EventClass::kOrdinary;
    }
    first_exposure = hash;
    return EventClass::kExposure;
}

/// Bytes of the event that encode() writes for a sendable draft.
inline std::uint32_t encoded_size_bytes(const EventDraft& draft) noexcept {
    const std::size_t unit_size = draft.unit_kind == UnitKind::kOther ? draft.unit.size() : 0;
    const std::size_t exact = sizeof(EventHeader) + draft.variant.size() + draft.metric.size() +
                              draft.user_id.size() + draft.session_id.size() + unit_size +
                              draft.metadata.size();
    return static_cast<std::uint32_t>((exact + 7) / 8 * 8);
}
static_assert(sizeof(EventHeader) + 5 * kEventTextSizeMax + kMetadataSizeMax + 7 <= kEventSizeMax,
              "every sendable draft fits");

inline std::byte* write_text(std::byte* to, std::string_view text) noexcept {
    if (!text.empty()) {  // An empty view may have no address, which memcpy does not allow.
        std::memcpy(to, text.data(), text.size());
    }
    return to + text.size();
}

/// Writes a sendable draft to `record`, zero memory of encoded_size_bytes(), and commits it.
inline void encode(const EventDraft& draft, EventClass event_class, std::byte* record) noexcept {
    EventHeader header{};
    header.experiment_id = draft.experiment_id;
    header.phase = draft.phase;
    header.variant_size = static_cast<std::uint16_t>(draft.variant.size());
    header.metric_size = static_cast<std::uint16_t>(draft.metric.size());
    header.created_unix_ms = draft.created_unix_ms != 0 ? draft.created_unix_ms : coarse_unix_ms();
    header.value = draft.value;
    header.user_id_size = static_cast<std::uint16_t>(draft.user_id.size());
    header.session_id_size = static_cast<std::uint16_t>(draft.session_id.size());
    const std::string_view unit =
        draft.unit_kind == UnitKind::kOther ? draft.unit : std::string_view{};
    header.unit_size = static_cast<std::uint16_t>(unit.size());
    header.metadata_size = static_cast<std::uint16_t>(draft.metadata.size());
    const auto* bytes = reinterpret_cast<const std::byte*>(&header);
    std::memcpy(record + sizeof(RecordWord), bytes + sizeof(RecordWord),
                sizeof(EventHeader) - sizeof(RecordWord));
    std::byte* end = write_text(record + sizeof(EventHeader), draft.variant);
    end = write_text(end, draft.metric);
    end = write_text(end, draft.user_id);
    end = write_text(end, draft.session_id);
    end = write_text(end, unit);
    write_text(end, draft.metadata);
    EventRing::commit(
        record, {encoded_size_bytes(draft), event_class, static_cast<std::uint8_t>(draft.unit_kind),
                 static_cast<std::uint8_t>(draft.in_experiment ? 1 : 0),
                 static_cast<std::uint8_t>(draft.is_automatic ? 1 : 0)});
}

}  // namespace burgee::detail
