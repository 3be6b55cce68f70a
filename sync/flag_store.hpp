#pragma once

// Reads and changes rows of feature_flags for people: the CLI stands on it. Every change goes
// through the flag check first, so that nothing is stored that hosts would refuse, and lands in the
// history with its reason. Values travel as parameters only.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shm/flag_set.hpp"
#include "sync/dry_run.hpp"
#include "sync/pg_session.hpp"

namespace burgee::sync {

/// A row of feature_flags. JSON fields are JSON text, times RFC 3339 text in UTC.
struct FlagRow {
    std::string name;
    std::optional<std::string> description;
    std::string status = "disabled";  ///< disabled, enabled, gradual_rollout, ab_test, canary
    double rollout_percentage = 0;    ///< 0 .. 100; 0 for NULL
    std::string segments_json = "{}";
    std::string variants_json = "[]";
    std::string metadata_json = "{}";
    std::optional<std::string> expires_at;  ///< in any form PostgreSQL reads when written
    std::string created_at;                 ///< set by the database
    std::string updated_at;                 ///< set by the database
    std::uint64_t revision = 0;             ///< of its last change; 0: older than the history
    // Below: what the database and hosts make of it; ignored when written.
    std::optional<std::int64_t> changed_seconds_ago;  ///< by the database's clock
    bool is_expired = false;                          ///< expires_at has passed
    bool is_refused = false;    ///< hosts do not publish the row as it stands: see problems()
    bool has_warnings = false;  ///< hosts publish it and warn: see problems()
};

/// What to change; what is not set stays.
struct FlagEdit {
    std::optional<std::string> description;
    std::optional<std::string> status;
    std::optional<double> rollout_percentage;
    std::optional<std::string> segments_json;
    std::optional<std::string> variants_json;
    std::optional<std::string> metadata_json;
    std::optional<std::string> expires_at;  ///< "" or "never": no expiry
};

/// What a change did.
struct FlagWritten {
    std::uint64_t revision = 0;                    ///< that hosts must reach to have it
    bool is_changed = true;                        ///< false: the row was like that already
    std::vector<FlagProblem> warnings;             ///< of the row as it stands now
    std::vector<std::string> experiments_removed;  ///< names; only a deletion removes any
    std::optional<FlagRow> before;                 ///< only of a dry run; nothing: no such flag
    std::optional<FlagRow> after;                  ///< likewise
};

/// One line of a flag's history. JSON fields are whole rows.
struct FlagHistoryEntry {
    std::uint64_t revision = 0;
    std::string changed_at;                  ///< RFC 3339, UTC
    std::string changed_by;                  ///< the role that logged in
    std::string application;                 ///< its application_name
    std::optional<std::string> why;          ///< --why
    std::optional<std::string> before_json;  ///< nothing: created
    std::optional<std::string> after_json;   ///< nothing: deleted
};

/// Errors of every member: those of PgSession, and where said kNotFound, kAlreadyExists, kInvalid
/// (the message names flag, field and what to do; nothing was written).
/// `why` goes into the history; empty is stored as NULL. Thread safety: one thread at a time.
class FlagStore {
public:
    /// With kDryRun nothing is stored: the changes say what would happen.
    explicit FlagStore(PgSession& session, WriteMode mode = WriteMode::kCommit)
        : session_(session), mode_(mode) {}

    SyncResult<std::vector<FlagRow>> list();            ///< by name, bytewise
    SyncResult<FlagRow> show(const std::string& name);  ///< kNotFound
    SyncResult<FlagWritten> create(const FlagRow& row,
                                   const std::string& why);  ///< kAlreadyExists, kInvalid
    SyncResult<FlagWritten> update(const std::string& name, const FlagEdit& edit,
                                   const std::string& why);  ///< kNotFound, kInvalid

    /// Deletes the flag and its experiments. kNotFound; kInvalid while one of them is active.
    SyncResult<FlagWritten> remove(const std::string& name, const std::string& why);

    /// Newest first; also of a deleted flag. kNotFound when no flag ever had this name.
    SyncResult<std::vector<FlagHistoryEntry>> history(const std::string& name);

    /// Writes a former state as a new change. Without `to_revision`: the state before the last
    /// change, which brings back a deleted flag without its experiments; with it: the state that
    /// revision left.
    /// kNotFound: there is no such state; kInvalid: it could not be published today.
    SyncResult<FlagWritten> rollback(const std::string& name,
                                     std::optional<std::uint64_t> to_revision,
                                     const std::string& why);

    /// What hosts make of the rows as they stand: every problem of every row.
    SyncResult<std::vector<FlagProblem>> problems();

private:
    template <class Change>
    SyncResult<FlagWritten> write(const std::string& name, const std::string& why, Change&& change);

    PgSession& session_;
    WriteMode mode_;
};

}  // namespace burgee::sync
