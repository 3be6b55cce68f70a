#pragma once

// The writing half of the spool: groups frames, stores a group with one write and one sync, and
// moves on to a fresh segment when one is full or its disk failed. Used by Spool alone, under its
// lock.
//
// Invariants:
//   1. A group is durable as a whole or forgotten as a whole; only then do its LSNs count.
//   2. After a failed write or sync the segment is closed for ever.
//   3. A new segment's first LSN is one past the last durable event, so what a failed segment holds
//      beyond that is void.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "daemon/spool/frame_group.hpp"
#include "daemon/spool/segment_store.hpp"
#include "daemon/spool/session_positions.hpp"
#include "daemon/spool/spool.hpp"

namespace burgee::daemon {

class SpoolWriter {
public:
    SpoolWriter(SegmentStore& store, const SpoolOptions& options, SessionPositions sessions,
                const SpoolId& spool_id, std::uint64_t next_lsn);

    /// Begins the first segment of this process, so that a recovered one is never appended to. On a
    /// full disk there is none yet, and each commit tries again.
    /// Gaps that recovery found are written down in it. @return whether that is done.
    bool open_first();

    SpoolResult<std::uint64_t> stage(const StagedBatch& batch);
    bool write();
    SpoolResult<void> commit();
    SpoolResult<void> write_watermark();
    SpoolResult<void> change_id(const SpoolId& spool_id);
    void prepare_ahead();

    std::uint64_t durable_end_lsn() const { return durable_end_lsn_; }
    const SpoolId& spool_id() const { return spool_id_; }
    const SessionPositions& sessions() const { return sessions_; }
    std::size_t staged_size_bytes() const { return group_.size_bytes(); }
    /// From any thread, also while a commit waits for the disk.
    void describe(SpoolStatistics* statistics) const;

private:
    /// The segment that is being written.
    struct Active {
        std::string name;
        std::shared_ptr<SpoolFile> file;
        std::uint64_t salt = 0;
        std::uint64_t offset = 0;
    };
    /// How far a group has come while it is being stored.
    struct Progress {
        std::size_t frames_done = 0;
        unsigned failures = 0;
        std::vector<std::string> begun;  ///< segments begun for this group
        std::vector<SegmentExtent> extents;
        std::vector<std::size_t> part_begins;  ///< the first frame of each extent
        bool has_gone_back = false;
    };

    SpoolResult<void> store_group();
    SpoolResult<void> store_part(Progress* progress);
    SpoolResult<void> begin_segment(std::uint64_t first_lsn, bool is_urgent);
    /// The segment just begun may have taken the name of one that holds frames of this group and no
    /// event: those are stored again.
    void take_back_replaced(Progress* progress) const;
    std::size_t count_fitting(std::size_t begin) const;
    /// Deals with a part that could not be stored. @return an error if that is the end of it.
    SpoolResult<void> give_up_segment(Progress* progress, int error);
    void discard_begun(Progress* progress);
    void complete_group();
    void clear_group();
    void take_over_group(const Progress& progress);
    /// All but what write() has promised, which the next commit tries again.
    void forget_group(Progress* progress);

    SegmentStore& store_;
    SpoolOptions options_;
    SessionPositions sessions_;
    SpoolId spool_id_;
    std::uint64_t next_lsn_;
    std::uint64_t durable_end_lsn_;
    FrameGroup group_;
    std::optional<Active> active_;
    std::uint64_t bytes_since_sessions_ = 0;
    std::uint64_t bytes_since_filling_ = 0;
    std::size_t gaps_in_group_ = 0;
    bool is_watermark_due_ = false;
    bool is_group_complete_ = false;   ///< bookkeeping is in it
    bool is_group_written_ = false;    ///< whole, where the active segment ends; not synced yet
    std::size_t promised_frames_ = 0;  ///< the group's first ones, by write()
    // Counts; one thread adds to them, describe() reads them from any.
    std::atomic<std::uint64_t> commits_{0};
    std::atomic<std::uint64_t> committed_bytes_{0};
    std::atomic<std::uint64_t> sync_failures_{0};
};

}  // namespace burgee::daemon
