#include "daemon/exposure_memory.hpp"

#include <algorithm>
#include <burgee/event_exposure.hpp>
#include <cstring>
#include <utility>

#include "daemon/spool/segment_header.hpp"
#include "shm/assertion.hpp"

namespace burgee::daemon {
namespace {

/// The event at the front of checked events.
template <class Byte>
std::span<Byte> first_event(std::span<Byte> events) {
    std::uint32_t size_bytes = 0;
    BURGEE_ASSERT(events.size() >= sizeof(EventHeader));
    std::memcpy(&size_bytes, events.data(), sizeof size_bytes);
    BURGEE_ASSERT(size_bytes >= sizeof(EventHeader) && size_bytes <= events.size());
    return events.first(size_bytes);
}

bool is_automatic(std::span<const std::byte> event) {
    return event[offsetof(EventHeader, is_automatic)] != std::byte{0};
}

std::string_view unit_text(const EventView& event) {
    switch (static_cast<UnitKind>(event.header.unit_kind)) {
        case UnitKind::kUserId:
            return event.user_id;
        case UnitKind::kSessionId:
            return event.session_id;
        case UnitKind::kOther:
            return event.unit;
        case UnitKind::kNone:
            break;
    }
    return {};
}

}  // namespace

ExposureMemory::ExposureMemory(std::size_t count_max)
    : half_max_(std::max<std::size_t>(count_max / 2, 1)),
      seeds_{random_number(), random_number()} {}

WideNumber ExposureMemory::number_of(const EventView& event) const {
    const detail::ExposureKey key{event.header.experiment_id, event.header.phase,
                                  static_cast<UnitKind>(event.header.unit_kind), event.variant,
                                  unit_text(event)};
    return {detail::exposure_hash(key, seeds_[0]), detail::exposure_hash(key, seeds_[1])};
}

bool ExposureMemory::meet(const WideNumber& number) {
    if (young_.contains(number)) {
        return true;
    }
    const bool is_known = old_.erase(number);
    if (young_.size() == half_max_) {
        old_ = std::exchange(young_, {});
    }
    young_.insert(number);
    return is_known;
}

void ExposureMemory::remember(std::span<const std::byte> events) {
    while (!events.empty()) {
        const auto event = first_event(events);
        EventView view;
        if (is_automatic(event) && read_event(event.data(), event.size(), view)) {
            meet(number_of(view));
        }
        events = events.subspan(event.size());
    }
}

ExposureMemory::Sifted ExposureMemory::sift(std::span<std::byte> events) {
    Sifted sifted;
    std::byte* target = events.data();
    while (!events.empty()) {
        const auto event = first_event(events);
        events = events.subspan(event.size());
        if (is_automatic(event)) {
            EventView view;
            const bool is_whole = read_event(event.data(), event.size(), view);
            BURGEE_ASSERT(is_whole);
            const WideNumber number = number_of(view);
            if (meet(number)) {
                ++sifted.counts.repeated;
                continue;
            }
            pending_.push_back(number);
            ++sifted.counts.first;
        }
        if (target != event.data()) {
            std::memmove(target, event.data(), event.size());
        }
        target += event.size();
        sifted.kept_size_bytes += event.size();
        ++sifted.kept_count;
    }
    return sifted;
}

void ExposureMemory::settle(std::size_t count) {
    BURGEE_ASSERT(count <= pending_.size());
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
}

void ExposureMemory::withdraw(std::size_t count) {
    BURGEE_ASSERT(count <= pending_.size());
    for (; count > 0; --count) {
        if (!young_.erase(pending_.back())) {
            old_.erase(pending_.back());
        }
        pending_.pop_back();
    }
}

}  // namespace burgee::daemon
