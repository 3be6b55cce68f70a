#pragma once

// Which impressions are the first of their unit, and so which class an event has. A first exposure
// decides whether a unit is analysed at all; the hundredth tells nothing new and may be dropped
// first. What the caller tracks is only classified here; what evaluate() tells by itself is told
// once, which is exposure_table.hpp.

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

/// What makes two exposures the same one.
struct ExposureKey {
    std::array<std::uint8_t, 16> experiment_id{};
    std::uint32_t phase = 0;
    UnitKind unit_kind = UnitKind::kNone;
    std::string_view variant;
    std::string_view unit;
};

/// One number for an exposure; never 0, which marks an empty place.
/// Under two seeds the same exposure has two independent numbers. Cost: some 10 ns.
inline std::uint64_t exposure_hash(const ExposureKey& key, std::uint64_t seed = 0) noexcept {
    const std::uint64_t of_experiment =
        hash64(key.experiment_id.data(), key.experiment_id.size(),
               seed ^ ((static_cast<std::uint64_t>(key.phase) << 8) |
                       static_cast<std::uint8_t>(key.unit_kind)));
    const std::uint64_t hash = hash64(key.unit, hash64(key.variant, of_experiment));
    return hash != 0 ? hash : 1;
}

inline std::uint64_t exposure_hash(const EventDraft& draft) noexcept {
    return exposure_hash(
        {draft.experiment_id, draft.phase, draft.unit_kind, draft.variant, unit_text(draft)});
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
