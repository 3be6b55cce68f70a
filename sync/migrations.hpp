#pragma once

// Brings a database to this program's schema. The SQL is the files of migrations/, embedded; the
// same files run by hand with psql give the same schema. Forward only.

#include <chrono>
#include <span>
#include <string_view>
#include <vector>

#include "sync/pg_session.hpp"

namespace burgee::sync {

struct Migration {
    int version = 0;             ///< 4, 5, ...
    std::string_view file_name;  ///< "004_create_feature_flags_tables.sql"
    std::string_view sql;
};

/// Every migration this program knows, ascending by version.
std::span<const Migration> all_migrations();

/// The version this program was written for: that of the last migration.
int newest_schema_version();

struct MigrationReport {
    int version_before = 0;  ///< 0: nothing of ours was there
    int version_after = 0;
    std::vector<Migration> applied;  ///< in order; with kDryRun, what would be applied
};

enum class MigrateMode : std::uint8_t { kApply, kDryRun };

/// Applies what is missing, all of it in one transaction under an advisory lock, so that any number
/// of callers may run at once and one does the work.
/// @param  lock_timeout  how long to wait for a table that somebody is using; while we wait,
/// everybody
///         else waits behind us. 0: as long as it takes
/// @error  kFutureSchema  the database knows a version that this program does not; nothing is
/// changed
///         kConfiguration the role may not create tables
///         kBusy          lock_timeout passed; nothing is changed
SyncResult<MigrationReport> migrate(PgSession& session, MigrateMode mode = MigrateMode::kApply,
                                    std::chrono::milliseconds lock_timeout = {});

/// The newest version applied to this database, 0 for none.
SyncResult<int> schema_version(PgSession& session);

/// For readers and writers inside `sync`: throws SyncFailure with kMissingSchema or kFutureSchema
/// unless the database has exactly the schema of this program.
void require_schema(PgTransaction& open);

}  // namespace burgee::sync
