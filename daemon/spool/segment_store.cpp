#include "daemon/spool/segment_store.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "daemon/spool/segment_header.hpp"

namespace burgee::daemon {
namespace {

/// Spares kept beside the reserve: enough that a steady load never waits for a new file.
constexpr std::size_t kSparesMax = 3;

/// Known gaps repeated at the start of each segment, 160 KiB of them; older ones may be forgotten
/// and would then be counted again.
constexpr std::size_t kOpeningGapsMax = 4096;

SpoolError disk_error(const SpoolDisk& disk, const std::string& what, int error) {
    const bool is_full = is_no_space(error);
    return {is_full ? SpoolErrorCode::kFull : SpoolErrorCode::kDiskFailed,
            "spool " + disk.name() + ": " + what + ": " + std::strerror(error) +
                (is_full ? "; free some room, events are refused until then"
                         : "; events are refused until the disk works again")};
}

}  // namespace

bool is_no_space(int error) {
    return error == ENOSPC || error == EDQUOT;
}

bool is_known_gap(const std::vector<GapRecord>& known_gaps, const GapRecord& gap) {
    return std::any_of(known_gaps.begin(), known_gaps.end(), [&](const GapRecord& known) {
        if (gap.count == 0) {
            return known.segment_no == gap.segment_no && known.offset == gap.offset;
        }
        return known.first_lsn <= gap.first_lsn &&
               gap.first_lsn + gap.count <= known.first_lsn + known.count;
    });
}

SegmentStore::SegmentStore(std::unique_ptr<SpoolDisk> disk, const SpoolOptions& options,
                           std::deque<Segment> segments, const std::vector<std::string>& spares)
    : disk_(std::move(disk)),
      options_(options),
      segments_(std::move(segments)),
      spares_(*disk_, options.segment_size_bytes, spares) {
    if (!segments_.empty()) {
        next_segment_no_ = segments_.back().header.segment_no + 1;
    }
    in_use_segment_no_ = next_segment_no_;
    note_figures();
}

SpoolResult<void> SegmentStore::remove_discarded(const std::string& successor) {
    for (const std::string& name : discarded_) {
        const int error = name == successor ? 0 : disk_->remove(name);
        if (error != 0 && error != ENOENT) {
            return disk_error(*disk_, "cannot remove segment " + name, error);
        }
    }
    // Names must be durable before a recycled file's first byte changes: else a power cut could
    // leave the old name on the new contents.
    if (const int error = disk_->sync_names()) {
        return disk_error(*disk_, "cannot sync the directory", error);
    }
    std::erase_if(discarded_, [&](const std::string& name) { return name != successor; });
    return {};
}

SpoolResult<std::string> SegmentStore::take_spare(bool is_urgent) {
    const std::size_t reserved = is_urgent ? 0 : 1;
    if (spares_.count() <= reserved) {
        if (const auto added = add_spare(); !added) {
            return added.error();
        }
    }
    return spares_.take();  // the one in reserve, if that is filled: the new one takes its place
}

SpoolResult<void> SegmentStore::add_spare() {
    auto made = make_spare();
    if (made) {
        return made;
    }
    // Nothing is refused for the sake of events that are delivered and only young: the time half of
    // the replay window yields to the cap, and all of it to a disk that is smaller than the cap,
    // which would else refuse events for ever.
    const std::size_t delivered = delivered_count();
    const bool yields = is_at_cap() ? exceeds_window_bytes(delivered) : delivered > 0;
    if (!yields) {
        return made;
    }
    const std::size_t count_before = spares_.count();
    if (const int error = recycle_oldest()) {
        return disk_error(*disk_, "cannot recycle a segment", error);
    }
    if (const int error = disk_->sync_names()) {  // for the reason in remove_discarded()
        return disk_error(*disk_, "cannot sync the directory", error);
    }
    return spares_.count() > count_before ? SpoolResult<void>() : make_spare();
}

bool SegmentStore::is_at_cap() const {
    const std::uint64_t files = segments_.size() + spares_.count();
    return (files + 1) * options_.segment_size_bytes > options_.cap_bytes;
}

SpoolResult<void> SegmentStore::make_spare() {
    if (is_at_cap()) {
        return SpoolError{SpoolErrorCode::kFull,
                          "spool " + disk_->name() +
                              ": at its cap; events are refused until PostgreSQL takes some"};
    }
    if (const int error = spares_.make()) {
        return disk_error(*disk_, "no room for another segment", error);
    }
    return {};
}

SpoolResult<Segment> SegmentStore::write_opening(const SegmentPlan& plan,
                                                 const std::string& spare) {
    Segment segment;
    segment.name = segment_file_name(plan.first_lsn);
    segment.header.spool_id = plan.spool_id;
    segment.header.segment_no = next_segment_no_;
    segment.header.first_lsn = plan.first_lsn;
    segment.header.salt = random_number();
    segment.header.segment_size = options_.segment_size_bytes;
    FrameGroup opening;
    opening.add_sessions(plan.sessions->all(), plan.first_lsn);
    opening.add_refusals(plan.sessions->refusals(), plan.first_lsn);
    opening.add_totals(plan.sessions->totals(), plan.first_lsn);
    opening.add_gaps(std::span(lost_).last(std::min(lost_.size(), kOpeningGapsMax)),
                     plan.first_lsn);
    const std::size_t frames = opening.frames().size();
    opening.seal(0, frames, segment.header.salt, plan.first_lsn - 1);
    const auto page = encode_segment_header(segment.header);
    std::vector<std::byte> bytes(page.begin(), page.end());
    const auto frame_bytes = opening.bytes(0, frames);
    bytes.insert(bytes.end(), frame_bytes.begin(), frame_bytes.end());

    std::unique_ptr<SpoolFile> file;
    int error = disk_->open(spare, false, &file);
    if (error == 0 && file->size_bytes() < options_.segment_size_bytes) {
        error = file->allocate(options_.segment_size_bytes);
    }
    if (error == 0) {
        error = file->write(bytes, 0);
    }
    if (error == 0) {
        error = file->sync();
    }
    if (error != 0) {
        disk_->remove(spare);
        return disk_error(*disk_, "cannot begin segment " + segment.name, error);
    }
    error = disk_->rename(spare, segment.name);
    if (error != 0) {
        disk_->remove(spare);
    } else if (error = disk_->sync_names(); error != 0) {
        discarded_.push_back(segment.name);
    }
    if (error != 0) {
        return disk_error(*disk_, "cannot name segment " + segment.name, error);
    }
    segment.file = std::move(file);
    segment.end_lsn = plan.first_lsn;
    segment.end_offset = bytes.size();
    return segment;
}

SpoolResult<Segment> SegmentStore::begin(const SegmentPlan& plan) {
    const Change change(*this);
    const std::string name = segment_file_name(plan.first_lsn);
    if (const auto removed = remove_discarded(name); !removed) {
        return removed.error();
    }
    const auto spare = take_spare(plan.is_urgent);
    if (!spare) {
        return spare.error();
    }
    // A segment without events has the name that the new one takes; it is replaced by the rename.
    const bool replaces = !segments_.empty() && segments_.back().name == name;
    auto segment = write_opening(plan, *spare);
    if (!segment) {
        return segment;
    }
    std::erase(discarded_, name);
    if (replaces) {
        segments_.pop_back();
    }
    ++next_segment_no_;
    segments_.push_back(*segment);
    return segment;
}

void SegmentStore::extend(const std::vector<SegmentExtent>& extents) {
    const std::lock_guard lock(mutex_);
    for (const SegmentExtent& extent : extents) {
        // The newest are at the end, and a group spans few.
        const auto found = std::find_if(segments_.rbegin(), segments_.rend(),
                                        [&](const auto& each) { return each.name == extent.name; });
        found->end_lsn = extent.end_lsn;
        found->end_offset = extent.end_offset;
    }
    in_use_segment_no_ = segments_.back().header.segment_no;
}

void SegmentStore::note_failed(const std::string& name) {
    const std::lock_guard lock(mutex_);
    for (Segment& segment : segments_) {
        segment.has_failed = segment.has_failed || segment.name == name;
    }
}

void SegmentStore::discard(const std::string& name) {
    const Change change(*this);
    if (!segments_.empty() && segments_.back().name == name) {
        segments_.pop_back();
        discarded_.push_back(name);
    }
}

void SegmentStore::prepare_reserve() {
    const Change change(*this);
    if (spares_.count() == 0) {
        (void)add_spare();  // for want of room there is none, and begin() will say so
    }
}

void SegmentStore::fill_ahead(std::uint64_t size_bytes) {
    const Change change(*this);
    spares_.fill(size_bytes);
}

void SegmentStore::note_known_gaps(const std::vector<GapRecord>& gaps) {
    const Change change(*this);
    lost_.insert(lost_.end(), gaps.begin(), gaps.end());
}

void SegmentStore::quarantine(const std::string& name) {
    const std::lock_guard lock(mutex_);
    disk_->rename(name, "quarantine/" + name);
}

std::optional<Segment> SegmentStore::segment_at(std::uint64_t lsn) const {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(segments_.begin(), segments_.end(),
                                    [lsn](const Segment& each) { return lsn < each.end_lsn; });
    return found == segments_.end() ? std::nullopt : std::optional(*found);
}

std::size_t SegmentStore::delivered_count() const {
    const auto is_needed = [this](const Segment& each) {
        return each.end_lsn > cursor_lsn_ || each.header.segment_no >= in_use_segment_no_;
    };
    return static_cast<std::size_t>(std::find_if(segments_.begin(), segments_.end(), is_needed) -
                                    segments_.begin());
}

bool SegmentStore::exceeds_window_bytes(std::size_t segment_count) const {
    return segment_count * options_.segment_size_bytes > options_.replay_window_bytes;
}

int SegmentStore::recycle_oldest() {
    const std::string name = segments_.front().name;
    const std::string spare = spares_.new_name();
    const bool is_wanted = spares_.count() < kSparesMax && !segments_.front().has_failed;
    const int error = is_wanted ? disk_->rename(name, spare) : disk_->remove(name);
    if (error == 0) {
        if (is_wanted) {
            spares_.add_used(spare);
        }
        segments_.pop_front();
    }
    return error;
}

void SegmentStore::release(std::uint64_t next_lsn, std::chrono::steady_clock::time_point now) {
    const Change change(*this);
    cursor_lsn_ = next_lsn;
    released_lsn_ = std::max(released_lsn_, next_lsn);
    first_cursor_lsn_ = first_cursor_lsn_.value_or(next_lsn);
    std::size_t delivered = delivered_count();
    for (std::size_t index = 0; index < segments_.size(); ++index) {
        std::optional<std::chrono::steady_clock::time_point>& at = segments_[index].delivered_at;
        at = index < delivered ? std::optional(at.value_or(now)) : std::nullopt;
    }
    const bool has_window = options_.replay_window_bytes != 0;
    for (; exceeds_window_bytes(delivered); --delivered) {
        const bool is_young = now - *segments_.front().delivered_at < options_.replay_window_time;
        if ((has_window && is_young) || recycle_oldest() != 0) {
            return;
        }
    }
}

bool SegmentStore::note_lost(const GapRecord& gap) {
    const Change change(*this);
    const bool is_known = is_known_gap(lost_, gap);
    if (!is_known) {
        lost_.push_back(gap);
        unwritten_gaps_.push_back(gap);
    }
    return !is_known;
}

std::uint64_t SegmentStore::oldest_lsn(std::uint64_t otherwise) const {
    const std::lock_guard lock(mutex_);
    return segments_.empty() ? otherwise : segments_.front().header.first_lsn;
}

std::vector<GapRecord> SegmentStore::unwritten_gaps() const {
    const std::lock_guard lock(mutex_);
    return unwritten_gaps_;
}

void SegmentStore::note_written(std::size_t count) {
    const std::lock_guard lock(mutex_);
    unwritten_gaps_.erase(unwritten_gaps_.begin(),
                          unwritten_gaps_.begin() + static_cast<std::ptrdiff_t>(count));
}

std::uint64_t SegmentStore::lost_from(std::uint64_t lsn) const {
    std::uint64_t lost = 0;
    for (const GapRecord& gap : lost_) {
        const std::uint64_t end = gap.first_lsn + gap.count;
        lost += end > lsn ? end - std::max(gap.first_lsn, lsn) : 0;
    }
    return lost;
}

std::optional<std::uint64_t> SegmentStore::find_lsn_that_makes_room() const {
    const bool has_room =
        spares_.count() > 1 || exceeds_window_bytes(delivered_count()) || !is_at_cap();
    // One more delivered than the replay window keeps, and the first of them goes.
    const std::size_t last = options_.replay_window_bytes / options_.segment_size_bytes;
    if (has_room || last >= segments_.size() ||
        segments_[last].header.segment_no >= in_use_segment_no_) {
        return std::nullopt;
    }
    return segments_[last].end_lsn;
}

std::optional<std::uint64_t> SegmentStore::lsn_that_makes_room() const {
    const std::lock_guard lock(figures_mutex_);
    return figures_.lsn_that_makes_room;
}

void SegmentStore::note_figures() {
    Figures figures;
    figures.lsn_that_makes_room = find_lsn_that_makes_room();
    figures.released_lsn = released_lsn_;
    figures.first_cursor_lsn = first_cursor_lsn_;
    figures.lost = lost_from(0);
    if (!segments_.empty()) {
        figures.oldest_lsn = segments_.front().header.first_lsn;
        figures.lost_waiting = lost_from(std::max(*figures.oldest_lsn, released_lsn_));
    }
    figures.segments = segments_.size();
    figures.files = segments_.size() + spares_.count();
    const std::lock_guard lock(figures_mutex_);
    figures_ = figures;
}

void SegmentStore::describe(SpoolStatistics* statistics) const {
    const std::lock_guard lock(figures_mutex_);
    const std::uint64_t end = statistics->durable_end_lsn;
    const std::uint64_t oldest = figures_.oldest_lsn.value_or(end);
    const std::uint64_t waiting = end - std::min(end, std::max(oldest, figures_.released_lsn));
    statistics->oldest_lsn = oldest;
    statistics->released_lsn = figures_.released_lsn;
    statistics->first_cursor_lsn = figures_.first_cursor_lsn.value_or(statistics->first_cursor_lsn);
    statistics->events_lost = figures_.lost;
    statistics->events_in_spool = waiting - std::min(waiting, figures_.lost_waiting);
    statistics->segments = figures_.segments;
    statistics->size_bytes = figures_.files * options_.segment_size_bytes;
}

}  // namespace burgee::daemon
