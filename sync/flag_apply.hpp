#pragma once

// Brings the database to what a flag document says, in one transaction, and tells what that
// changed. Relied on by `burgee flag apply`.
//
// Invariants:
//   1. All or nothing: what could not be published is refused with the whole document.
//   2. A row that is as the document says is not written, so the history has no line about it.
//   3. Without pruning, what the document does not name stays: flags, segments, layers, and the
//   slots
//      of flags that it does not name.

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "shm/flag_set.hpp"
#include "sync/dry_run.hpp"
#include "sync/flag_document.hpp"
#include "sync/pg_session.hpp"

namespace burgee::sync {

enum class EntryAction : std::uint8_t { kCreated, kChanged, kUnchanged, kDeleted, kKept };

/// "created", "changed", "unchanged", "deleted"; "kept" is what the document does not name.
std::string_view to_string(EntryAction action);

struct EntryChange {
    std::string name;
    EntryAction action = EntryAction::kUnchanged;
    EntryFields before;  ///< of kChanged and kDeleted: the whole entry
    EntryFields after;   ///< of kChanged and kCreated: the whole entry
};

/// What applying did, each list ascending by name.
struct FlagsApplied {
    std::uint64_t revision = 0;  ///< that hosts must reach; of a dry run the present one
    bool is_changed = false;
    std::vector<EntryChange> flags;
    std::vector<EntryChange> segments;
    std::vector<EntryChange> layers;
    std::vector<FlagProblem> warnings;  ///< of flags in the document
    std::vector<std::pair<std::string, std::string>> experiments_removed;  ///< (flag, experiment)
};

struct ApplyOptions {
    WriteMode mode = WriteMode::kCommit;
    bool is_pruning = false;  ///< delete what the document does not name
    std::string why;
};

/// Says why parts of a set could not be published although each row by itself is good: names that
/// are not there, circles, sizes. The snapshot builder knows, which this module does not.
using SetJudge = std::function<std::vector<FlagProblem>(const FlagChanges&)>;

/// @error  those of PgSession; kInvalid: a flag, a segment or a layer of the document could not be
///         published, or publishing of others would suffer, or a flag to be pruned has an active
///         experiment; the message names each place. Nothing was written.
SyncResult<FlagsApplied> apply_flag_document(PgSession& session, FlagDocument document,
                                             const ApplyOptions& options, const SetJudge& judge);

}  // namespace burgee::sync
