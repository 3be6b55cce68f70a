#include "sync/housekeeping_audit.hpp"

#include <algorithm>
#include <cstdint>
#include <string>

#include "sync/flag_text.hpp"

namespace burgee::sync {
namespace {

constexpr const char* kHasWaiting = "SELECT to_regclass('burgee.waiting_units') IS NOT NULL";
// Those that a host or an adoption will fold yet, and those of which only the reason is known.
constexpr const char* kWaiting =
    "SELECT count(*) FILTER (WHERE units <> '{}'), count(*) FILTER (WHERE units = '{}'),"
    " coalesce(extract(epoch FROM now() - min(written_at))::bigint, 0),"
    " coalesce((array_agg(reason ORDER BY attempts DESC, id DESC))[1], '')"
    " FROM burgee.waiting_units WHERE reason IS NOT NULL";

// Since migration 014; NULL is no.
constexpr const char* kMayAskForMissingDays =
    "SELECT coalesce(has_function_privilege(to_regprocedure('burgee.missing_metric_days(integer)'),"
    "                                       'EXECUTE')"
    " AND has_table_privilege(to_regclass('burgee.housekeeping'), 'SELECT'), false)";
// Hosts make two days ahead, so that they had a day of time for tomorrow's. Nothing is missing
// before the first host tried.
constexpr const char* kMissingDays =
    "SELECT (SELECT count(*) FROM burgee.missing_metric_days(1)),"
    " (SELECT coalesce(min(day), '-infinity')::text FROM burgee.missing_metric_days(1) day),"
    " extract(epoch FROM now() - h.last_attempt_at)::bigint FROM burgee.housekeeping h"
    " WHERE h.task = 'partitions' AND h.last_attempt_at > '-infinity'";

constexpr const char* kMayAskForOldPartitions =
    "SELECT coalesce(has_function_privilege(to_regprocedure('burgee.old_metric_partitions()'),"
    "                                       'EXECUTE'), false)";
constexpr const char* kRetentionSetting =
    "SELECT value, CASE WHEN value ~ '^[1-9][0-9]{0,4}$' THEN value::int <= 36500 ELSE false END"
    " FROM burgee.settings WHERE name = 'metrics.retention_days'";
constexpr const char* kKeptPartitions =
    "SELECT count(*), coalesce(min(partition), ''),"
    " coalesce((array_agg(kept_because ORDER BY partition))[1], '')"
    " FROM burgee.old_metric_partitions() WHERE kept_because IS NOT NULL";

// A host is looked after while it was seen in the last week; who was away longer is taken for gone.
constexpr const char* kHosts =
    "SELECT h.host, extract(epoch FROM now() - h.seen_at)::bigint,"
    " h.spool_lag_events, h.dropped_events,"
    " coalesce((to_jsonb(h) ->> 'spool_size_bytes')::bigint, 0)"  // since migration 012
    " FROM burgee.hosts h WHERE h.seen_at > now() - interval '7 days' ORDER BY h.seen_at, h.host";
constexpr std::int64_t kSilentSeconds = 60;  // six heartbeats
constexpr std::size_t kHostsShownMax = 20;   // chosen by feel; the first line counts them all
constexpr std::int64_t kBytesPerMib = 1 << 20;

// Statements of other writers whose rows could not be counted at their commit.
void look_at_waiting(PgTransaction& open, Findings& findings) {
    if (!open.query(kHasWaiting).boolean(0, 0)) {
        return;
    }
    const PgRows row = open.query(kWaiting);
    const std::string why = std::to_string(row.integer(0, 2)) +
                            " s old the oldest, the reason of one: " + shown_text(row.text(0, 3));
    if (row.integer(0, 0) > 0) {
        findings.push_back({Severity::kWarn, "waiting rows",
                            "rows of " + std::to_string(row.integer(0, 0)) +
                                " statements of other writers are in no result yet, " + why,
                            "psql -c 'SELECT burgee.fold_waiting_units(1000)'"});
    }
    if (row.integer(0, 1) > 0) {
        findings.push_back(
            {Severity::kFail, "waiting rows",
             std::to_string(row.integer(0, 1)) +
                 " statements of other writers were not counted and never will be, " + why,
             "burgee db verify"});
    }
}

void look_at_missing_days(PgTransaction& open, Findings& findings) {
    if (!open.query(kMayAskForMissingDays).boolean(0, 0)) {
        return;
    }
    const PgRows row = open.query(kMissingDays);
    if (!row.empty() && row.integer(0, 0) > 0) {
        findings.push_back(
            {Severity::kWarn, "partitions",
             std::to_string(row.integer(0, 0)) + " of today and tomorrow have none, from " +
                 std::string(row.text(0, 1)) + ", last tried " + std::to_string(row.integer(0, 2)) +
                 " s ago: the DEFAULT partition is in use, or has rows of that day already (docs/"
                 "database.md, \"Days come and go\")",
             ""});
    }
}

void look_at_retention(PgTransaction& open, Findings& findings) {
    const PgRows setting = open.query(kRetentionSetting);
    if (setting.empty()) {
        return;
    }
    const std::string days = shown_text(setting.text(0, 0));
    if (!setting.boolean(0, 1)) {
        findings.push_back({Severity::kFail, "retention",
                            "metrics.retention_days is \"" + days +
                                "\", no number of days from 1 to 36500: nothing is dropped",
                            "psql -c \"UPDATE burgee.settings SET value = '90' WHERE name = "
                            "'metrics.retention_days'\""});
        return;
    }
    findings.push_back(
        {Severity::kOk, "retention", "days of raw rows older than " + days + " are dropped", ""});
    if (!open.query(kMayAskForOldPartitions).boolean(0, 0)) {
        return;
    }
    const PgRows kept = open.query(kKeptPartitions);
    if (kept.integer(0, 0) > 0) {
        findings.push_back({Severity::kWarn, "retention",
                            std::to_string(kept.integer(0, 0)) + " older days are kept, from " +
                                std::string(kept.text(0, 1)) + ": " + std::string(kept.text(0, 2)),
                            ""});
    }
}

Finding host_at(const PgRows& rows, std::size_t row) {
    const bool is_silent = rows.integer(row, 1) > kSilentSeconds;
    const bool has_dropped = rows.integer(row, 3) > 0;
    return {is_silent || has_dropped ? Severity::kWarn : Severity::kOk,
            "host " + shown_text(rows.text(row, 0)),
            "heard " + std::to_string(rows.integer(row, 1)) + " s ago, " +
                std::to_string(rows.integer(row, 2)) + " events on their way, " +
                std::to_string(rows.integer(row, 4) / kBytesPerMib) + " MiB of spool, " +
                std::to_string(rows.integer(row, 3)) + " events dropped",
            ""};
}

// The silent ones come first.
void look_at_hosts(PgTransaction& open, Findings& findings) {
    const PgRows rows = open.query(kHosts);
    if (rows.empty()) {
        return;
    }
    std::size_t silent = 0;
    for (std::size_t row = 0; row < rows.size(); ++row) {
        silent += rows.integer(row, 1) > kSilentSeconds ? 1U : 0U;
    }
    findings.push_back({Severity::kOk, "hosts",
                        std::to_string(rows.size() - silent) + " were heard in the last minute, " +
                            std::to_string(silent) + " more in the last week",
                        ""});
    for (std::size_t row = 0; row < std::min(rows.size(), kHostsShownMax); ++row) {
        findings.push_back(host_at(rows, row));
    }
}

}  // namespace

Findings audit_housekeeping(PgTransaction& open) {
    Findings findings;
    look_at_waiting(open, findings);
    look_at_missing_days(open, findings);
    look_at_retention(open, findings);
    look_at_hosts(open, findings);
    return findings;
}

}  // namespace burgee::sync
