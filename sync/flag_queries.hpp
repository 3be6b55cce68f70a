#pragma once

// The SQL that reads flags, and nothing else. Every function runs inside a transaction of the
// caller and throws as PgTransaction does. Shared by the flag reader and the flag store.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shm/flag_set.hpp"
#include "sync/flag_check.hpp"
#include "sync/pg_session.hpp"

namespace burgee::sync {

/// The one row that tells whether anything changed.
struct RevisionRow {
    std::uint64_t revision = 0;
    std::uint64_t source_id = 0;
    std::int64_t database_unix_ms = 0;
    std::string changed_at;  ///< seconds since 1970 with microseconds
};
RevisionRow read_revision(PgTransaction& open);

FlagSettings read_settings(PgTransaction& open);

/// Rows of feature_flags with the slots they own: all of them, or those with these names.
std::vector<RawFlag> read_flags(PgTransaction& open,
                                const std::optional<std::vector<std::string>>& names);

/// One line of the history, as far as the reader needs it.
struct ChangeLine {
    std::uint64_t revision = 0;
    std::string kind;
    std::optional<std::string> name;
    bool is_tombstone = false;
    std::vector<std::string> flags;  ///< that an experiment or slot belonged to, before and after
};

/// A revision, and when it was committed as far as the history said then.
struct KnownPast {
    std::uint64_t revision = 0;
    std::string changed_at;  ///< as in RevisionRow
};

struct Changes {
    std::vector<ChangeLine> lines;  ///< oldest first
    bool is_same_past = false;  ///< the history still has the known revision; false without lines
};

/// Lines after the known revision up to `to`. One query, because every round trip delays a kill.
Changes read_changes(PgTransaction& open, const KnownPast& past, std::uint64_t to);

/// Those of `names`, of kind "flag" or "segment", whose last line in the history says that they
/// were deleted.
std::vector<std::string> deleted_among(PgTransaction& open, const char* kind,
                                       const std::vector<std::string>& names);

/// Active experiments, by flag and newest start first, and what is wrong with some of them.
struct ActiveExperiments {
    std::vector<ExperimentDefinition> experiments;
    std::vector<FlagProblem> problems;
};
ActiveExperiments read_experiments(PgTransaction& open);

/// `texts` as the text of a PostgreSQL array, for a parameter cast to text[].
std::string text_array(const std::vector<std::string>& texts);

}  // namespace burgee::sync
