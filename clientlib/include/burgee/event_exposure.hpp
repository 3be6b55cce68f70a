#pragma once

// Which impressions are the first of their unit, and so which class an event has. A first exposure
// decides whether a unit is analysed at all; the hundredth tells nothing new and may be dropped
// first.

#include <burgee/checksum.hpp>
#include <burgee/event_draft.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace burgee::detail {

/// The text of the unit that was bucketed; empty when the draft names none.
inline std::string_view unit_text(const EventDraft& draft) noexcept {
    switch (draft.unit_kind) {
        case UnitKind::kUserId:
            return draft.user_id;
        case UnitKind::kSessionId:
            return draft.session_id;
        case UnitKind::kOther:
            return draft.unit;
        case UnitKind::kNone:
            break;
    }
    return {};
}

/// One number for (experiment, phase, variant, unit); never 0, which marks an empty place.
inline std::uint64_t exposure_hash(const EventDraft& draft) noexcept {
    const std::uint64_t seed = hash64(draft.experiment_id.data(), draft.experiment_id.size(),
                                      (static_cast<std::uint64_t>(draft.phase) << 8) |
                                          static_cast<std::uint8_t>(draft.unit_kind));
    return hash64(unit_text(draft), hash64(draft.variant, seed)) | 1;
}

/// Remembers lately met exposures. Lossy on purpose: two units that share a place push each other
/// out, and an impression then counts as first once more, which costs room and never an answer.
/// Thread safety: any thread; two threads may both meet the same unit first. All zero is empty.
class ExposureFilter {
public:
    static constexpr std::size_t kPlaceCount = 4'096;  // 32 KiB: stays in the second-level cache

    // Relaxed throughout: a place is a hint that stands alone, it publishes nothing.
    bool has_met(std::uint64_t hash) const noexcept {
        return places_[place(hash)].load(std::memory_order_relaxed) == hash;
    }
    void remember(std::uint64_t hash) noexcept {
        places_[place(hash)].store(hash, std::memory_order_relaxed);
    }

private:
    static std::size_t place(std::uint64_t hash) noexcept { return (hash >> 32) % kPlaceCount; }

    std::array<std::atomic<std::uint64_t>, kPlaceCount> places_;
};

}  // namespace burgee::detail
