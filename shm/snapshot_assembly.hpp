#pragma once

// Copies compiled flags into a snapshot's sections and moves their numbers and offsets along.

#include <cstddef>
#include <span>
#include <vector>

#include <burgee/snapshot_layout.hpp>

#include "shm/flag_set.hpp"
#include "shm/flag_table.hpp"
#include "shm/segment_table.hpp"

namespace burgee {

/// An active experiment of a flag in the snapshot.
struct ActiveExperiment {
    std::uint64_t flag_name_hash;
    const ExperimentDefinition* experiment;
};

/// A complete snapshot file.
///
/// @param segments  all that flags ask for; a name that is not there never holds
/// @param active  one per flag at most, ascending by flag_name_hash; each flag is in `flags`
/// @param expiries  of flags in `flags`, ascending by their numbers
/// @param header  generation, revision, time and source; the rest is filled in
/// Cost: linear in the bytes of all flags.
std::vector<std::byte> assemble_snapshot(const FlagTable& flags, const SegmentTable& segments,
                                         std::span<const ActiveExperiment> active,
                                         std::span<const ExpiryRecord> expiries,
                                         SnapshotHeader header);

}  // namespace burgee
