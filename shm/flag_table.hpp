#pragma once

// All compiled flags, ascending by name hash, in a form that becomes a snapshot by copying. Each
// flag's parts lie back to back in one pool; a replaced flag's old parts stay there as waste until
// the pool is packed again.
//
// Invariants:
//   1. keys_ ascends strictly by name_hash; no hash prefix of an index bucket is shared by more
//   than
//      kIndexChainMax flags.
//   2. `totals()` is the sum over all flags, so a build knows its size before it starts.
//   3. Waste is never more than half the pool, plus kWasteMin.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "shm/compiled_parts.hpp"

namespace burgee {

inline constexpr std::int64_t kNeverExpires = INT64_MAX;
/// Of a flag that was taken out of a snapshot as one that has expired or never will. No row says
/// so, so a row that is read is news.
inline constexpr std::int64_t kUnknownExpiry = INT64_MIN;
// Parts of all flags together. Half of what 32-bit text offsets reach: index, records and the names
// of experiments, each bounded by kFlagCountMax, always fit into the other half.
inline constexpr std::uint64_t kFlagsSizeMax = kSnapshotSizeMax / 2;

class FlagTable {
public:
    struct Slot {
        FlagRecord record;
        std::uint64_t pool_offset = 0;
        OwnPartCounts counts;
        std::int64_t expires_unix_ms = kNeverExpires;
    };
    enum class Refusal : std::uint8_t { kNone, kTooManyFlags, kTooManyBytes, kCrowdedHash };

    explicit FlagTable(std::uint64_t size_max = kFlagsSizeMax) : size_max_(size_max) {}
    /// An empty one with the same bound.
    FlagTable emptied() const { return FlagTable(size_max_); }

    std::size_t size() const { return keys_.size(); }
    struct Fill {
        std::size_t flag_count;
        std::uint64_t parts_size_bytes;
    };
    Fill fill() const { return {keys_.size(), totals_.size_bytes()}; }
    /// Whether less than a quarter of the room for parts is left.
    bool is_nearly_full() const { return totals_.size_bytes() > size_max_ / 4 * 3; }
    const PartCounts& totals() const { return totals_; }
    std::uint64_t hash_at(std::size_t position) const { return keys_[position].name_hash; }
    const Slot& slot_at(std::size_t position) const { return slots_[keys_[position].slot]; }
    /// Where the flag stands, or would.
    std::size_t position_of(std::uint64_t name_hash) const;
    bool has_variants_at(std::size_t position) const { return keys_[position].has_variants; }

    /// The flag with this hash, or null. Valid until the next change of the table.
    Slot* find(std::uint64_t name_hash);
    const Slot* find(std::uint64_t name_hash) const;
    std::string_view name(const Slot& slot) const;
    /// A text of the flag, at an offset that counts from the flag's own strings.
    std::string_view text(const Slot& slot, std::uint32_t offset, std::uint32_t size) const;
    /// What the flag requires; none for most.
    std::vector<RequirementRecord> requirements(const Slot& slot) const;
    /// hash64(name) of every segment that some flag asks for. Cost: linear in their number.
    std::unordered_set<std::uint64_t> segments_named() const;
    /// Whether, since the last call, a segment may have lost the last flag that asked for it.
    bool take_segment_release() { return std::exchange(has_segment_release_, false); }

    /// Where a flag's parts begin, in the order of Part.
    const std::byte* parts(const Slot& slot) const { return pool_.data() + slot.pool_offset; }

    /// Ask memory for what a pass over a large table will read: the slot of a flag some steps
    /// ahead, then, when that has come, the flag's parts.
    void prefetch_slot(std::size_t position) const { prefetch(&slot_at(position), sizeof(Slot)); }
    void prefetch_parts(std::size_t position) const {
        const Slot& slot = slot_at(position);
        constexpr std::uint64_t kPrefetchMax = 512;  // more than most flags have
        prefetch(parts(slot), std::min(slot.counts.size_bytes_unpadded(), kPrefetchMax));
    }

    /// Adds the flag or replaces it. A refusal changes nothing. Cost: a copy of the flag; a new
    /// flag also moves 16 bytes for each flag behind it, so ascending order is the cheapest.
    Refusal put(const CompiledFlag& flag, std::int64_t expires_unix_ms);
    /// Likewise, with a flag of another table.
    Refusal put(const Slot& slot, const FlagTable& other);
    void erase(std::uint64_t name_hash);

private:
    /// Where a part of the flag begins in the pool.
    const std::byte* part(const Slot& slot, Part wanted) const;

    static void prefetch(const void* data, std::uint64_t size_bytes) {
        for (std::uint64_t offset = 0; offset < size_bytes; offset += kCacheLineSize) {
            __builtin_prefetch(static_cast<const char*>(data) + offset);
        }
    }

    static constexpr std::uint64_t kCacheLineSize = 64;
    static constexpr std::uint64_t kWasteMin = 1 << 20;  // below this packing is not worth its copy

    struct Key {
        std::uint64_t name_hash;
        std::uint32_t slot;
        bool has_variants;  ///< as its slot says: whoever looks for them reads few slots
    };
    bool is_at(std::size_t position, std::uint64_t name_hash) const;
    bool is_crowded(std::size_t position, std::uint64_t name_hash) const;
    Refusal make_room(std::uint64_t name_hash, const OwnPartCounts& counts, Slot*& slot);
    void pack_if_wasteful();
    void count_segments(const Slot& slot, bool is_added);

    std::uint64_t size_max_;  ///< bytes of all parts together
    std::vector<Key> keys_;
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_slots_;
    std::vector<std::byte> pool_;
    std::uint64_t waste_bytes_ = 0;
    PartCounts totals_;
    std::unordered_map<std::uint64_t, std::uint64_t> segment_use_counts_;  ///< by all flags
    bool has_segment_release_ = true;  ///< an empty table follows one that may have named some
};

}  // namespace burgee
