#include "daemon/spool/spool_recovery.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include "daemon/spool/mutations.hpp"
#include "daemon/spool/segment_header.hpp"
#include "daemon/spool/segment_scan.hpp"

namespace burgee::daemon {
namespace {

/// Damaged bytes kept for a person to look at; beyond either bound they are only counted.
constexpr std::uint64_t kQuarantineCopyMax = 1ULL << 20;
constexpr std::uint64_t kQuarantineTotalMax = 64ULL << 20;
/// What renewing the last group moves at once; chosen by feel.
constexpr std::size_t kRenewedAtOnce = 256U << 10U;
constexpr std::size_t kRenewedBlock = 4096;
/// Damage of a file that is kept whole.
constexpr std::size_t kNoSegment = static_cast<std::size_t>(-1);

SpoolError io_error(const SpoolDisk& disk, const std::string& what, int error) {
    return {SpoolErrorCode::kIo,
            "spool " + disk.name() + ": " + what + ": " + std::strerror(error)};
}

/// A file whose name says it is a segment.
struct Found {
    std::string name;
    std::unique_ptr<SpoolFile> file;
    SegmentHeader header{};
    bool is_readable = false;
};

class Recovery {
public:
    Recovery(SpoolDisk& disk, const SpoolOptions& options)
        : disk_(disk),
          options_(options),
          result_{{}, {}, SessionPositions(session_count_max(options)), {}, 1, {}, {}, {}, 0} {}

    SpoolResult<RecoveredSpool> run() {
        if (auto listed = list(); !listed) {
            return listed.error();
        }
        // Not before every header is known not to be from the future.
        for (const std::string& name : spare_names_) {
            take_spare(name);
        }
        for (auto each = found_.begin(); each != found_.end(); ++each) {
            const auto next = std::next(each);
            const auto successor = next == found_.end() ? std::nullopt : std::optional(next->first);
            if (each->second.is_readable) {
                take_segment(each->second, successor);
            } else {
                take_unreadable(each->first, each->second, successor);
            }
        }
        if (!result_.segments.empty()) {
            result_.spool_id = result_.segments.back().header.spool_id;
        }
        result_.sessions.settle();
        sort_out_damage();
        if (auto synced = sync_newest(); !synced) {
            return synced.error();
        }
        return std::move(result_);
    }

private:
    SpoolResult<void> list() {
        std::vector<std::string> names;
        if (const int error = disk_.list(&names)) {
            return io_error(disk_, "cannot list the directory", error);
        }
        for (const std::string& name : names) {
            if (name.starts_with(kSparePrefix)) {
                spare_names_.push_back(name);
                continue;
            }
            const auto first_lsn = parse_segment_file_name(name);
            if (!first_lsn) {
                continue;
            }
            Found found;
            found.name = name;
            if (const int error = disk_.open(name, false, &found.file)) {
                return io_error(disk_, "cannot open segment " + name, error);
            }
            const HeaderState state = read_segment_header(*found.file, &found.header);
            if (state == HeaderState::kNewer) {
                return SpoolError{SpoolErrorCode::kNewerFormat,
                                  "spool " + disk_.name() + ": segment " + name +
                                      " was written by a later burgee; install that version again, "
                                      "or let it deliver what it holds first"};
            }
            found.is_readable = state == HeaderState::kGood && found.header.first_lsn == *first_lsn;
            found_.emplace(*first_lsn, std::move(found));
        }
        return {};
    }

    /// Keeps a spare whose room is reserved; any other was left half made, or has another size.
    void take_spare(const std::string& name) {
        std::unique_ptr<SpoolFile> file;
        if (disk_.open(name, false, &file) == 0 &&
            file->size_bytes() >= options_.segment_size_bytes) {
            result_.spares.push_back(name);
        } else {
            disk_.remove(name);
        }
    }

    void take_segment(Found& found, std::optional<std::uint64_t> successor) {
        last_group_offset_ = kSegmentHeaderSize;
        std::optional<std::uint64_t> durable_lsn;
        const auto visit = [this, &durable_lsn](const FrameView& frame) {
            // The frames of one group say the same; what stands before them was synced.
            if (durable_lsn != frame.header.durable_lsn) {
                durable_lsn = frame.header.durable_lsn;
                last_group_offset_ = frame.offset;
            }
            result_.sessions.note_frame(frame.type(), frame.payload);
            if (frame.type() == SpoolFrameType::kGap) {
                take_gap_records(frame.payload);
            }
            if (frame.type() == SpoolFrameType::kEvents && options_.on_recovered_events) {
                options_.on_recovered_events(frame.payload.subspan(sizeof(EventsPrefix)));
            }
        };
        SegmentScan scan = scan_segment(*found.file, found.header, successor, visit);
        Segment segment;
        segment.header = found.header;
        segment.name = found.name;
        segment.file = std::move(found.file);
        segment.end_lsn = scan.end_lsn;
        segment.end_offset = scan.end_offset;
        result_.next_lsn = scan.end_lsn + (kMutateWrongLsn ? 1 : 0);
        result_.segments.push_back(std::move(segment));
        for (const DamagedRange& range : scan.damage) {
            damage_.push_back(
                {{range.first_lsn, range.count, range.segment_no, range.offset, range.size_bytes},
                 result_.segments.size() - 1});
        }
    }

    void take_unreadable(std::uint64_t first_lsn, const Found& found,
                         std::optional<std::uint64_t> successor) {
        const DamagedRange range = unreadable_segment(*found.file, first_lsn, successor);
        result_.next_lsn = range.first_lsn + range.count;
        result_.unreadable.push_back(found.name);
        damage_.push_back(
            {{range.first_lsn, range.count, range.segment_no, range.offset, range.size_bytes},
             kNoSegment});
    }

