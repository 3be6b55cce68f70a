#pragma once

// Reads and changes rows of burgee.segments for people. Every change goes through the segment check
// first, so that nothing is stored that hosts would refuse, and lands in the history with its
// reason. Values travel as parameters only.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shm/flag_set.hpp"
#include "sync/pg_session.hpp"

namespace burgee::sync {

/// A row of burgee.segments. Times are RFC 3339 text in UTC.
struct SegmentRow {
    std::string name;
    std::optional<std::string> description = {};
    std::string constraints_json = "[]";  ///< JSON text
    std::string updated_at = {};          ///< set by the database
    std::uint64_t revision = 0;           ///< of its last change
};

/// What a change did.
struct SegmentWritten {
    std::uint64_t revision = 0;         ///< that hosts must reach to have it
    bool is_changed = true;             ///< false: the row was like that already
    std::vector<FlagProblem> warnings;  ///< of the row as it stands now
};

/// Names of what refers to a segment, each ascending bytewise.
struct SegmentUsers {
    std::vector<std::string> flags;
    std::vector<std::string> segments;

    bool empty() const { return flags.empty() && segments.empty(); }
};

enum class SegmentRemoval : std::uint8_t {
    kUnlessUsed,
    kForced,  ///< what names the segment is refused by hosts then, its last valid form stays
};

/// Errors of every member: those of PgSession, and where said kNotFound, kInvalid (the message
/// names segment, place and what to do; nothing was written). `why` goes into the history; empty is
/// stored as NULL. Thread safety: one thread at a time.
class SegmentStore {
public:
    explicit SegmentStore(PgSession& session) : session_(session) {}

    SyncResult<std::vector<SegmentRow>> list();           ///< by name, bytewise
    SyncResult<SegmentRow> get(const std::string& name);  ///< kNotFound

    /// Creates or replaces; a description that is not given stays. kInvalid.
    SyncResult<SegmentWritten> put(const SegmentRow& row, const std::string& why);

    /// kNotFound; kInvalid while flags or segments name it, unless forced.
    SyncResult<SegmentWritten> remove(const std::string& name, SegmentRemoval removal,
                                      const std::string& why);

    /// Which flags and segments name it, whether it exists or not.
    SyncResult<SegmentUsers> users(const std::string& name);

    /// What hosts make of the rows as they stand: every problem of every row.
    SyncResult<std::vector<FlagProblem>> problems();

private:
    PgSession& session_;
};

}  // namespace burgee::sync
