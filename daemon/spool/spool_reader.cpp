#include "daemon/spool/spool_reader.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace burgee::daemon {
namespace {

// So often what the disk refuses to read is asked for again before it counts as damage: some
// minutes, by the uploader's pauses. What is called lost is never read again.
constexpr unsigned kUnreadAttemptsMax = 20;

void add_gap(SpoolBatch* batch, std::uint64_t end_lsn) {
    const std::uint64_t count = end_lsn - batch->end_lsn;
    if (count == 0) {
        return;
    }
    const bool continues =
        !batch->gaps.empty() &&
        batch->gaps.back().first_lsn + batch->gaps.back().count == batch->end_lsn;
    if (continues) {
        batch->gaps.back().count += count;
    } else {
        batch->gaps.push_back({batch->end_lsn, count});
    }
    batch->end_lsn = end_lsn;
}

/// The size of the event that begins at `bytes`. stage() checked it and so did the frame's
/// checksum.
std::uint32_t event_size(const std::byte* bytes) {
    std::uint32_t size_bytes = 0;
    std::memcpy(&size_bytes, bytes, sizeof size_bytes);
    return size_bytes;
}

}  // namespace

void SpoolReader::read(std::uint64_t from_lsn, std::uint64_t durable_end_lsn,
                       const SpoolReadLimits& limits, SpoolBatch* batch) {
    batch->first_lsn = from_lsn;
    batch->end_lsn = from_lsn;
    batch->event_count = 0;
    batch->bytes.clear();
    batch->runs.clear();
    batch->gaps.clear();
    while (batch->end_lsn < durable_end_lsn) {
        const auto segment = store_.segment_at(batch->end_lsn);
        if (!segment) {
            add_gap(batch, durable_end_lsn);
            return;
        }
        add_gap(batch, std::max(batch->end_lsn, segment->header.first_lsn));
        go_to(*segment, batch->end_lsn);
        if (!read_segment(limits, batch)) {
            return;
        }
    }
}

void SpoolReader::go_to(const Segment& segment, std::uint64_t lsn) {
    const bool is_here = place_ && place_->segment.header.salt == segment.header.salt;
    if (!is_here) {
        place_.emplace(Place{segment,
                             SegmentReader(*segment.file, segment.header.salt, segment.end_offset),
                             kSegmentHeaderSize, segment.header.first_lsn});
    } else if (place_->lsn > lsn) {
        place_->offset = kSegmentHeaderSize;
        place_->lsn = segment.header.first_lsn;
    }
    place_->segment = segment;
    place_->reader.extend(segment.end_offset);
}

bool SpoolReader::read_segment(const SpoolReadLimits& limits, SpoolBatch* batch) {
    while (batch->end_lsn < place_->segment.end_lsn) {
        const auto frame = place_->reader.frame_at(place_->offset);
        if (!frame || frame->header.first_lsn != place_->lsn) {
            if (may_be_read_later()) {
                return false;
            }
            pass_damage(batch);
            continue;
        }
        if (frame->end_lsn() > batch->end_lsn && !take_frame(*frame, limits, batch)) {
            return false;
        }
        place_->offset = frame->end_offset();
        place_->lsn = frame->end_lsn();
    }
    return true;
}

bool SpoolReader::take_frame(const FrameView& frame, const SpoolReadLimits& limits,
                             SpoolBatch* batch) {
    const std::byte* events = frame.payload.data() + sizeof(EventsPrefix);
    std::uint64_t lsn = frame.header.first_lsn;
    for (; lsn < batch->end_lsn; ++lsn) {
        events += event_size(events);
    }
    const std::byte* const first = events;
    const std::uint64_t first_lsn = lsn;
    const auto is_full = [&] {
        const std::size_t taken = batch->bytes.size() + static_cast<std::size_t>(events - first);
        const std::uint64_t count = batch->event_count + (lsn - first_lsn);
        return count >= limits.events_max ||
               (count > 0 && taken + event_size(events) > limits.size_bytes_max);
    };
    while (lsn < frame.end_lsn() && !is_full()) {
        events += event_size(events);
        ++lsn;
    }
    if (lsn > first_lsn) {
        const bool continues = !batch->runs.empty() &&
                               batch->runs.back().first_lsn + batch->runs.back().count == first_lsn;
        if (continues) {
            batch->runs.back().count += lsn - first_lsn;
        } else {
            batch->runs.push_back({first_lsn, lsn - first_lsn, batch->bytes.size()});
        }
        batch->bytes.insert(batch->bytes.end(), first, events);
        batch->event_count += lsn - first_lsn;
        batch->end_lsn = lsn;
    }
    return lsn == frame.end_lsn();
}

bool SpoolReader::may_be_read_later() {
    if (!place_->reader.has_unread_part()) {
        return false;
    }
    if (std::exchange(unread_lsn_, place_->lsn) != place_->lsn) {
        unread_attempts_ = 0;
    }
    if (++unread_attempts_ > kUnreadAttemptsMax) {
        return false;
    }
    place_->reader.forget_window();
    return true;
}

void SpoolReader::pass_damage(SpoolBatch* batch) {
    // Everything up to the segment's end was durable: what does not check is lost.
    const std::uint64_t begin = place_->offset;
    const auto next = place_->reader.find_frame(begin, [this](const SpoolFrameHeader& header) {
        return header.first_lsn >= place_->lsn &&
               header.first_lsn + header.count <= place_->segment.end_lsn;
    });
    const std::uint64_t end_offset = next ? next->offset : place_->segment.end_offset;
    const std::uint64_t end_lsn = next ? next->header.first_lsn : place_->segment.end_lsn;
    store_.note_lost({place_->lsn, end_lsn - place_->lsn, place_->segment.header.segment_no, begin,
                      end_offset - begin});
    place_->offset = end_offset;
    place_->lsn = end_lsn;
    add_gap(batch, std::max(batch->end_lsn, end_lsn));
}

}  // namespace burgee::daemon