    void take_gap_records(std::span<const std::byte> payload) {
        for (; payload.size() >= sizeof(GapRecord); payload = payload.subspan(sizeof(GapRecord))) {
            GapRecord record{};
            std::memcpy(&record, payload.data(), sizeof record);
            result_.known_gaps.push_back(record);
        }
    }

    /// Damage written down earlier is known; the rest is new, and its bytes are kept.
    void sort_out_damage() {
        const std::uint64_t oldest_lsn = found_.empty() ? result_.next_lsn : found_.begin()->first;
        std::erase_if(result_.known_gaps, [oldest_lsn](const GapRecord& gap) {
            return gap.first_lsn + gap.count < oldest_lsn;
        });
        drop_repeated(&result_.known_gaps);
        for (const auto& [gap, segment_index] : damage_) {
            if (!is_known_gap(result_.known_gaps, gap)) {
                result_.fresh_gaps.push_back(gap);
                if (segment_index != kNoSegment) {
                    keep_bytes(gap, result_.segments[segment_index]);
                }
            }
        }
    }

    /// Every segment repeats what the ones before it knew.
    static void drop_repeated(std::vector<GapRecord>* gaps) {
        std::vector<GapRecord> distinct;
        for (const GapRecord& gap : *gaps) {
            if (!is_known_gap(distinct, gap)) {
                distinct.push_back(gap);
            }
        }
        gaps->swap(distinct);
    }

    void keep_bytes(const GapRecord& gap, const Segment& segment) {
        const std::uint64_t size_bytes = std::min(gap.size_bytes, kQuarantineCopyMax);
        if (result_.quarantined_bytes + size_bytes > kQuarantineTotalMax) {
            return;
        }
        std::vector<std::byte> bytes(size_bytes);
        std::size_t read_bytes = 0;
        std::unique_ptr<SpoolFile> copy;
        const std::string name = "quarantine/" + segment.name + "-" + std::to_string(gap.offset);
        // Keeping them is a kindness, not a promise: a disk that cannot is in trouble enough.
        if (segment.file->read(bytes, gap.offset, &read_bytes) == 0 &&
            disk_.open(name, true, &copy) == 0 && copy->write(bytes, 0) == 0) {
            result_.quarantined_bytes += size_bytes;
        }
    }

    /// After a kill, the last frames may be in the page cache alone; from now on they count as
    /// durable, so they must be.
    SpoolResult<void> sync_newest() {
        const bool has_group = !result_.segments.empty() && !kMutateTrustSync;
        int error = 0;
        if (has_group) {
            const Segment& newest = result_.segments.back();
            error = renew_group(*newest.file, last_group_offset_, newest.end_offset);
        }
        if (error == 0 && !result_.segments.empty()) {
            error = result_.segments.back().file->sync();
        }
        if (error == 0) {
            error = disk_.sync_names();
        }
        if (error != 0) {
            SpoolError failed = io_error(disk_, "cannot sync what is there", error);
            failed.code = SpoolErrorCode::kDiskFailed;
            return failed;
        }
        return {};
    }

    /// A sync of the last group may have failed already, told to the process before us or to an
    /// attempt before this one: then the kernel takes its pages for clean, and a sync alone would
    /// succeed and do nothing. Written again, they are written.
    static int renew_group(SpoolFile& file, std::uint64_t offset, std::uint64_t end_offset) {
        std::vector<std::byte> bytes(kRenewedAtOnce);
        int error = 0;
        while (error == 0 && offset < end_offset) {
            const auto part =
                std::span(bytes).first(std::min<std::uint64_t>(end_offset - offset, bytes.size()));
            error = renew(file, offset, part, kRenewedBlock);
            offset += part.size();
        }
        return error;
    }

    /// What cannot be read is passed over, block by block: it counts for nothing either way.
    static int renew(SpoolFile& file, std::uint64_t offset, std::span<std::byte> bytes,
                     std::size_t block_size) {
        std::size_t read_bytes = 0;
        if (file.read(bytes, offset, &read_bytes) == 0) {
            return file.write(bytes.first(read_bytes), offset);
        }
        int error = 0;
        for (std::size_t start = 0; error == 0 && block_size != 0 && start < bytes.size();
             start += block_size) {
            const auto block = bytes.subspan(start, std::min(block_size, bytes.size() - start));
            error = renew(file, offset + start, block, 0);
        }
        return error;
    }

    SpoolDisk& disk_;
    const SpoolOptions& options_;
    std::uint64_t last_group_offset_ = kSegmentHeaderSize;  ///< in the segment taken last
    RecoveredSpool result_;
    std::map<std::uint64_t, Found> found_;
    std::vector<std::string> spare_names_;
    std::vector<std::pair<GapRecord, std::size_t>> damage_;
};

}  // namespace

std::size_t session_count_max(const SpoolOptions& options) {
    // With all that may be said of one: its position, a range of refusals, its totals.
    constexpr std::uint64_t kSizeMax =
        sizeof(SessionRecord) + sizeof(RefusalRecord) + sizeof(TotalsRecord);
    const std::uint64_t fit = options.segment_size_bytes / 4 / kSizeMax;
    return static_cast<std::size_t>(std::min<std::uint64_t>(kSessionCountMax, fit));
}

SpoolResult<RecoveredSpool> recover_spool(SpoolDisk& disk, const SpoolOptions& options) {
    return Recovery(disk, options).run();
}

}  // namespace burgee::daemon
