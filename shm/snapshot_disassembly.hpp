#pragma once

// Takes compiled flags and segments back out of a snapshot: the inverse of snapshot_assembly. So a
// builder that starts afresh knows the last valid form of a flag whose row has become bad since.
// What it takes and puts together again gives equal bytes. Relied on by
// SnapshotBuilder::begin_with().

#include <cstdint>
#include <optional>

#include <burgee/snapshot_view.hpp>

#include "shm/compiled_parts.hpp"

namespace burgee {

/// The flag as its compiler left it, without experiment; nothing when it has more than `size_max`
/// bytes or more than 2^32, and then no more than that was copied. Precondition: check_bodies() of
/// `view` found nothing, and `flag` is one of its records. Cost: linear in the flag's parts.
std::optional<CompiledFlag> flag_taken_from(const SnapshotView& view, const FlagRecord& flag,
                                            std::uint64_t size_max);

/// Likewise a segment.
std::optional<CompiledSegment> segment_taken_from(const SnapshotView& view,
                                                  const SegmentRecord& segment,
                                                  std::uint64_t size_max);

}  // namespace burgee
