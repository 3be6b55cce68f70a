#include "shm/flag_table.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include <burgee/snapshot_view.hpp>

#include "shm/assertion.hpp"
#include "shm/rule_program.hpp"

namespace burgee {
namespace {

/// The part of a hash that the largest index can tell apart.
constexpr std::uint64_t prefix_of(std::uint64_t name_hash) {
    return name_hash / (UINT64_MAX / kIndexBucketCountMax + 1);
}

template <typename Element>
std::byte* append_part(std::byte* to, const Element* elements, std::size_t count) {
    if (count > 0) {
        std::memcpy(to, elements, count * sizeof(Element));
    }
    return to + count * sizeof(Element);
}

}  // namespace

std::size_t FlagTable::position_of(std::uint64_t name_hash) const {
    if (keys_.empty() || keys_.back().name_hash < name_hash) {
        return keys_.size();  // the usual case while a table is filled in order
    }
    const auto found = std::ranges::lower_bound(keys_, name_hash, {}, &Key::name_hash);
    return static_cast<std::size_t>(found - keys_.begin());
}

bool FlagTable::is_at(std::size_t position, std::uint64_t name_hash) const {
    return position < keys_.size() && keys_[position].name_hash == name_hash;
}

FlagTable::Slot* FlagTable::find(std::uint64_t name_hash) {
    const std::size_t position = position_of(name_hash);
    return is_at(position, name_hash) ? &slots_[keys_[position].slot] : nullptr;
}

const FlagTable::Slot* FlagTable::find(std::uint64_t name_hash) const {
    const std::size_t position = position_of(name_hash);
    return is_at(position, name_hash) ? &slots_[keys_[position].slot] : nullptr;
}

const std::byte* FlagTable::part(const Slot& slot, Part wanted) const {
    OwnPartCounts before;
    for (std::size_t number = 0; number < static_cast<std::size_t>(wanted); ++number) {
        before[static_cast<Part>(number)] = slot.counts[static_cast<Part>(number)];
    }
    return parts(slot) + before.size_bytes_unpadded();
}

std::string_view FlagTable::text(const Slot& slot, std::uint32_t offset, std::uint32_t size) const {
    const std::byte* strings = part(slot, Part::kStrings);
    return {static_cast<const char*>(static_cast<const void*>(strings)) + offset, size};
}

std::string_view FlagTable::name(const Slot& slot) const {
    return text(slot, slot.record.name_offset, slot.record.name_size);
}

std::vector<RequirementRecord> FlagTable::requirements(const Slot& slot) const {
    std::vector<RequirementRecord> requirements(slot.counts[Part::kRequirements]);
    if (!requirements.empty()) {
        std::memcpy(requirements.data(), part(slot, Part::kRequirements),
                    requirements.size() * sizeof(RequirementRecord));
    }
    return requirements;
}

std::unordered_set<std::uint64_t> FlagTable::segments_named() const {
    std::unordered_set<std::uint64_t> named;
    for (const auto& [name_hash, count] : segment_use_counts_) {
        named.insert(name_hash);
    }
    return named;
}

/// Notes that a flag asks for its segments, or no longer does.
void FlagTable::count_segments(const Slot& slot, bool is_added) {
    const std::uint32_t count = slot.counts[Part::kInstructions];
    if (count == 0) {
        return;
    }
    std::vector<Instruction> program(count);
    std::memcpy(program.data(), part(slot, Part::kInstructions), count * sizeof(Instruction));
    for (const std::uint64_t segment : segments_named_by(program)) {
        std::uint64_t& use_count = segment_use_counts_[segment];
        is_added ? ++use_count : --use_count;
        if (use_count == 0) {
            segment_use_counts_.erase(segment);
            has_segment_release_ = true;
        }
    }
}

/// Whether the flags around `position` already fill the index bucket that this hash would join.
bool FlagTable::is_crowded(std::size_t position, std::uint64_t name_hash) const {
    const std::uint64_t prefix = prefix_of(name_hash);
    std::size_t count = 0;
    for (std::size_t left = position; left > 0 && count < kIndexChainMax; --left, ++count) {
        if (prefix_of(keys_[left - 1].name_hash) != prefix) {
            break;
        }
    }
    for (std::size_t right = position; right < keys_.size() && count < kIndexChainMax;
         ++right, ++count) {
        if (prefix_of(keys_[right].name_hash) != prefix) {
            break;
        }
    }
    return count >= kIndexChainMax;
}

/// Finds or makes the slot for a flag with these parts and gives it room in the pool.
FlagTable::Refusal FlagTable::make_room(std::uint64_t name_hash, const OwnPartCounts& counts,
                                        Slot*& slot) {
    const std::size_t position = position_of(name_hash);
    const bool is_new = !is_at(position, name_hash);
    slot = is_new ? nullptr : &slots_[keys_[position].slot];
    const std::uint64_t old_size = is_new ? 0 : slot->counts.size_bytes();
    const std::uint64_t size = counts.size_bytes();
    if (size > size_max_ || totals_.size_bytes() - old_size > size_max_ - size) {
        return Refusal::kTooManyBytes;
    }
    if (is_new && keys_.size() >= kFlagCountMax) {
        return Refusal::kTooManyFlags;
    }
    if (is_new && is_crowded(position, name_hash)) {
        return Refusal::kCrowdedHash;
    }
    if (is_new) {
        const bool reuses = !free_slots_.empty();
        const auto number = reuses ? free_slots_.back() : static_cast<std::uint32_t>(slots_.size());
        if (reuses) {
            free_slots_.pop_back();
            slots_[number] = {};
        } else {
            slots_.emplace_back();
        }
        keys_.insert(keys_.begin() + static_cast<std::ptrdiff_t>(position),
                     {name_hash, number, false});
        slot = &slots_[number];
    }
    if (!is_new) {
        count_segments(*slot, false);
    }
    if (is_new || size != old_size) {
        waste_bytes_ += old_size;
        slot->pool_offset = pool_.size();
        pool_.resize(pool_.size() + size);
    }
    totals_ -= slot->counts;
    totals_ += counts;
    slot->counts = counts;
    keys_[position].has_variants = counts[Part::kVariants] > 0;
    return Refusal::kNone;
}

FlagTable::Refusal FlagTable::put(const CompiledFlag& flag, std::int64_t expires_unix_ms) {
    const OwnPartCounts counts = flag.counts();
    Slot* slot = nullptr;
    if (const Refusal refusal = make_room(flag.record.name_hash, counts, slot);
        refusal != Refusal::kNone) {
        return refusal;
    }
    slot->record = flag.record;
    slot->expires_unix_ms = expires_unix_ms;
    std::byte* to = pool_.data() + slot->pool_offset;
    flag.for_each_part([&](const auto& part) { to = append_part(to, part.data(), part.size()); });
    count_segments(*slot, true);
    pack_if_wasteful();
    return Refusal::kNone;
}

FlagTable::Refusal FlagTable::put(const Slot& from, const FlagTable& other) {
    BURGEE_ASSERT(&other != this && "the pool of this table moves");
    Slot* slot = nullptr;
    if (const Refusal refusal = make_room(from.record.name_hash, from.counts, slot);
        refusal != Refusal::kNone) {
        return refusal;
    }
    slot->record = from.record;
    slot->expires_unix_ms = from.expires_unix_ms;
    append_part(pool_.data() + slot->pool_offset, other.parts(from), from.counts.size_bytes());
    count_segments(*slot, true);
    return Refusal::kNone;
}

void FlagTable::erase(std::uint64_t name_hash) {
    const std::size_t position = position_of(name_hash);
    if (!is_at(position, name_hash)) {
        return;
    }
    const std::uint32_t number = keys_[position].slot;
    count_segments(slots_[number], false);
    totals_ -= slots_[number].counts;
    waste_bytes_ += slots_[number].counts.size_bytes();
    slots_[number] = {};
    free_slots_.push_back(number);
    keys_.erase(keys_.begin() + static_cast<std::ptrdiff_t>(position));
    pack_if_wasteful();
}

void FlagTable::pack_if_wasteful() {
    if (waste_bytes_ < kWasteMin || waste_bytes_ < pool_.size() / 2) {
        return;
    }
    std::vector<std::byte> packed;
    packed.reserve(pool_.size() - waste_bytes_);
    for (const Key& key : keys_) {
        Slot& slot = slots_[key.slot];
        const std::byte* from = parts(slot);
        slot.pool_offset = packed.size();
        packed.insert(packed.end(), from, from + slot.counts.size_bytes());
    }
    pool_ = std::move(packed);
    waste_bytes_ = 0;
}

}  // namespace burgee
