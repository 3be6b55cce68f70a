#include "sync/database_audit.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "sync/flag_audit.hpp"
#include "sync/flag_queries.hpp"
#include "sync/flag_text.hpp"

namespace burgee::sync {
namespace {

constexpr const char* kWhere =
    "SELECT to_regclass('burgee.settings') IS NOT NULL, to_regclass('burgee.cells') IS NOT NULL,"
    " EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('public.ab_test_metrics')"
    "         AND attname = 'unit' AND NOT attisdropped),"
    " coalesce((SELECT relkind = 'r' FROM pg_class"
    "           WHERE oid = to_regclass('public.ab_test_metrics')), false),"
    " (extract(epoch FROM now()) * 1000)::bigint,"
    " to_regclass('burgee.metric_backfill') IS NOT NULL";

// Not flag_queries' SELECT: that one needs our schema.
constexpr const char* kFlags =
    "SELECT f.name, f.status, f.rollout_percentage::text, f.segments::text, f.variants::text,"
    " f.metadata::text,"
    " CASE WHEN isfinite(f.expires_at) THEN floor(extract(epoch FROM f.expires_at) * 1000)::bigint"
    "      WHEN f.expires_at = '-infinity' THEN 0 END,"
    " f.created_at IS NOT NULL, f.updated_at IS NOT NULL"
    " FROM public.feature_flags f ORDER BY f.name";
constexpr const char* kExperiments =
    "SELECT e.id::text, e.name, f.name, coalesce(now() >= e.start_date, true)"
    " AND coalesce(now() < e.end_date, true)"
    " FROM public.ab_test_experiments e JOIN public.feature_flags f ON f.id = e.feature_flag_id"
    " WHERE e.status = 'active' ORDER BY e.start_date DESC NULLS LAST, e.id";

// One pass over the rows, then everything from the groups. The parts are told apart in the order in
// which the uploader decides; a time is cut to milliseconds as it does.
#define BURGEE_CENSUS(known_cells, without_unit)                                                   \
    "WITH variant AS MATERIALIZED ("                                                               \
    "  SELECT e.id AS experiment_id, v.value ->> 'name' AS name FROM public.ab_test_experiments e" \
    "  JOIN public.feature_flags f ON f.id = e.feature_flag_id CROSS JOIN LATERAL"                 \
    "  jsonb_array_elements(CASE WHEN jsonb_typeof(f.variants) = 'array'"                          \
    "                            THEN f.variants ELSE '[]' END) v" known_cells                     \
    "), counted AS MATERIALIZED ("                                                                 \
    "  SELECT m.experiment_id, m.variant_name, e.name, e.id IS NOT NULL AS has_experiment,"        \
    "   count(*) AS n, count(*) FILTER (WHERE " without_unit                                       \
    ") AS without_unit,"                                                                           \
    "   count(*) FILTER (WHERE NOT (" without_unit                                                 \
    ") AND NOT coalesce("                                                                          \
    "     date_trunc('milliseconds', m.created_at)"                                                \
    "       >= date_trunc('milliseconds', coalesce(e.start_date, '-infinity'))"                    \
    "     AND date_trunc('milliseconds', m.created_at)"                                            \
    "       < date_trunc('milliseconds', coalesce(e.end_date, 'infinity')), false))"               \
    "     AS outside_dates"                                                                        \
    "  FROM public.ab_test_metrics m LEFT JOIN public.ab_test_experiments e"                       \
    "    ON e.id = m.experiment_id GROUP BY 1, 2, 3, 4), "                                         \
    "judged AS (SELECT c.*, EXISTS (SELECT FROM variant v WHERE v.experiment_id = c.experiment_id" \
    "    AND v.name = c.variant_name) AS is_known FROM counted c) "                                \
    "(SELECT NULL::text, NULL::text, NULL::text, coalesce(sum(n), 0)::bigint,"                     \
    "  coalesce(sum(n) FILTER (WHERE NOT has_experiment), 0)::bigint,"                             \
    "  coalesce(sum(n) FILTER (WHERE has_experiment AND NOT is_known), 0)::bigint,"                \
    "  coalesce(sum(without_unit) FILTER (WHERE is_known), 0)::bigint,"                            \
    "  coalesce(sum(outside_dates) FILTER (WHERE is_known), 0)::bigint FROM judged) "              \
    "UNION ALL (SELECT coalesce(experiment_id::text, 'NULL'), name, variant_name, n, 0, 0, 0, 0"   \
    "  FROM judged WHERE NOT is_known ORDER BY n DESC LIMIT 100)"
#define BURGEE_NO_NAMES "nullif(m.user_id, '') IS NULL AND nullif(m.session_id, '') IS NULL"
constexpr const char* kCensus =
    BURGEE_CENSUS("  UNION SELECT c.experiment_id, c.variant FROM burgee.cells c",
                  BURGEE_NO_NAMES " AND m.unit IS NULL");
constexpr const char* kCensusWithoutSchema = BURGEE_CENSUS("", BURGEE_NO_NAMES);
#undef BURGEE_NO_NAMES
#undef BURGEE_CENSUS

// Round n + 1 consists of the rows with lsn -n. They were written after it was opened, but a
// program may send any created_at: every row has to be looked at.
constexpr const char* kUncounted =
    "SELECT count(*) FROM public.ab_test_metrics m, (SELECT b.round FROM burgee.metric_backfill b"
    " WHERE NOT coalesce((to_jsonb(b) ->> 'folds_later_rows')::boolean, false)"  // since 011
    "   AND b.round = (SELECT max(n.round) FROM burgee.metric_backfill n)) b"
    " WHERE m.spool_id IS NULL AND m.lsn = -b.round";

struct Where {
    bool has_settings = false;
    bool has_cells = false;
    bool has_unit = false;
    bool is_ordinary = false;  ///< the metrics table is not partitioned: of the former system
    std::int64_t now_unix_ms = 0;
    bool has_backfill = false;
};

Where look_around(PgTransaction& open) {
    const PgRows row = open.query(kWhere);
    return {row.boolean(0, 0), row.boolean(0, 1), row.boolean(0, 2),
            row.boolean(0, 3), row.integer(0, 4), row.boolean(0, 5)};
}

AuditedFlag flag_at(const PgRows& rows, std::size_t row) {
    AuditedFlag flag;
    flag.row.name = rows.value(row, 0);
    flag.row.status = rows.value(row, 1);
    flag.row.rollout_percentage = rows.value(row, 2);
    flag.row.segments = rows.value(row, 3);
    flag.row.variants = rows.value(row, 4);
    flag.row.metadata = rows.value(row, 5);
    if (!rows.is_null(row, 6)) {
        flag.row.expires_unix_ms = rows.integer(row, 6);
    }
    flag.row.has_created_at = rows.boolean(row, 7);
    flag.row.has_updated_at = rows.boolean(row, 8);
    return flag;
}

std::map<std::string, std::vector<AuditedExperiment>> active_by_flag(PgTransaction& open) {
    std::map<std::string, std::vector<AuditedExperiment>> active;
    const PgRows rows = open.query(kExperiments);
    for (std::size_t row = 0; row < rows.size(); ++row) {
        std::string flag = rows.value(row, 2).value_or("");
        active[flag].push_back({std::string(rows.text(row, 0)), rows.value(row, 1).value_or(""),
                                flag, rows.boolean(row, 3)});
    }
    return active;
}

Findings audit_all(PgTransaction& open) {
    const Where where = look_around(open);
    // Before the schema is there: what adopting will write.
    const FlagSettings settings =
        where.has_settings ? read_settings(open) : FlagSettings{Bucketing::kLegacyMd5, true};
    const auto active = active_by_flag(open);
    const PgRows rows = open.query(kFlags);
    Findings findings;
    std::size_t omitted = 0;
    for (std::size_t row = 0; row < rows.size(); ++row) {
        AuditedFlag flag = flag_at(rows, row);
        flag.now_unix_ms = where.now_unix_ms;
        flag.is_adopted = where.is_ordinary;
        if (const auto found = active.find(flag.row.name.value_or("")); found != active.end()) {
            flag.experiments = found->second;
        }
        for (Finding& finding : audit_flag(flag, settings)) {
            if (findings.size() < kFindingsMax) {
                findings.push_back(std::move(finding));
            } else {
                ++omitted;
            }
        }
    }
    if (omitted > 0) {
        findings.push_back(
            {Severity::kWarn, "flags",
             std::to_string(omitted) + " findings more are not shown: mend these first",
             "burgee flag problems"});
    }
    findings.push_back({Severity::kOk, "flags", std::to_string(rows.size()) + " looked at", ""});
    return findings;
}

/// One (experiment, variant) whose rows count for nothing.
Finding unknown_rows(const PgRows& rows, std::size_t row) {
    const std::string count = std::to_string(rows.integer(row, 3));
    if (rows.is_null(row, 1)) {
        return {
            Severity::kWarn, "experiment " + std::string(rows.text(row, 0)),
            count + " metric rows name it and it does not exist: they stay, and count for nothing",
            ""};
    }
    const std::string variant = "\"" + shown_text(rows.value(row, 2).value_or("")) + "\"";
    return {Severity::kWarn, "experiment " + shown_text(rows.text(row, 1)),
            count + " metric rows are of the variant " + variant +
                ", which its flag does not list: they stay, and count for nothing unless the flag "
                "lists it, with weight 0, before they are counted",
            "burgee experiment show " + std::string(rows.text(row, 0))};
}

MetricCensus census_of(const PgRows& rows) {
    const auto count = [&](std::size_t column) {
        return static_cast<std::uint64_t>(rows.integer(0, column));
    };
    MetricCensus census{count(3), count(4), count(5), count(6), count(7), 0, {}};
    census.countable = census.row_count - census.unknown_experiment - census.unknown_variant -
                       census.without_unit - census.outside_dates;
    for (std::size_t row = 1; row < rows.size(); ++row) {
        census.findings.push_back(unknown_rows(rows, row));
    }
    if (census.without_unit > 0) {
        census.findings.push_back(
            {Severity::kWarn, "metric rows",
             std::to_string(census.without_unit) + " of " + std::to_string(census.row_count) +
                 " have neither user nor session: they stay, and count for no result",
             ""});
    }
    return census;
}

/// Runs a query that may take long; nothing when it took longer than `limit`.
template <class Value, class Body>
SyncResult<std::optional<Value>> within(PgSession& session, std::chrono::milliseconds limit,
                                        Body body) {
    constexpr std::string_view kQueryCanceled = "57014";
    SyncResult<Value> result = session.transaction(PgAccess::kReadOnly, [&](PgTransaction& open) {
        open.script("SET LOCAL jit = off; SET LOCAL statement_timeout = " +
                    std::to_string(limit.count()));
        return body(open);
    });
    if (result) {
        return std::optional<Value>(std::move(result.value()));
    }
    if (result.error().sqlstate == kQueryCanceled) {
        return std::optional<Value>();
    }
    return result.error();
}

}  // namespace

SyncResult<Findings> audit_flags(PgSession& session) {
    return session.transaction(PgAccess::kReadOnly, audit_all);
}

SyncResult<std::optional<MetricCensus>> count_metric_rows(PgSession& session,
                                                          std::chrono::milliseconds time_limit) {
    return within<MetricCensus>(session, time_limit, [](PgTransaction& open) {
        const Where where = look_around(open);
        return census_of(
            open.query(where.has_cells && where.has_unit ? kCensus : kCensusWithoutSchema));
    });
}

SyncResult<std::optional<std::uint64_t>> count_uncounted_rows(
    PgSession& session, std::chrono::milliseconds time_limit) {
    return within<std::uint64_t>(session, time_limit, [](PgTransaction& open) {
        return look_around(open).has_backfill
                   ? static_cast<std::uint64_t>(open.query(kUncounted).integer(0, 0))
                   : 0U;
    });
}

}  // namespace burgee::sync
