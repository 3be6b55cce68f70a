#include "daemon/spool/segment_scan.hpp"

#include <algorithm>
#include <limits>

namespace burgee::daemon {
namespace {

class Scanner {
public:
    Scanner(const SpoolFile& file, const SegmentHeader& header,
            std::optional<std::uint64_t> successor, const FrameVisitor& visit)
        : header_(header),
          successor_(successor),
          visit_(visit),
          size_bytes_(file.size_bytes()),
          reader_(file, header.salt, size_bytes_) {
        scan_.end_lsn = header.first_lsn;
        scan_.end_offset = kSegmentHeaderSize;
    }

    SegmentScan run() {
        do {
            take_good_frames();
        } while (pass_damage());
        return std::move(scan_);
    }

private:
    void take(const FrameView& frame) {
        scan_.end_lsn = frame.end_lsn();
        scan_.end_offset = frame.end_offset();
        scan_.frames += 1;
        scan_.events += frame.header.count;
        if (visit_) {
            visit_(frame);
        }
    }

    void take_good_frames() {
        const std::uint64_t limit = successor_.value_or(std::numeric_limits<std::uint64_t>::max());
        while (const auto frame = reader_.frame_at(scan_.end_offset)) {
            // A frame past the successor's first event belongs to a group whose sync failed: it
            // was written again over there.
            if (frame->header.first_lsn != scan_.end_lsn || frame->end_lsn() > limit) {
                return;
            }
            take(*frame);
        }
    }

    /// Steps over the bad place at the end of what was taken. @return false if it is the real end.
    bool pass_damage() {
        const std::uint64_t begin = scan_.end_offset;
        const std::uint64_t durable_end =
            successor_ ? *successor_ : reader_.durable_lsn_after(begin) + 1;
        if (durable_end <= scan_.end_lsn) {
            return false;
        }
        const auto next = reader_.find_frame(begin, [&](const SpoolFrameHeader& header) {
            const bool is_in_order = header.first_lsn >= scan_.end_lsn;
            const bool is_in_time = header.first_lsn <= durable_end &&
                                    (!successor_ || header.first_lsn + header.count <= *successor_);
            return is_in_order && is_in_time;
        });
        const std::uint64_t resume_lsn = next ? next->header.first_lsn : durable_end;
        const std::uint64_t resume_offset = next ? next->offset : size_bytes_;
        scan_.damage.push_back({header_.segment_no, begin, resume_offset - begin, scan_.end_lsn,
                                resume_lsn - scan_.end_lsn});
        scan_.end_lsn = resume_lsn;
        scan_.end_offset = resume_offset;
        return next.has_value();
    }

    const SegmentHeader& header_;
    std::optional<std::uint64_t> successor_;
    const FrameVisitor& visit_;
    std::uint64_t size_bytes_;
    SegmentReader reader_;
    SegmentScan scan_;
};

}  // namespace

SegmentScan scan_segment(const SpoolFile& file, const SegmentHeader& header,
                         std::optional<std::uint64_t> successor, const FrameVisitor& visit) {
    return Scanner(file, header, successor, visit).run();
}

DamagedRange unreadable_segment(const SpoolFile& file, std::uint64_t first_lsn,
                                std::optional<std::uint64_t> successor) {
    const std::uint64_t size_bytes = file.size_bytes();
    const std::uint64_t end_lsn = successor.value_or(first_lsn + size_bytes / kSpoolEventSizeMin);
    return {0, 0, size_bytes, first_lsn, end_lsn - first_lsn};
}

}  // namespace burgee::daemon
