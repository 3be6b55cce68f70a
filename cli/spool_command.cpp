// burgee spool: what a host's durable queue of events holds, by recovery's own scanner, so that
// what it finds is what a restart would find. It changes nothing and needs no database.

#include <burgee/event_view.hpp>
#include <cstring>
#include <memory>

#include "cli/command.hpp"
#include "cli/hexadecimal.hpp"
#include "cli/instant.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "daemon/spool/spool_check.hpp"
#include "shm/json_text.hpp"
#include "sync/metric_rows.hpp"

namespace burgee::cli {
namespace {

using daemon::DamagedRange;
using daemon::EventsPrefix;
using daemon::FrameView;
using daemon::SegmentHeader;
using daemon::SegmentReport;
using daemon::SpoolErrorCode;
using daemon::SpoolFrameType;

std::string id_text(const std::array<std::uint8_t, 16>& id) {
    std::string text;
    sync::append_uuid(text, id);
    return text;
}

std::vector<SegmentReport> checked_spool(const std::string& directory,
                                         const std::function<void(const SegmentHeader&)>& begin,
                                         const daemon::FrameVisitor& visit) {
    auto reports = daemon::check_spool(directory, begin, visit);
    if (!reports) {
        const bool is_missing = reports.error().code == SpoolErrorCode::kBadDirectory;
        throw Failure(is_missing ? ExitCode::kNotFound : ExitCode::kFailed,
                      printable(reports.error().message));
    }
    return std::move(*reports);
}

/// What all segments hold together.
struct SpoolSums {
    std::uint64_t events = 0;
    std::uint64_t lost = 0;
    std::uint64_t damaged_places = 0;
    std::uint64_t unreadable = 0;

