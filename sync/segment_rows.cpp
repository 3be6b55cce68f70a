#include "sync/segment_rows.hpp"

#include <simdjson.h>

#include <iterator>
#include <utility>

#include "sync/condition_check.hpp"
#include "sync/flag_check.hpp"
#include "sync/flag_problems.hpp"
#include "sync/flag_queries.hpp"
#include "sync/flag_text.hpp"
#include "sync/json_object.hpp"

namespace burgee::sync {
namespace {

constexpr std::size_t kConstraintsSizeMax = 64U << 20U;  // 64 MiB, as the segments of a flag

constexpr const char* kSegments =
    "SELECT s.name, s.constraints::text,"
    " coalesce((SELECT max(h.revision) FROM burgee.flag_history h WHERE h.kind = 'segment'"
    "           AND md5(h.name) = md5(s.name) AND h.name = s.name), 0) "
    "FROM burgee.segments s WHERE $1::text[] IS NULL OR s.name = ANY ($1::text[]) ORDER BY s.name";

void read_name(const RawSegment& row, SegmentDefinition& segment, FlagProblems& problems) {
    if (!row.name) {
        problems.refuse("name", "is NULL: give the segment a name");
    } else if (const auto complaint = name_complaint(*row.name, kSegmentNameSizeMax)) {
        problems.refuse("name", *complaint);
    } else {
        segment.name = *row.name;
    }
}

void read_constraints(const RawSegment& row, SegmentDefinition& segment, FlagProblems& problems) {
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    if (!row.constraints) {
        // Not read as []: everybody would be in it.
        problems.refuse("constraints", "is NULL: write [{...}, ...]");
    } else if (row.constraints->size() > kConstraintsSizeMax) {
        problems.refuse("constraints", "has more than 64 MiB of JSON: make it smaller");
    } else if (const auto error = parse_json(parser, *row.constraints, document)) {
        problems.refuse("constraints", std::string("is not JSON we can read (") +
                                           simdjson::error_message(error) + "): correct it");
    } else {
        segment.constraints = read_conditions(document, "constraints", problems);
    }
}

}  // namespace

std::vector<RawSegment> read_segment_rows(PgTransaction& open,
                                          const std::optional<std::vector<std::string>>& names) {
    if (names && names->empty()) {
        return {};
    }
    const PgRows rows = open.query(kSegments, {names ? PgValue(text_array(*names)) : PgValue()});
    std::vector<RawSegment> segments(rows.size());
    for (std::size_t row = 0; row < rows.size(); ++row) {
        segments[row] = {rows.value(row, 0), rows.value(row, 1),
                         static_cast<std::uint64_t>(rows.integer(row, 2))};
    }
    return segments;
}

SegmentVerdict check_segment(const RawSegment& row) {
    FlagProblems problems(shown_segment(row.name.value_or("")));
    SegmentDefinition segment;
    segment.revision = row.revision;
    read_name(row, segment, problems);
    read_constraints(row, segment, problems);
    SegmentVerdict verdict;
    if (!problems.is_refused()) {
        verdict.segment = std::move(segment);
    }
    verdict.problems = problems.take();
    return verdict;
}

void check_segments(const std::vector<RawSegment>& rows, FlagChanges& changes) {
    for (const RawSegment& row : rows) {
        SegmentVerdict verdict = check_segment(row);
        std::move(verdict.problems.begin(), verdict.problems.end(),
                  std::back_inserter(changes.problems));
        if (verdict.segment) {
            changes.segments.push_back(*std::move(verdict.segment));
        } else {
            changes.refused_segments.push_back(row.name.value_or(""));
        }
    }
}

std::string shown_segment(std::string_view name) {
    return "segment " + shown_name(name);
}

}  // namespace burgee::sync
