#pragma once

// Looks a spool over without changing anything, the directory included: what `burgee spool verify`
// and `dump` print. It uses recovery's own scanner, so it finds what a restart would find.

#include <string>
#include <vector>

#include "daemon/spool/segment_scan.hpp"
#include "daemon/spool/spool.hpp"

namespace burgee::daemon {

struct SegmentReport {
    std::string name;
    bool is_readable = false;  ///< false: neither copy of its header checks
    SegmentHeader header{};    ///< set if it is readable
    SegmentScan scan;          ///< if it is not readable, its damage is unreadable_segment()
};

/// Walks every segment of the spool in `directory` in order.
/// @param visit  called for each good frame, after `begin` for its segment; either may be empty
/// @error kLocked while burgeed runs, kBadDirectory when there is no such directory, kNewerFormat,
///        kIo
/// Cost: every byte is read once.
SpoolResult<std::vector<SegmentReport>> check_spool(
    const std::string& directory, const std::function<void(const SegmentHeader&)>& begin,
    const FrameVisitor& visit);

/// What docs/spool_format.md calls a SpoolFrameType, "EVENTS" for example, or "?".
std::string frame_type_name(std::uint16_t type);

}  // namespace burgee::daemon
