#pragma once

// Takes over a database of the former Python system in place: our schema beside its three tables,
// its buckets as they were, its metric rows counted. Nobody who writes there notices, but for
// moments in which a table is locked. docs/adoption.md is the guide. Relied on by `burgee db
// adopt`.
//
// Invariants:
//   1. No row of the three tables is changed.
//   2. It may be run again at any time, also after it died: what is done is not done twice.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "sync/finding.hpp"
#include "sync/metric_backfill.hpp"
#include "sync/migrations.hpp"

namespace burgee::sync {

/// What there is to adopt.
struct AdoptionFacts {
    int schema_version = 0;  ///< 0: nothing of ours is there yet
    std::uint64_t flag_count = 0;
    std::uint64_t experiment_count = 0;
    std::uint64_t metric_rows_about = 0;  ///< as the server's statistics estimate
    Findings findings;                    ///< what stands in the way (FAIL) or makes it slow (warn)
};

/// Reads only. Cost: milliseconds, whatever the tables hold.
SyncResult<AdoptionFacts> look_before_adopting(PgSession& session);

struct AdoptionReport {
    MigrationReport migrations;
    std::vector<std::pair<std::string, std::string>> settings;  ///< as they stand, by name
    BackfillState backfill;
};

/// Called after each transaction that counts rows.
using AdoptionProgress = std::function<void(const BackfillState&)>;

/// Adopts. Tables that somebody uses are waited for 2 s at a time, ten times; what the server
/// refuses for the moment is tried again.
/// @param options  of the owner of the tables; lock and statement timeouts are set here
/// @param folds_later_rows  whether rows that others write from now on are folded while they are
///                          written; nothing: as it is
/// @error kInvalid  look_before_adopting() finds a FAIL; nothing was changed
///        otherwise what the session says; run it again, it goes on where it stopped
SyncResult<AdoptionReport> adopt(PgOptions options, const AdoptionProgress& progress = {},
                                 std::optional<bool> folds_later_rows = {});

}  // namespace burgee::sync
