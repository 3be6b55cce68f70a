#pragma once

// Experiments as people handle them: create, look at, pause, resume, end. Relied on by the
// command's noun `experiment`. Every change names its reason, which the audit keeps.

#include <boost/system/result.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shm/flag_set.hpp"
#include "sync/dry_run.hpp"
#include "sync/pg_session.hpp"

namespace burgee::sync {

struct ExperimentRow {
    Uuid id{};
    std::string name;
    std::string flag_name;
    std::string hypothesis;
    std::string success_metrics_json;  ///< a JSON array
    std::string status;                ///< active, paused, completed, cancelled
    std::int64_t start_unix_ms = 0;
    std::optional<std::int64_t> end_unix_ms;
    std::int64_t created_unix_ms = 0;
    std::uint32_t phase = 1;            ///< the current one
    std::string flag_status;            ///< ab_test, or what it is instead
    std::vector<std::string> variants;  ///< names of the flag's variants, in its order
};

struct NewExperiment {
    std::string flag_name;
    std::string name;
    std::string hypothesis = {};              ///< may be empty
    std::string success_metrics_json = "[]";  ///< a JSON array
    double days = 14;                         ///< planned length, > 0, at most 3 650
    std::string why = {};
};

enum class ExperimentChange : std::uint8_t {
    kPause,     ///< active -> paused
    kResume,    ///< paused -> active, same phase: assignments did not change meanwhile
    kComplete,  ///< active or paused -> completed; end_date becomes now unless it has passed
    kCancel,    ///< active or paused -> cancelled; likewise
};

/// Starts an experiment on an existing flag, from now for the planned days. With kDryRun nothing is
/// stored; the row is the one that would have been, under an id that will never be used.
/// @error kNotFound  no such flag
///        kInvalid   empty name, bad JSON, days out of range; the flag is not an ab_test with two
///                   variants; it has an active experiment already
boost::system::result<ExperimentRow, SyncError> create_experiment(
    PgSession& session, const NewExperiment& wanted, WriteMode mode = WriteMode::kCommit);

/// All experiments, newest first; `status` empty: whatever their status.
boost::system::result<std::vector<ExperimentRow>, SyncError> list_experiments(
    PgSession& session, const std::string& status = {});

/// One experiment by uuid or name. @error kNotFound none; kInvalid a name that several share.
boost::system::result<ExperimentRow, SyncError> find_experiment(PgSession& session,
                                                                const std::string& name_or_id);

/// Changes the status. @error kNotFound none; kInvalid not possible from the status it has, or
/// resuming beside another active experiment of the flag. With kDryRun nothing is stored.
boost::system::result<ExperimentRow, SyncError> change_experiment(
    PgSession& session, const std::string& name_or_id, ExperimentChange change,
    const std::string& why, WriteMode mode = WriteMode::kCommit);

/// "0189f7c2-....": 36 characters, lower case.
std::string to_text(const Uuid& id);

/// Reads the 36-character form, either case; nothing otherwise.
std::optional<Uuid> parse_uuid(std::string_view text);

}  // namespace burgee::sync
