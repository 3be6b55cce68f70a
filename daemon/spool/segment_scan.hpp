#pragma once

// Walks one segment from its first frame to its end and decides what each bad place means: a torn
// tail, which nobody was promised, or damage to events that were. Relied on by recovery and
// `burgee spool`. It writes nothing.
//
// The rule: a frame says how far the disk was known to be good when it was written (durable_lsn).
// If any later frame vouches for an event at or after the bad place, the bytes there were on disk
// once and are damaged now; else they never got there. A segment with a successor vouches for all
// of itself, because the successor was begun only after it was synced.

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "daemon/spool/segment_reader.hpp"
#include "daemon/spool/spool_disk.hpp"
#include "daemon/spool/spool_format.hpp"

namespace burgee::daemon {

/// Bytes of a segment that were durable and no longer check.
struct DamagedRange {
    std::uint64_t segment_no = 0;
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;
    std::uint64_t first_lsn = 0;
    std::uint64_t count = 0;  ///< events lost; 0 when only bookkeeping was hit
};

struct SegmentScan {
    std::uint64_t end_lsn = 0;     ///< one past the last event that counts, lost ones included
    std::uint64_t end_offset = 0;  ///< where the frames end
    std::uint64_t frames = 0;
    std::uint64_t events = 0;
    std::vector<DamagedRange> damage;
};

using FrameVisitor = std::function<void(const FrameView&)>;

/// @param header     of the segment, already checked
/// @param successor  first LSN of the next segment; none for the newest
/// @param visit      called for every good frame in order; may be empty
/// Cost: one sequential read, 1 GiB/s and more.
SegmentScan scan_segment(const SpoolFile& file, const SegmentHeader& header,
                         std::optional<std::uint64_t> successor, const FrameVisitor& visit);

/// What is lost with a segment neither copy of whose header checks: nothing in the file can be
/// believed without its salt. If it is the newest, its last LSN is unknown too: the range then ends
/// with a number that no event in there can have had.
/// @param first_lsn  from the file's name
/// @param successor  first LSN of the next segment; none for the newest
DamagedRange unreadable_segment(const SpoolFile& file, std::uint64_t first_lsn,
                                std::optional<std::uint64_t> successor);

}  // namespace burgee::daemon
