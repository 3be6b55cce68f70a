#pragma once

// The segment files of one spool: begins new ones, recycles delivered ones, and knows what was
// lost. Relied on by the spool's writer and reader; thread-safe, because those are two threads.
//
// Invariants:
//   1. A segment has its name only once its header and sessions are on disk; before, it is a spare.
//   2. Segments are ordered by first LSN and the newest is the only one that grows.
//   3. A segment opens with every session and every known gap, so older ones may go.
//   4. One spare is kept in reserve for a restart or a failed segment on a full disk.
//   5. describe() waits for no disk: its figures have a mutex of their own, taken last.

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "daemon/spool/frame_group.hpp"
#include "daemon/spool/session_positions.hpp"
#include "daemon/spool/spare_files.hpp"
#include "daemon/spool/spool.hpp"
#include "daemon/spool/spool_format.hpp"

namespace burgee::daemon {

struct Segment {
    SegmentHeader header{};
    std::string name;
    std::shared_ptr<SpoolFile> file;
    std::uint64_t end_lsn = 0;     ///< one past its last durable event
    std::uint64_t end_offset = 0;  ///< of its durable frames
    bool has_failed = false;       ///< a write or sync of it did: it is not recycled
    /// When release() first passed it.
    std::optional<std::chrono::steady_clock::time_point> delivered_at = std::nullopt;
};

/// What to begin a segment with.
struct SegmentPlan {
    SpoolId spool_id{};
    std::uint64_t first_lsn = 0;
    bool is_urgent = false;  ///< may take the reserve
    const SessionPositions* sessions = nullptr;
};

/// How far one segment is durable.
struct SegmentExtent {
    std::string name;
    std::uint64_t end_lsn = 0;
    std::uint64_t end_offset = 0;
};

class SegmentStore {
public:
    /// `segments` in LSN order, all closed; `spares` are files that may be overwritten.
    SegmentStore(std::unique_ptr<SpoolDisk> disk, const SpoolOptions& options,
                 std::deque<Segment> segments, const std::vector<std::string>& spares);

    // ---- writer ----

    /// Begins a segment; it is durable, with its opening frames, when this returns.
    /// @error kFull, kDiskFailed
    SpoolResult<Segment> begin(const SegmentPlan& plan);
    /// A group is durable and reached these ends. Until then none of its segments is released.
    void extend(const std::vector<SegmentExtent>& extents);
    /// A write or sync of this segment failed: once delivered it is removed, not recycled.
    void note_failed(const std::string& name);
    /// Takes back a segment that begin() made and whose group failed.
    void discard(const std::string& name);
    /// Tries to have a spare in reserve. Call when idle.
    void prepare_reserve();
    /// Fills `size_bytes` more of the spare that the next segment takes.
    void fill_ahead(std::uint64_t size_bytes);
    /// Gaps that an earlier recovery wrote down.
    void note_known_gaps(const std::vector<GapRecord>& gaps);
    /// A damaged file whose loss is written down by now: out of the way, but kept.
    void quarantine(const std::string& name);

    // ---- reader ----

    /// The first segment that holds or follows `lsn`.
    std::optional<Segment> segment_at(std::uint64_t lsn) const;
    /// Recycles what is delivered and outside the replay window, oldest first. A cursor that goes
    /// back, for a database that was restored, makes what lies beyond it wanted again.
    void release(std::uint64_t next_lsn, std::chrono::steady_clock::time_point now);
    /// Notes damage found while reading, once. @return false if it was known.
    bool note_lost(const GapRecord& gap);

    // ---- both ----

    std::uint64_t oldest_lsn(std::uint64_t otherwise) const;
    /// Gaps found and not yet written down.
    std::vector<GapRecord> unwritten_gaps() const;
    /// The first `count` of them are on disk now.
    void note_written(std::size_t count);
    /// When begin() would find no room: the cursor from which on release() makes some.
    std::optional<std::uint64_t> lsn_that_makes_room() const;
    /// Fills in what this class knows, as of the last call that changed it.
    void describe(SpoolStatistics* statistics) const;

private:
    SpoolResult<std::string> take_spare(bool is_urgent);
    /// Makes one more spare, or of the oldest segment that only the replay window keeps.
    SpoolResult<void> add_spare();
    bool is_at_cap() const;
    SpoolResult<void> make_spare();
    /// How many segments at the front are delivered and may be recycled at all.
    std::size_t delivered_count() const;
    /// Whether so many delivered segments are more than the bytes of the replay window.
    bool exceeds_window_bytes(std::size_t segment_count) const;
    /// Turns the oldest segment into a spare, or removes it when there are enough or its file has
    /// failed. @return errno.
    int recycle_oldest();
    /// But for the one that `successor` is about to replace: until then it may be all that knows
    /// the sessions.
    SpoolResult<void> remove_discarded(const std::string& successor);
    SpoolResult<Segment> write_opening(const SegmentPlan& plan, const std::string& spare);
    std::uint64_t lost_from(std::uint64_t lsn) const;
    std::optional<std::uint64_t> find_lsn_that_makes_room() const;
    /// What describe() tells from here on. `mutex_` is held.
    void note_figures();

    /// Holds mutex_ for a change of what describe() tells, and notes it at the end.
    class Change {
    public:
        explicit Change(SegmentStore& store) : store_(store), lock_(store.mutex_) {}
        ~Change() { store_.note_figures(); }
        Change(const Change&) = delete;
        Change& operator=(const Change&) = delete;

    private:
        SegmentStore& store_;
        const std::lock_guard<std::mutex> lock_;
    };

    std::unique_ptr<SpoolDisk> disk_;
    SpoolOptions options_;
    mutable std::mutex mutex_;
    std::deque<Segment> segments_;
    SpareFiles spares_;
    std::vector<std::string> discarded_;
    std::vector<GapRecord> lost_;
    std::vector<GapRecord> unwritten_gaps_;
    std::uint64_t next_segment_no_ = 1;
    std::uint64_t cursor_lsn_ = 1;                   ///< given to release() last: it may go back
    std::uint64_t released_lsn_ = 1;                 ///< the highest
    std::optional<std::uint64_t> first_cursor_lsn_;  ///< given to release()
    std::uint64_t in_use_segment_no_ = 0;            ///< this one and later ones may grow

    /// What describe() needs; mutex_ is held while the disk works.
    struct Figures {
        std::optional<std::uint64_t> oldest_lsn;  ///< empty: there is no segment
        std::uint64_t released_lsn = 1;
        std::optional<std::uint64_t> first_cursor_lsn;
        std::uint64_t lost = 0;          ///< events in all known gaps
        std::uint64_t lost_waiting = 0;  ///< of them: in what nobody has released
        std::uint64_t segments = 0;
        std::uint64_t files = 0;  ///< segments and spares
        std::optional<std::uint64_t> lsn_that_makes_room;
    };
    mutable std::mutex figures_mutex_;
    Figures figures_;
};

/// Whether `gap` was counted before: its events are in a known gap, or it is the same place.
bool is_known_gap(const std::vector<GapRecord>& known_gaps, const GapRecord& gap);

/// Whether the system said that there is no room, which passes, rather than that the disk is
/// broken.
bool is_no_space(int error);

}  // namespace burgee::daemon
