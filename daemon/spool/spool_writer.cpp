#include "daemon/spool/spool_writer.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "daemon/spool/event_sequence.hpp"
#include "daemon/spool/mutations.hpp"

namespace burgee::daemon {
namespace {

/// A damaged opening costs at most this much of the sessions' memory.
constexpr std::uint64_t kSessionsIntervalBytes = 8ULL << 20;
/// What prepare_ahead() writes at least and at most, so that it ends and holds nobody up.
constexpr std::uint64_t kFillMin = 256ULL << 10;
constexpr std::uint64_t kFillMax = 4ULL << 20;
/// Gaps written down with one group, 40 KiB of them; more wait for the next one.
constexpr std::size_t kGapsInGroupMax = 1024;

}  // namespace

SpoolWriter::SpoolWriter(SegmentStore& store, const SpoolOptions& options,
                         SessionPositions sessions, const SpoolId& spool_id, std::uint64_t next_lsn)
    : store_(store),
      options_(options),
      sessions_(std::move(sessions)),
      spool_id_(spool_id),
      next_lsn_(next_lsn),
      durable_end_lsn_(next_lsn) {}

bool SpoolWriter::open_first() {
    if (!begin_segment(durable_end_lsn_, true)) {
        return false;
    }
    store_.prepare_reserve();
    while (!store_.unwritten_gaps().empty()) {
        if (!store_group()) {
            return false;
        }
    }
    store_.extend({});
    return true;
}

SpoolResult<std::uint64_t> SpoolWriter::stage(const StagedBatch& batch) {
    const bool says_something = batch.seq_count > 0 || batch.totals != nullptr;
    const bool is_consistent = batch.event_count <= batch.seq_count && says_something &&
                               batch.refusals.size() <= batch.seq_count && batch.first_seq > 0 &&
                               batch.events.size() <= kFrameEventsSizeMax &&
                               is_event_sequence(batch.events, batch.event_count);
    if (!is_consistent) {
        return SpoolError{SpoolErrorCode::kTooBig, "a batch that contradicts itself or its limits"};
    }
    const std::uint64_t first_lsn = next_lsn_;
    group_.add_batch(batch, first_lsn);
    next_lsn_ += batch.event_count;
    return first_lsn;
}

bool SpoolWriter::write() {
    if (group_.is_empty() || !active_ || promised_frames_ != 0) {
        return false;
    }
    complete_group();
    const std::size_t count = group_.frames().size();
    if (count_fitting(0) != count) {
        return false;
    }
    group_.seal(0, count, active_->salt, durable_end_lsn_ - 1);
    if (active_->file->write(group_.bytes(0, count), active_->offset) != 0) {
        sync_failures_.fetch_add(1, std::memory_order_relaxed);  // as in describe()
        store_.note_failed(active_->name);
        active_.reset();
        return false;
    }
    is_group_written_ = true;
    promised_frames_ = count;
    return true;
}

SpoolResult<void> SpoolWriter::commit() {
    if (group_.is_empty()) {
        return {};
    }
    is_watermark_due_ = true;
    return store_group();
}

SpoolResult<void> SpoolWriter::write_watermark() {
    if (active_) {
        store_.prepare_reserve();
    }
    if (!group_.is_empty()) {
        return commit();
    }
    const bool is_due = is_watermark_due_ || !store_.unwritten_gaps().empty();
    if (!is_due || !active_) {
        return {};
    }
    group_.add_watermark(next_lsn_);
    auto stored = store_group();
    is_watermark_due_ = !stored;
    return stored;
}

SpoolResult<void> SpoolWriter::change_id(const SpoolId& spool_id) {
    if (auto stored = commit(); !stored) {
        return stored;
    }
    const SpoolId previous = std::exchange(spool_id_, spool_id);
    auto begun = begin_segment(durable_end_lsn_, true);
    if (!begun) {
        spool_id_ = previous;
    }
    return begun;
}

void SpoolWriter::prepare_ahead() {
    // From half a segment on, three bytes for each that is stored: done when it is 5/6 full.
    if (active_ && active_->offset >= options_.segment_size_bytes / 2) {
        store_.fill_ahead(std::clamp(3 * bytes_since_filling_, kFillMin, kFillMax));
    }
    bytes_since_filling_ = 0;
}

void SpoolWriter::complete_group() {
    if (std::exchange(is_group_complete_, true)) {
        return;
    }
    if (bytes_since_sessions_ > std::max(kSessionsIntervalBytes, 8 * sessions_.size_bytes())) {
        group_.add_sessions(sessions_.all(), next_lsn_);
        group_.add_refusals(sessions_.refusals(), next_lsn_);
        group_.add_totals(sessions_.totals(), next_lsn_);
        bytes_since_sessions_ = 0;
    }
    const auto gaps = store_.unwritten_gaps();
    gaps_in_group_ = std::min(gaps.size(), kGapsInGroupMax);
    group_.add_gaps(std::span(gaps).first(gaps_in_group_), next_lsn_);
}

SpoolResult<void> SpoolWriter::store_group() {
    complete_group();
    Progress progress;
    while (progress.frames_done < group_.frames().size()) {
        if (auto stored = store_part(&progress); !stored) {
            forget_group(&progress);
            return stored;
        }
    }
    take_over_group(progress);
    return {};
}

SpoolResult<void> SpoolWriter::store_part(Progress* progress) {
    if (!active_) {
        const std::uint64_t first_lsn = group_.frames()[progress->frames_done].first_lsn;
        if (auto begun = begin_segment(first_lsn, progress->failures > 0); !begun) {
            return begun;
        }
        take_back_replaced(progress);
        progress->begun.push_back(active_->name);
    }
    const std::size_t begin = progress->frames_done;
    const std::size_t end = begin + count_fitting(begin);
    if (end == begin) {
        active_.reset();
        return {};
    }
    const auto bytes = group_.bytes(begin, end);
    int error = 0;
    if (!std::exchange(is_group_written_, false)) {
        group_.seal(begin, end, active_->salt, durable_end_lsn_ - 1);
        error = active_->file->write(bytes, active_->offset);
    }
    if (error == 0 && !kMutateNoFdatasync) {
        error = active_->file->sync();
        error = kMutateIgnoreSync ? 0 : error;
    }
    if (error == 0) {
        active_->offset += bytes.size();
        progress->extents.push_back(
            {active_->name, group_.frames()[end - 1].end_lsn, active_->offset});
        progress->part_begins.push_back(begin);
        progress->frames_done = end;
        return {};
    }
    return give_up_segment(progress, error);
}

SpoolResult<void> SpoolWriter::give_up_segment(Progress* progress, int error) {
    sync_failures_.fetch_add(1, std::memory_order_relaxed);  // as in describe()
    store_.note_failed(active_->name);
    // Everything of this group goes into fresh segments: the kernel may have thrown the pages of
    // the failed one away and would call a second sync of it a success.
    discard_begun(progress);
    progress->extents.clear();
    progress->part_begins.clear();
    progress->frames_done = 0;
    if (++progress->failures < 2) {
        return {};
    }
    const auto code = is_no_space(error) ? SpoolErrorCode::kFull : SpoolErrorCode::kDiskFailed;
    return SpoolError{code, std::string("the spool's disk failed twice running: ") +
                                std::strerror(error) + "; events are refused until it works"};
}

void SpoolWriter::discard_begun(Progress* progress) {
    active_.reset();
    for (auto name = progress->begun.rbegin(); name != progress->begun.rend(); ++name) {
        store_.discard(*name);
    }
    progress->begun.clear();
}

SpoolResult<void> SpoolWriter::begin_segment(std::uint64_t first_lsn, bool is_urgent) {
    const auto begun = store_.begin({spool_id_, first_lsn, is_urgent, &sessions_});
    if (!begun) {
        return begun.error();
    }
    const Segment& segment = *begun;
    active_ = Active{segment.name, segment.file, segment.header.salt, segment.end_offset};
    bytes_since_sessions_ = 0;
    return {};
}

void SpoolWriter::take_back_replaced(Progress* progress) const {
    // Once a group: what fits no segment of its own would go round for ever.
    const bool is_replaced =
        !progress->extents.empty() && progress->extents.back().name == active_->name;
    if (is_replaced && !std::exchange(progress->has_gone_back, true)) {
        progress->frames_done = progress->part_begins.back();
        progress->extents.pop_back();
        progress->part_begins.pop_back();
    }
}

std::size_t SpoolWriter::count_fitting(std::size_t begin) const {
    const auto& frames = group_.frames();
    const std::uint64_t room = options_.segment_size_bytes - active_->offset;
    std::uint64_t size_bytes = 0;
    std::size_t index = begin;
    while (index < frames.size() && size_bytes + frames[index].size_bytes <= room) {
        size_bytes += frames[index].size_bytes;
        ++index;
    }
    return index - begin;
}

void SpoolWriter::take_over_group(const Progress& progress) {
    for (const FrameGroup::Frame& frame : group_.frames()) {
        sessions_.note_frame(frame.type, group_.payload(frame));
    }
    store_.extend(progress.extents);
    store_.note_written(gaps_in_group_);
    durable_end_lsn_ = next_lsn_;
    // Relaxed: as in describe().
    commits_.fetch_add(1, std::memory_order_relaxed);
    committed_bytes_.fetch_add(group_.size_bytes(), std::memory_order_relaxed);
    bytes_since_sessions_ += group_.size_bytes();
    bytes_since_filling_ += group_.size_bytes();
    clear_group();
}

void SpoolWriter::clear_group() {
    group_.clear();
    is_group_complete_ = false;
    is_group_written_ = false;
    promised_frames_ = 0;
}

void SpoolWriter::forget_group(Progress* progress) {
    discard_begun(progress);
    is_group_written_ = false;
    if (promised_frames_ == 0) {
        clear_group();
        next_lsn_ = durable_end_lsn_;
        return;
    }
    group_.truncate(promised_frames_);
    next_lsn_ = group_.frames().back().end_lsn;
}

void SpoolWriter::describe(SpoolStatistics* statistics) const {
    // Relaxed: counts order nothing and pair with nothing.
    statistics->commits = commits_.load(std::memory_order_relaxed);
    statistics->committed_bytes = committed_bytes_.load(std::memory_order_relaxed);
    statistics->sync_failures = sync_failures_.load(std::memory_order_relaxed);
}

}  // namespace burgee::daemon
