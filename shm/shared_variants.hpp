#pragma once

// Which flags of a table have the same variants and configuration to the last byte, so that a
// snapshot holds these once: most A/B tests of a large set split two equal names in halves.
//
// A flag takes part when it has variants and nothing else besides its name, and when no text of
// them lies in the name (texts of one flag overlap). It shares with flags whose names have its
// own's size, for then equal parts are equal bytes.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "shm/flag_table.hpp"

namespace burgee {

class SharedVariants {
public:
    /// Cost: linear in the bytes of all variants; nothing for a flag without.
    explicit SharedVariants(const FlagTable& flags);

    /// The first flag, by position, with the variants of the one at `position`: often itself.
    std::size_t owner_of(std::size_t position) const {
        return owners_.empty() ? position : owners_[position];
    }

    /// What all flags together need; `totals()` of the table without what is there already.
    const PartCounts& totals() const { return totals_; }

private:
    // Looks at this many places, then lets a flag own its variants: whoever made hashes collide
    // gains no more than a larger snapshot. Half of the places are free, so chance needs few.
    static constexpr std::size_t kProbesMax = 32;

    void take(std::size_t position);
    std::size_t find_or_add(std::size_t position);

    const FlagTable& flags_;
    PartCounts totals_;
    std::vector<std::uint32_t> owners_;  ///< by position; empty when no flag has variants
    std::vector<std::uint32_t> places_;  ///< open addressing: position + 1 of an owner; 0 = free
};

}  // namespace burgee
