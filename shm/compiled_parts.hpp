#pragma once

// What a flag or a segment is made of besides its own record, each kind in a list of its own, as
// the sections of a snapshot hold them. Numbers and offsets count from the owner's own first
// element and byte until an assembly moves them.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <burgee/rule_layout.hpp>
#include <burgee/snapshot_layout.hpp>

namespace burgee {

/// The kinds of parts, in the order in which a pool keeps them.
enum class Part : std::uint8_t {
    kVariants,
    kConfig,
    kTargeting,
    kSets,
    kTextRefs,
    kInstructions,
    kRules,
    kRequirements,
    kSlotRanges,
    kAttributes,
    kTables,
    kStrings,
};
inline constexpr std::size_t kPartCount = 12;

/// How many elements of each kind; `Number` is wide enough for one flag or for all.
template <typename Number>
class BasicPartCounts {
public:
    Number& operator[](Part part) { return counts_[static_cast<std::size_t>(part)]; }
    Number operator[](Part part) const { return counts_[static_cast<std::size_t>(part)]; }
    bool operator==(const BasicPartCounts&) const = default;

    template <typename Other>
    BasicPartCounts& operator+=(const BasicPartCounts<Other>& other) {
        for (std::size_t part = 0; part < kPartCount; ++part) {
            counts_[part] += other[static_cast<Part>(part)];
        }
        return *this;
    }
    template <typename Other>
    BasicPartCounts& operator-=(const BasicPartCounts<Other>& other) {
        for (std::size_t part = 0; part < kPartCount; ++part) {
            counts_[part] -= other[static_cast<Part>(part)];
        }
        return *this;
    }

    /// Of all parts back to back, rounded up to a multiple of 8.
    std::uint64_t size_bytes() const { return (size_bytes_unpadded() + 7) / 8 * 8; }
    std::uint64_t size_bytes_unpadded() const {
        constexpr std::array<std::uint64_t, kPartCount> kSizes = {
            sizeof(VariantRecord),   sizeof(ConfigField),       sizeof(TargetingRecord),
            sizeof(std::uint64_t),   sizeof(TextRef),           sizeof(Instruction),
            sizeof(RuleRecord),      sizeof(RequirementRecord), sizeof(SlotRangeRecord),
            sizeof(AttributeRecord), sizeof(std::uint16_t),     sizeof(char)};
        std::uint64_t size = 0;
        for (std::size_t part = 0; part < kPartCount; ++part) {
            size += counts_[part] * kSizes[part];
        }
        return size;
    }

private:
    std::array<Number, kPartCount> counts_{};
};
using PartCounts = BasicPartCounts<std::uint64_t>;
using OwnPartCounts = BasicPartCounts<std::uint32_t>;

struct CompiledParts {
    std::vector<VariantRecord> variants;
    std::vector<ConfigField> config;
    std::vector<TargetingRecord> targeting;  ///< one, or none
    std::vector<std::uint64_t> sets;
    std::vector<TextRef> text_refs;
    std::vector<Instruction> instructions;
    std::vector<RuleRecord> rules;
    std::vector<RequirementRecord> requirements;
    std::vector<SlotRangeRecord> slot_ranges;
    std::vector<AttributeRecord> attributes;  ///< ascending by key
    std::vector<std::uint16_t> tables;
    std::string strings;

    void clear();
    OwnPartCounts counts() const;

    /// Where `text` stands among the strings; short ones are shared.
    TextRef add_text(std::string_view text);

    /// The fingerprints of `units`, ascending and unique; equal sets are stored once.
    /// @return  number of the first and how many.
    std::pair<std::uint32_t, std::uint32_t> add_set(const std::vector<std::string>& units);

    /// Likewise packed_text() of each, which must be short enough.
    std::pair<std::uint32_t, std::uint32_t> add_packed_set(const std::vector<std::string>& texts);

    /// Likewise entries that another set holds.
    std::pair<std::uint32_t, std::uint32_t> add_set_entries(std::span<const std::uint64_t> entries);

    /// Calls `visit` with the list of every part, in the order of Part.
    template <typename Visit>
    void for_each_part(Visit visit) const {
        std::apply([&](const auto&... part) { (visit(part), ...); },
                   std::tie(variants, config, targeting, sets, text_refs, instructions, rules,
                            requirements, slot_ranges, attributes, tables, strings));
    }

private:
    /// Orders what was appended from `first` on, and gives it up if it stands there already.
    std::pair<std::uint32_t, std::uint32_t> settle_set(std::size_t first);

    /// Checksum of a set already stored, and where it stands.
    std::map<std::uint64_t, std::pair<std::uint32_t, std::uint32_t>> known_sets_;
};

struct CompiledFlag : CompiledParts {
    FlagRecord record{};
};

struct CompiledSegment : CompiledParts {
    SegmentRecord record{};
};

}  // namespace burgee
