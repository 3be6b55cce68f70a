#pragma once

// Looks at the rows of a database for what its users would want to know: flags, experiments, metric
// rows. Reads only, and works before our schema is there. Relied on by `burgee doctor` and
// `burgee db adopt`, whose report it is.

#include <chrono>
#include <cstdint>
#include <optional>

#include "sync/finding.hpp"
#include "sync/pg_session.hpp"

namespace burgee::sync {

/// Findings of one audit that are kept; what comes after is one line that says how many. Chosen by
/// feel: more than anybody reads.
inline constexpr std::size_t kFindingsMax = 1'000;

/// Every flag and experiment, and one line that says how many were looked at.
SyncResult<Findings> audit_flags(PgSession& session);

/// Rows of ab_test_metrics by what they count for; the parts add up to row_count.
struct MetricCensus {
    std::uint64_t row_count = 0;
    std::uint64_t unknown_experiment = 0;
    std::uint64_t unknown_variant = 0;
    std::uint64_t without_unit = 0;
    std::uint64_t outside_dates = 0;
    std::uint64_t countable = 0;
    Findings findings;
};

/// Counts all metric rows, in one pass over the table: about 1 s a million.
/// @return  nothing when `time_limit` was not enough
SyncResult<std::optional<MetricCensus>> count_metric_rows(PgSession& session,
                                                          std::chrono::milliseconds time_limit);

/// Rows that others wrote and no round has counted yet (burgee.metric_backfill): 0 on a database
/// that was never adopted. Nothing when `time_limit` was not enough.
SyncResult<std::optional<std::uint64_t>> count_uncounted_rows(PgSession& session,
                                                              std::chrono::milliseconds time_limit);

}  // namespace burgee::sync
