#pragma once

// The reading half of the spool: durable events from an LSN on, in order, each checked again. Used
// by Spool alone, by one uploader thread.
//
// Invariant: every LSN asked for comes back exactly once, in a run or in a gap.

#include <cstdint>
#include <optional>

#include "daemon/spool/segment_reader.hpp"
#include "daemon/spool/segment_store.hpp"
#include "daemon/spool/spool.hpp"

namespace burgee::daemon {

class SpoolReader {
public:
    explicit SpoolReader(SegmentStore& store) : store_(store) {}

    /// As Spool::read(); `durable_end_lsn` >= from_lsn.
    void read(std::uint64_t from_lsn, std::uint64_t durable_end_lsn, const SpoolReadLimits& limits,
              SpoolBatch* batch);

private:
    /// The segment last read, so that the next read goes on where this one stopped.
    struct Place {
        Segment segment;
        SegmentReader reader;
        std::uint64_t offset;  ///< of the next frame
        std::uint64_t lsn;     ///< of its first event
    };
    /// Takes from one segment until it ends or the batch is full. @return whether there is room
    /// left.
    bool read_segment(const SpoolReadLimits& limits, SpoolBatch* batch);
    bool take_frame(const FrameView& frame, const SpoolReadLimits& limits, SpoolBatch* batch);
    /// Whether what does not check may be read later, so that the batch had better end here.
    bool may_be_read_later();
    void pass_damage(SpoolBatch* batch);
    void go_to(const Segment& segment, std::uint64_t lsn);

    SegmentStore& store_;
    std::optional<Place> place_;
    std::uint64_t unread_lsn_ = 0;  ///< where the disk refused to read last
    unsigned unread_attempts_ = 0;  ///< there
};

}  // namespace burgee::daemon
