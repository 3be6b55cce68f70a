#pragma once

// Reads a spool's directory after any end the last process may have had, and says what is there.
// Relied on by Spool::open(). It changes no segment; it copies damaged bytes to `quarantine/`.

#include <deque>
#include <string>
#include <vector>

#include "daemon/spool/segment_store.hpp"
#include "daemon/spool/session_positions.hpp"
#include "daemon/spool/spool.hpp"

namespace burgee::daemon {

struct RecoveredSpool {
    std::deque<Segment> segments;
    std::vector<std::string> spares;
    SessionPositions sessions;
    SpoolId spool_id{};
    std::uint64_t next_lsn = 1;
    std::vector<GapRecord> known_gaps;    ///< written down by an earlier recovery
    std::vector<GapRecord> fresh_gaps;    ///< found now; the caller writes them down
    std::vector<std::string> unreadable;  ///< segment files without a header; see fresh_gaps
    std::uint64_t quarantined_bytes = 0;
};

/// How many sessions fit a quarter of a segment of this size.
std::size_t session_count_max(const SpoolOptions& options);

/// @param disk  already locked
/// @error kNewerFormat (nothing was touched), kDiskFailed, kIo
SpoolResult<RecoveredSpool> recover_spool(SpoolDisk& disk, const SpoolOptions& options);

}  // namespace burgee::daemon
