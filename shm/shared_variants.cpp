#include "shm/shared_variants.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <string_view>

#include <burgee/checksum.hpp>

namespace burgee {
namespace {

constexpr std::size_t kLead = 8;  // flags that are on their way from memory; measured

/// The two runs of a flag's parts that equal flags have in common: its records and, behind the
/// name, its texts.
struct Shareable {
    std::string_view records;
    std::string_view texts;

    bool operator==(const Shareable&) const = default;
    std::uint64_t hash() const { return hash64(texts, hash64(records)); }
};

Shareable shareable_of(const FlagTable& flags, const FlagTable::Slot& slot) {
    const char* parts = static_cast<const char*>(static_cast<const void*>(flags.parts(slot)));
    const std::size_t size = slot.counts.size_bytes_unpadded();
    const std::size_t records_size = size - slot.counts[Part::kStrings];
    const std::size_t name_end = records_size + slot.record.name_size;
    return {{parts, records_size}, {parts + name_end, size - name_end}};
}

/// Whether every text of the records lies behind the name.
bool is_apart_from_name(const FlagTable::Slot& slot, std::string_view records) {
    const std::uint32_t name_size = slot.record.name_size;
    const char* next = records.data();
    for (std::uint32_t number = 0; number < slot.counts[Part::kVariants]; ++number) {
        VariantRecord variant;
        std::memcpy(&variant, next, sizeof(variant));
        next += sizeof(variant);
        if (variant.name_offset < name_size || variant.json_offset < name_size) {
            return false;
        }
    }
    for (std::uint32_t number = 0; number < slot.counts[Part::kConfig]; ++number) {
        ConfigField field;
        std::memcpy(&field, next, sizeof(field));
        next += sizeof(field);
        const bool is_text = field.type == static_cast<std::uint8_t>(ConfigType::kString);
        if (field.path_offset < name_size ||
            (is_text && static_cast<std::uint32_t>(field.value) < name_size)) {
            return false;
        }
    }
    return true;
}

bool has_only_variants(const FlagTable::Slot& slot) {
    OwnPartCounts rest = slot.counts;
    rest[Part::kVariants] = rest[Part::kConfig] = rest[Part::kStrings] = 0;
    return slot.counts[Part::kVariants] > 0 && rest.size_bytes() == 0;
}

}  // namespace

SharedVariants::SharedVariants(const FlagTable& flags) : flags_(flags), totals_(flags.totals()) {
    if (totals_[Part::kVariants] == 0) {
        return;
    }
    owners_.resize(flags.size());
    std::iota(owners_.begin(), owners_.end(), 0U);
    // Twice as many places as flags that can have variants at all, so that a search stays short.
    const std::uint64_t owner_count_max =
        std::min<std::uint64_t>(flags.size(), totals_[Part::kVariants]);
    places_.resize(2 * std::bit_ceil(owner_count_max));
    std::vector<std::uint32_t> positions;
    positions.reserve(owner_count_max);
    for (std::size_t position = 0; position < flags.size(); ++position) {
        if (flags.has_variants_at(position)) {
            positions.push_back(static_cast<std::uint32_t>(position));
        }
    }
    for (std::size_t number = 0; number < positions.size(); ++number) {
        flags.prefetch_slot(positions[std::min(number + 2 * kLead, positions.size() - 1)]);
        flags.prefetch_parts(positions[std::min(number + kLead, positions.size() - 1)]);
        take(positions[number]);
    }
}

void SharedVariants::take(std::size_t position) {
    const FlagTable::Slot& slot = flags_.slot_at(position);
    if (!has_only_variants(slot) || !is_apart_from_name(slot, shareable_of(flags_, slot).records)) {
        return;
    }
    const std::size_t owner = find_or_add(position);
    if (owner != position) {
        owners_[position] = static_cast<std::uint32_t>(owner);
        totals_ -= slot.counts;
        totals_[Part::kStrings] += slot.record.name_size;
    }
}

std::size_t SharedVariants::find_or_add(std::size_t position) {
    const FlagTable::Slot& slot = flags_.slot_at(position);
    const Shareable wanted = shareable_of(flags_, slot);
    const std::uint64_t hash = wanted.hash();
    for (std::size_t probe = 0; probe < kProbesMax; ++probe) {
        std::uint32_t& place = places_[(hash + probe) & (places_.size() - 1)];
        if (place == 0) {
            place = static_cast<std::uint32_t>(position + 1);
            return position;
        }
        const FlagTable::Slot& owner = flags_.slot_at(place - 1);
        if (owner.record.name_size == slot.record.name_size && owner.counts == slot.counts &&
            shareable_of(flags_, owner) == wanted) {
            return place - 1;
        }
    }
    return position;
}

}  // namespace burgee
