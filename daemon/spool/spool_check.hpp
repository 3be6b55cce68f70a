#pragma once

// Looks a spool over without changing an event of it: what `burgee spool verify` and `dump` print.
// It uses recovery's own scanner, so it finds what a restart would find.

#include <string>
#include <vector>

#include "daemon/spool/segment_scan.hpp"
#include "daemon/spool/spool.hpp"

namespace burgee::daemon {

struct SegmentReport {
    std::string name;
    bool is_readable = false;  ///< false: neither copy of its header checks; the rest is unset
    SegmentHeader header{};
    SegmentScan scan;
};

/// Walks every segment of the spool in `directory` in order.
/// @param visit  called for each good frame, after `begin` for its segment; either may be empty
/// @error kLocked while burgeed runs, kBadDirectory, kNewerFormat, kIo
/// Cost: every byte is read once.
SpoolResult<std::vector<SegmentReport>> check_spool(
    const std::string& directory, const std::function<void(const SegmentHeader&)>& begin,
    const FrameVisitor& visit);

/// "EVENTS", "SESSIONS", "WATERMARK", "GAP", or "?".
std::string frame_type_name(std::uint16_t type);

}  // namespace burgee::daemon
