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

/// Whether the draft's experiment_id is not all zero; comparing arrays would call memcmp.
inline bool names_experiment(const EventDraft& draft) noexcept {
    std::array<std::uint64_t, 2> halves{};
    static_assert(sizeof halves == sizeof draft.experiment_id);
    std::memcpy(&halves, &draft.experiment_id, sizeof halves);
    return (halves[0] | halves[1]) != 0;
}

/// Whether a draft can be an event; if not, `reason` says why.
inline bool is_sendable(const EventDraft& draft, DropReason& reason) noexcept {
    if (!names_experiment(draft)) {
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

/// Copies `size` bytes, 1 .. 32, in two moves that may overlap. Most texts are that short, and a
/// call of memcpy costs more than it copies.
inline void copy_short(std::byte* to, const char* from, std::size_t size) noexcept {
    const auto copy_ends = [&](auto whole) {
        std::memcpy(&whole, from, sizeof whole);
        decltype(whole) end;
        std::memcpy(&end, from + size - sizeof end, sizeof end);
        std::memcpy(to, &whole, sizeof whole);
        std::memcpy(to + size - sizeof end, &end, sizeof end);
    };
    if (size >= 16) {
        copy_ends(std::array<std::uint64_t, 2>{});
    } else if (size >= 8) {
        copy_ends(std::uint64_t{});
    } else if (size >= 4) {
        copy_ends(std::uint32_t{});
    } else {
        to[0] = static_cast<std::byte>(from[0]);
        to[size / 2] = static_cast<std::byte>(from[size / 2]);
        to[size - 1] = static_cast<std::byte>(from[size - 1]);
    }
}

inline std::byte* write_text(std::byte* to, std::string_view text) noexcept {
    if (text.size() > 32) {
        std::memcpy(to, text.data(), text.size());
    } else if (!text.empty()) {  // an empty view may have no address
        copy_short(to, text.data(), text.size());
    }
    return to + text.size();
}

/// Writes a field of EventHeader where it belongs. Not by way of a header on the stack: copying
/// that in larger pieces than it was written in waits until its fields have left the store buffer.
template <typename Field>
void write_field(std::byte* record, std::size_t offset, const Field& field) noexcept {
    std::memcpy(record + offset, &field, sizeof field);
}

/// Writes a sendable draft to `record`, zero memory of encoded_size_bytes(), and commits it.
inline void encode(const EventDraft& draft, EventClass event_class, std::byte* record) noexcept {
    // Into registers first: for all the compiler knows, the ring's bytes may be the draft's.
    const std::string_view variant = draft.variant;
    const std::string_view metric = draft.metric;
    const std::string_view user_id = draft.user_id;
    const std::string_view session_id = draft.session_id;
    const std::string_view metadata = draft.metadata;
    const std::string_view unit =
        draft.unit_kind == UnitKind::kOther ? draft.unit : std::string_view{};
    const RecordWord word{encoded_size_bytes(draft), event_class,
                          static_cast<std::uint8_t>(draft.unit_kind),
                          static_cast<std::uint8_t>(draft.in_experiment ? 1 : 0),
                          static_cast<std::uint8_t>(draft.is_automatic ? 1 : 0)};
    const std::int64_t created_unix_ms =
        draft.created_unix_ms != 0 ? draft.created_unix_ms : coarse_unix_ms();
    const auto size_of = [](std::string_view text) {
        return static_cast<std::uint16_t>(text.size());
    };
    write_field(record, offsetof(EventHeader, experiment_id), draft.experiment_id);
    write_field(record, offsetof(EventHeader, phase), draft.phase);
    write_field(record, offsetof(EventHeader, variant_size), size_of(variant));
    write_field(record, offsetof(EventHeader, metric_size), size_of(metric));
    write_field(record, offsetof(EventHeader, created_unix_ms), created_unix_ms);
    write_field(record, offsetof(EventHeader, value), draft.value);
    write_field(record, offsetof(EventHeader, user_id_size), size_of(user_id));
    write_field(record, offsetof(EventHeader, session_id_size), size_of(session_id));
    write_field(record, offsetof(EventHeader, unit_size), size_of(unit));
    write_field(record, offsetof(EventHeader, metadata_size), size_of(metadata));
    std::byte* end = write_text(record + sizeof(EventHeader), variant);
    end = write_text(end, metric);
    end = write_text(end, user_id);
    end = write_text(end, session_id);
    end = write_text(end, unit);
    write_text(end, metadata);
    EventRing::commit(record, word);
}

}  // namespace burgee::detail