    [[nodiscard]] bool is_intact() const { return damaged_places == 0 && unreadable == 0; }
};

SpoolSums sums_of(const std::vector<SegmentReport>& segments) {
    SpoolSums sums;
    for (const SegmentReport& segment : segments) {
        sums.unreadable += segment.is_readable ? 0 : 1;
        sums.events += segment.scan.events;
        sums.damaged_places += segment.is_readable ? segment.scan.damage.size() : 0;
        for (const DamagedRange& range : segment.scan.damage) {
            sums.lost += range.count;
        }
    }
    return sums;
}

void append_damage(JsonWriter& json, const std::vector<DamagedRange>& damage) {
    json.key("damage").begin_array();
    for (const DamagedRange& range : damage) {
        json.begin_object().member("offset", range.offset);
        json.member("size_bytes", range.size_bytes).member("first_lsn", range.first_lsn);
        json.member("lost", range.count).end_object();
    }
    json.end_array();
}

std::string verify_json(const std::string& directory, const std::vector<SegmentReport>& segments,
                        const SpoolSums& sums) {
    JsonWriter json;
    json.begin_object().member("directory", directory).member("intact", sums.is_intact());
    json.member("events", sums.events).member("lost", sums.lost);
    json.key("segments").begin_array();
    for (const SegmentReport& segment : segments) {
        json.begin_object().member("name", segment.name).member("readable", segment.is_readable);
        if (segment.is_readable) {
            json.member("segment_no", segment.header.segment_no);
            json.member("spool_id", id_text(segment.header.spool_id));
            json.member("first_lsn", segment.header.first_lsn);
            json.member("end_lsn", segment.scan.end_lsn).member("frames", segment.scan.frames);
            json.member("events", segment.scan.events);
            json.member("end_offset", segment.scan.end_offset);
        }
        append_damage(json, segment.scan.damage);
        json.end_object();
    }
    return json.end_array().end_object().take();
}

std::string verify_text(const std::vector<SegmentReport>& segments, const SpoolSums& sums) {
    Table table({{"SEGMENT"},
                 {"FIRST LSN", Column::Align::kRight},
                 {"END LSN", Column::Align::kRight},
                 {"FRAMES", Column::Align::kRight},
                 {"EVENTS", Column::Align::kRight},
                 {"BYTES", Column::Align::kRight},
                 {"STATE"}});
    std::string places;
    for (const SegmentReport& segment : segments) {
        const daemon::SegmentScan& scan = segment.scan;
        if (segment.is_readable) {
            table.add_row({segment.name, std::to_string(segment.header.first_lsn),
                           std::to_string(scan.end_lsn), std::to_string(scan.frames),
                           std::to_string(scan.events), std::to_string(scan.end_offset),
                           scan.damage.empty() ? "good" : "damaged"});
        } else {
            table.add_row({segment.name, "", "", "", "", "", "no copy of its header checks"});
        }
        for (const DamagedRange& range : scan.damage) {
            places += segment.name + ": " + std::to_string(range.size_bytes) + " bytes at offset " +
                      std::to_string(range.offset) +
                      " are damaged: " + std::to_string(range.count) + " events from LSN " +
                      std::to_string(range.first_lsn) + " on are lost\n";
        }
    }
    return table.text() + places + std::to_string(sums.events) + " events are there, " +
           std::to_string(sums.lost) + " are lost\n";
}

ExitCode verify(const std::string& directory, Terminal& terminal) {
    const std::vector<SegmentReport> segments = checked_spool(directory, {}, {});
    const SpoolSums sums = sums_of(segments);
    if (terminal.is_json()) {
        terminal.print_line(verify_json(directory, segments, sums));
    } else if (terminal.is_name()) {
        for (const SegmentReport& segment : segments) {
            terminal.print_line(segment.name);
        }
    } else {
        terminal.print(verify_text(segments, sums));
    }
    if (!sums.is_intact()) {
        throw Failure(ExitCode::kFailed, "spool " + printable(directory) +
                                             " is damaged: " + std::to_string(sums.damaged_places) +
                                             " places, " + std::to_string(sums.unreadable) +
                                             " segments without a header");
    }
    return ExitCode::kOk;
}

void append_text(JsonWriter& json, std::string_view key, std::string_view text) {
    json.key(key);
    text.empty() ? json.null() : json.value(text);
}

std::string event_json(std::uint64_t lsn, const EventView& event) {
    JsonWriter json(JsonWriter::Style::kCompact);
    json.begin_object().member("lsn", lsn);
    json.member("experiment_id", id_text(event.header.experiment_id));
    json.member("phase", std::uint64_t{event.header.phase});
    json.member("in_experiment", event.header.in_experiment != 0);
    json.member("is_automatic", event.header.is_automatic != 0);
    json.member("variant", event.variant).member("metric", event.metric);
    json.member("value", event.header.value);
    append_text(json, "user_id", event.user_id);
    append_text(json, "session_id", event.session_id);
    append_text(json, "unit", event.unit);
    json.member("created_at", instant_text(event.header.created_unix_ms));
    // As a text: nobody vouches here that it is JSON.
    append_text(json, "metadata", event.metadata_json);
    return json.end_object().take();
}

/// Prints the events of an EVENTS frame, one JSON object a line.
void print_events(const FrameView& frame, Terminal& terminal) {
    std::span<const std::byte> rest = frame.payload.subspan(sizeof(EventsPrefix));
    for (std::uint64_t lsn = frame.header.first_lsn; lsn < frame.end_lsn(); ++lsn) {
        std::uint32_t size = 0;
        if (rest.size() >= sizeof size) {
            std::memcpy(&size, rest.data(), sizeof size);
        }
        EventView event;
        if (size > rest.size() || !read_event(rest.data(), size, event)) {
            terminal.advise("LSN " + std::to_string(lsn) + ": the event's sizes do not fit");
            return;
        }
        terminal.print_line(event_json(lsn, event));
        rest = rest.subspan(size);
    }
}

void print_frame(const FrameView& frame, Terminal& terminal) {
    std::string line = "  " + std::to_string(frame.offset) + "  " +
                       daemon::frame_type_name(frame.header.type) + "  lsn " +
                       std::to_string(frame.header.first_lsn);
    if (frame.type() == SpoolFrameType::kEvents) {
        EventsPrefix prefix{};
        std::memcpy(&prefix, frame.payload.data(), sizeof prefix);
        line += " to " + std::to_string(frame.end_lsn() - 1) + "  session " +
                id_text(prefix.session_id) + "  seq " + std::to_string(prefix.first_seq) + " to " +
                std::to_string(prefix.first_seq + prefix.seq_count - 1) + "  staged " +
                instant_text(prefix.staged_unix_ms);
    }
    terminal.print_line(line + "  durable " + std::to_string(frame.header.durable_lsn) + "  " +
                        std::to_string(frame.payload.size()) + " bytes");
}

ExitCode dump(const std::string& directory, Terminal& terminal) {
    const auto begin = [&](const SegmentHeader& header) {
        if (!terminal.is_json()) {
            terminal.print_line("segment " + std::to_string(header.segment_no) + "  spool " +
                                id_text(header.spool_id) + "  first LSN " +
                                std::to_string(header.first_lsn));
        }
    };
    const auto visit = [&](const FrameView& frame) {
        const bool has_events =
            frame.type() == SpoolFrameType::kEvents && frame.payload.size() >= sizeof(EventsPrefix);
        if (!terminal.is_json()) {
            print_frame(frame, terminal);
        } else if (has_events) {
            print_events(frame, terminal);
        }
    };
    const SpoolSums sums = sums_of(checked_spool(directory, begin, visit));
    if (!sums.is_intact()) {
        throw Failure(ExitCode::kFailed,
                      "spool " + printable(directory) + " is damaged: see burgee spool verify");
    }
    return ExitCode::kOk;
}

}  // namespace

std::vector<Command> spool_commands() {
    const auto directory = std::make_shared<std::string>("/var/lib/burgee/spool");
    const Argument where{"DIRECTORY",
                         directory.get(),
                         "the spool (default: /var/lib/burgee/spool); burgeed must not run on it",
                         false,
                         {},
                         {},
                         true};
    return {{"spool",
             "verify",
             "Checks every frame of a host's event spool",
             {"burgee spool verify", "burgee spool verify /mnt/rescued/spool -o json"},
             {where},
             [directory](Terminal& terminal) { return verify(*directory, terminal); }},
            {"spool",
             "dump",
             "Prints the frames of a spool, or with -o json its events, one a line",
             {"burgee spool dump", "burgee spool dump /mnt/rescued/spool -o json"},
             {where},
             [directory](Terminal& terminal) { return dump(*directory, terminal); }}};
}

}  // namespace burgee::cli
