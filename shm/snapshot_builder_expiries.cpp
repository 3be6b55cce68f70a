// The part of SnapshotBuilder that knows when flags expire.

#include <algorithm>

#include "shm/assertion.hpp"
#include "shm/snapshot_builder.hpp"

namespace burgee {

/// By whatever clock these expire before the first poll: is_seeded_ says that they may be taken
/// back.
void SnapshotBuilder::take_expiries(const SnapshotView& published) {
    for (std::uint64_t number = 0; number < published.expiry_count(); ++number) {
        const ExpiryRecord& expiry = *published.expiry(number);
        FlagTable::Slot* slot = flags_.find(published.flag(expiry.flag)->name_hash);
        if (slot != nullptr) {
            slot->expires_unix_ms = expiry.expires_unix_ms;
            remember_expiry(*slot);
        }
    }
    is_seeded_ = true;
}

void SnapshotBuilder::remember_expiry(const FlagTable::Slot& slot) {
    const bool is_known =
        slot.expires_unix_ms != kNeverExpires && slot.expires_unix_ms != kUnknownExpiry;
    if (is_known && (slot.record.traits & kTraitExpired) == 0) {
        expiries_.insert({slot.expires_unix_ms, slot.record.name_hash});
    }
}

void SnapshotBuilder::forget_expiry(std::uint64_t name_hash) {
    if (const FlagTable::Slot* slot = flags_.find(name_hash)) {
        expiries_.erase({slot->expires_unix_ms, name_hash});
    }
}

void SnapshotBuilder::expire_until(std::int64_t database_unix_ms) {
    while (!expiries_.empty() && expiries_.begin()->first <= database_unix_ms) {
        FlagTable::Slot* slot = flags_.find(expiries_.begin()->second);
        BURGEE_ASSERT(slot != nullptr && "a flag takes its expiry with it");
        mark_expired(slot->record);
        touched_.push_back(slot->record.name_hash);
        expiries_.erase(expiries_.begin());
    }
}

std::vector<ExpiryRecord> SnapshotBuilder::expiry_records() const {
    std::vector<ExpiryRecord> records;
    records.reserve(expiries_.size());
    for (const auto& [expires_unix_ms, name_hash] : expiries_) {
        records.push_back(
            {static_cast<std::uint32_t>(flags_.position_of(name_hash)), 0, expires_unix_ms});
    }
    std::ranges::sort(records, {}, &ExpiryRecord::flag);
    return records;
}

}  // namespace burgee
