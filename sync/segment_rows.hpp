#pragma once

// Rows of burgee.segments: the SQL that reads them, and what a row means or why it cannot be taken.
// Relied on by the flag reader (what is published) and the segment store (what may be written).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shm/flag_set.hpp"
#include "sync/pg_session.hpp"

namespace burgee::sync {

/// One row as PostgreSQL's text gives it; nothing stands for NULL.
struct RawSegment {
    std::optional<std::string> name;
    std::optional<std::string> constraints;
    std::uint64_t revision = 0;  ///< of the change that last touched the row
};

struct SegmentVerdict {
    std::optional<SegmentDefinition> segment;  ///< nothing: refused, and `problems` says why
    std::vector<FlagProblem> problems;         ///< FlagProblem::flag is shown_segment()
};

/// All rows, or those with these names. Throws as PgTransaction does.
std::vector<RawSegment> read_segment_rows(PgTransaction& open,
                                          const std::optional<std::vector<std::string>>& names);

/// Checks one row. Whether the segments it names exist, and do not name each other in a circle, is
/// the builder's to find. Never throws on any text; pure. Cost: linear in its text.
SegmentVerdict check_segment(const RawSegment& row);

/// Checks rows and files each under segments or refused_segments.
void check_segments(const std::vector<RawSegment>& rows, FlagChanges& changes);

/// "segment beta": how problems name a segment among flags.
std::string shown_segment(std::string_view name);

}  // namespace burgee::sync
