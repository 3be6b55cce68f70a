#include "sync/migrations.hpp"

#include <string>

namespace burgee::sync {
namespace {

/// Any number of ours; must only differ from other advisory locks in the same database.
constexpr const char* kMigrationLock = "SELECT pg_advisory_xact_lock(hashtext('burgee.migrate'))";

int read_version(PgTransaction& open) {
    if (open.query("SELECT to_regclass('burgee.schema_version')").is_null(0, 0)) {
        return 0;
    }
    const PgRows rows = open.query("SELECT coalesce(max(version), 0) FROM burgee.schema_version");
    return static_cast<int>(rows.integer(0, 0));
}

void refuse_future(int version) {
    if (version > newest_schema_version()) {
        throw SyncFailure(SyncErrorKind::kFutureSchema,
                          "the schema of this database has version " + std::to_string(version) +
                              ", this program knows versions up to " +
                              std::to_string(newest_schema_version()) +
                              ": update the program; nothing was changed");
    }
}

}  // namespace

int newest_schema_version() {
    return all_migrations().back().version;
}

SyncResult<MigrationReport> migrate(PgSession& session, MigrateMode mode,
                                    std::chrono::milliseconds lock_timeout) {
    return session.transaction(PgAccess::kReadWrite, [=](PgTransaction& open) {
        // One caller works, the others wait here and then find nothing to do. As long as it takes:
        // a migration may build an index.
        open.script("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0");
        open.script(kMigrationLock);
        open.script("SET LOCAL lock_timeout = " + std::to_string(lock_timeout.count()));
        MigrationReport report;
        report.version_before = read_version(open);
        report.version_after = report.version_before;
        refuse_future(report.version_before);
        for (const Migration& migration : all_migrations()) {
            if (migration.version <= report.version_before) {
                continue;
            }
            if (mode == MigrateMode::kApply) {
                open.script(migration.sql);
                report.version_after = migration.version;
            }
            report.applied.push_back(migration);
        }
        return report;
    });
}

SyncResult<int> schema_version(PgSession& session) {
    return session.transaction(PgAccess::kReadOnly, read_version);
}

void require_schema(PgTransaction& open) {
    const int version = read_version(open);
    refuse_future(version);
    if (version < newest_schema_version()) {
        throw SyncFailure(
            SyncErrorKind::kMissingSchema,
            (version == 0 ? std::string("the tables of burgee are not in this database")
                          : "the schema of this database has version " + std::to_string(version) +
                                " and " + std::to_string(newest_schema_version()) + " is needed") +
                ": run \"burgee db migrate\"");
    }
}

}  // namespace burgee::sync
