#pragma once

// Looking things up in a flag document, which may hold ten thousand of each: by halves, and by
// slot. Relied on by flag_apply.cpp, which does it while it holds locks.

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "sync/flag_document.hpp"

namespace burgee::sync {

/// The entry of this name, or null. `entries` ascend by name. Cost: logarithmic.
template <class Entry>
const Entry* find_named(const std::vector<Entry>& entries, const std::string& name) {
    const auto found = std::lower_bound(
        entries.begin(), entries.end(), name,
        [](const Entry& each, const std::string& wanted) { return each.name < wanted; });
    return found == entries.end() || found->name != name ? nullptr : &*found;
}

/// The owner of this name, or null. Cost: logarithmic.
inline const LayerEntry::Owner* find_owner(const LayerEntry& layer, const std::string& flag) {
    const auto found =
        std::lower_bound(layer.owners.begin(), layer.owners.end(), flag,
                         [](const LayerEntry::Owner& each, const std::string& wanted) {
                             return each.flag < wanted;
                         });
    return found == layer.owners.end() || found->flag != flag ? nullptr : &*found;
}

/// Who owns each slot of a layer, or null.
using SlotOwners = std::array<const LayerEntry::Owner*, kLayerSlotCount>;

inline SlotOwners slot_owners(const std::vector<LayerEntry::Owner>& owners) {
    SlotOwners all{};
    for (const LayerEntry::Owner& owner : owners) {
        for (const SlotRange& range : owner.slots) {
            for (std::size_t slot = range.first; slot <= range.last && slot < all.size(); ++slot) {
                all[slot] = &owner;
            }
        }
    }
    return all;
}

}  // namespace burgee::sync
