#include "daemon/spool/spool_check.hpp"

#include <cerrno>
#include <cstring>
#include <map>

#include "daemon/spool/segment_header.hpp"

namespace burgee::daemon {
namespace {

SpoolError check_error(const std::string& directory, SpoolErrorCode code, const std::string& what) {
    return {code, "spool " + directory + ": " + what};
}

SpoolError lock_error(const std::string& directory, int error) {
    if (error == EAGAIN) {
        return check_error(directory, SpoolErrorCode::kLocked, "in use; stop burgeed first");
    }
    const bool is_missing = error == ENOENT || error == ENOTDIR;
    return check_error(directory, is_missing ? SpoolErrorCode::kBadDirectory : SpoolErrorCode::kIo,
                       std::strerror(error));
}

}  // namespace

SpoolResult<std::vector<SegmentReport>> check_spool(
    const std::string& directory, const std::function<void(const SegmentHeader&)>& begin,
    const FrameVisitor& visit) {
    const auto disk = make_read_only_disk(directory);
    if (const int error = disk->lock()) {
        return lock_error(directory, error);
    }
    std::vector<std::string> names;
    if (const int error = disk->list(&names)) {
        return check_error(directory, SpoolErrorCode::kIo, std::strerror(error));
    }
    std::map<std::uint64_t, std::string> segments;
    for (const std::string& name : names) {
        if (const auto first_lsn = parse_segment_file_name(name)) {
            segments.emplace(*first_lsn, name);
        }
    }
    std::vector<SegmentReport> reports;
    for (auto each = segments.begin(); each != segments.end(); ++each) {
        SegmentReport report;
        report.name = each->second;
        std::unique_ptr<SpoolFile> file;
        if (const int error = disk->open(report.name, false, &file)) {
            return check_error(directory, SpoolErrorCode::kIo,
                               report.name + ": " + std::strerror(error));
        }
        const HeaderState state = read_segment_header(*file, &report.header);
        if (state == HeaderState::kNewer) {
            return check_error(directory, SpoolErrorCode::kNewerFormat,
                               report.name + " was written by a later burgee");
        }
        report.is_readable = state == HeaderState::kGood && report.header.first_lsn == each->first;
        const auto next = std::next(each);
        const auto successor = next == segments.end() ? std::nullopt : std::optional(next->first);
        if (!report.is_readable) {
            const DamagedRange range = unreadable_segment(*file, each->first, successor);
            report.scan.end_lsn = range.first_lsn + range.count;
            report.scan.damage = {range};
        } else {
            if (begin) {
                begin(report.header);
            }
            report.scan = scan_segment(*file, report.header, successor, visit);
        }
        reports.push_back(std::move(report));
    }
    return reports;
}

std::string frame_type_name(std::uint16_t type) {
    switch (static_cast<SpoolFrameType>(type)) {
        case SpoolFrameType::kEvents:
            return "EVENTS";
        case SpoolFrameType::kSessions:
            return "SESSIONS";
        case SpoolFrameType::kWatermark:
            return "WATERMARK";
        case SpoolFrameType::kGap:
            return "GAP";
        case SpoolFrameType::kRefusals:
            return "REFUSALS";
        case SpoolFrameType::kTotals:
            return "TOTALS";
    }
    return "?";
}

}  // namespace burgee::daemon
