#pragma once

// What a flag may measure to fit into a snapshot. Rows are checked for sense before they come here;
// these bounds stand where the bytes are written, so that nothing larger can ever be published.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "shm/flag_set.hpp"

namespace burgee {

// Bounds of one flag beyond snapshot_layout.hpp; chosen by feel, change freely below the field
// sizes.
inline constexpr std::size_t kSaltSizeMax = 1'024;  // bytes
inline constexpr std::size_t kUnitListCountMax = 1U
                                                 << 20U;  // entries of include, of exclude, of IN
inline constexpr std::size_t kSetEntryCountMax = 4U << 20U;   // of all lists of one flag or segment
inline constexpr std::size_t kConfigFieldCountMax = 65'536;   // of one variant
inline constexpr std::size_t kFlagStringsSizeMax = 16 << 20;  // bytes of all texts of one flag

inline constexpr std::uint64_t kSegmentsSizeMax = 512U << 20U;  // bytes of all segments together
inline constexpr std::size_t kPatternCountMax = 32;             // REGEX of one flag or segment
inline constexpr std::size_t kTableWordCountMax = 4U << 20U;    // of all their tables

/// The first bound that `segment` breaks; nothing if it fits.
std::optional<FlagProblem> check_limits(const SegmentDefinition& segment);

/// The first bound that `flag` breaks, naming field and limit; nothing if it fits. An ab_test must
/// also have two variants of weight > 0, and with xxh3 weights that sum to 100 (+- 0.01).
std::optional<FlagProblem> check_limits(const FlagDefinition& flag);

}  // namespace burgee
