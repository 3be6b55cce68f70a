#include "sync/adoption.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

namespace burgee::sync {
namespace {

using std::chrono::milliseconds;

// As a metric writer waits for whoever merges the same units; and time for one transaction's sort.
constexpr milliseconds kLockTimeout{35'000};
constexpr milliseconds kStatementTimeout{600'000};
// While we wait for a table, everybody else waits behind us. Chosen by feel.
constexpr milliseconds kTableLockTimeout{2'000};
constexpr int kAttemptsMax = 10;
constexpr milliseconds kPause{1'000};  // in which those who waited behind us get their turn

// The columns that we read and write, with the types they may have. A metric's value must come back
// as it was written: `real` and a numeric of a scale round it, and unit state, which is folded before,
// would not be what the rows say.
constexpr const char* kColumns =
    "SELECT w.relation, w.name, w.kind, format_type(a.atttypid, a.atttypmod) FROM (VALUES"
    " ('feature_flags', 'id', 'uuid'), ('feature_flags', 'name', 'text'),"
    " ('feature_flags', 'description', 'text'), ('feature_flags', 'status', 'text'),"
    " ('feature_flags', 'rollout_percentage', 'double precision'),"
    " ('feature_flags', 'segments', 'jsonb'), ('feature_flags', 'variants', 'jsonb'),"
    " ('feature_flags', 'metadata', 'jsonb'),"
    " ('feature_flags', 'created_at', 'timestamp with time zone'),"
    " ('feature_flags', 'updated_at', 'timestamp with time zone'),"
    " ('feature_flags', 'expires_at', 'timestamp with time zone'),"
    " ('ab_test_experiments', 'id', 'uuid'), ('ab_test_experiments', 'feature_flag_id', 'uuid'),"
    " ('ab_test_experiments', 'name', 'text'), ('ab_test_experiments', 'hypothesis', 'text'),"
    " ('ab_test_experiments', 'success_metrics', 'jsonb'),"
    " ('ab_test_experiments', 'start_date', 'timestamp with time zone'),"
    " ('ab_test_experiments', 'end_date', 'timestamp with time zone'),"
    " ('ab_test_experiments', 'status', 'text'), ('ab_test_experiments', 'results', 'jsonb'),"
    " ('ab_test_experiments', 'created_at', 'timestamp with time zone'),"
    " ('ab_test_metrics', 'id', 'uuid'), ('ab_test_metrics', 'experiment_id', 'uuid'),"
    " ('ab_test_metrics', 'variant_name', 'text'), ('ab_test_metrics', 'user_id', 'text'),"
    " ('ab_test_metrics', 'session_id', 'text'), ('ab_test_metrics', 'metric_type', 'text'),"
    " ('ab_test_metrics', 'metric_value', 'double precision'),"
    " ('ab_test_metrics', 'metadata', 'jsonb'),"
    " ('ab_test_metrics', 'created_at', 'timestamp with time zone')) AS w (relation, name, kind)"
    " LEFT JOIN pg_attribute a ON a.attrelid = to_regclass('public.' || w.relation)"
    "  AND a.attname = w.name AND a.attnum > 0 AND NOT a.attisdropped"
    " WHERE a.attname IS NULL OR NOT (format_type(a.atttypid, NULL) = w.kind"
    "  OR w.kind = 'text' AND format_type(a.atttypid, NULL) = 'character varying'"
    "  OR w.kind = 'double precision' AND format_type(a.atttypid, a.atttypmod) = 'numeric'"
    "  OR w.name = 'rollout_percentage' AND format_type(a.atttypid, NULL) IN ('real', 'numeric'))";
constexpr const char* kTables =
    "SELECT w.name, c.oid IS NOT NULL, coalesce(c.relkind IN ('r', 'p'), false),"
    " coalesce(c.relkind = 'p', false), coalesce(pg_has_role(c.relowner, 'USAGE'), false),"
    " coalesce(row_security_active(c.oid), false), coalesce(greatest(c.reltuples, 0), 0)::bigint"
    " FROM (VALUES ('feature_flags'), ('ab_test_experiments'), ('ab_test_metrics')) AS w (name)"
    " LEFT JOIN pg_class c ON c.oid = to_regclass('public.' || w.name)";
constexpr const char* kMetricIndexes =
    "SELECT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
    "  AND a.attnum = i.indkey[0] WHERE i.indrelid = 'public.ab_test_metrics'::regclass"
    "  AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts = 1"
    "  AND a.attname = 'id' AND a.attnotnull),"
    " EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
    "  AND a.attnum = i.indkey[0] JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m"
    "  ON m.oid = c.relam WHERE i.indrelid = 'public.ab_test_metrics'::regclass AND i.indisvalid"
    "  AND i.indpred IS NULL AND a.attname = 'created_at' AND m.amname = 'btree')";
// What ON CONFLICT (name) can lean on.
constexpr const char* kFlagIndex =
    "SELECT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
    "  AND a.attnum = i.indkey[0] WHERE i.indrelid = 'public.feature_flags'::regclass"
    "  AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL"
    "  AND i.indnkeyatts = 1 AND a.attname = 'name')";
constexpr const char* kMayCreate =
    "SELECT to_regnamespace('burgee') IS NOT NULL OR"
    " has_database_privilege(current_database(), 'CREATE')";
constexpr const char* kCounts =
    "SELECT (SELECT count(*) FROM public.feature_flags),"
    " (SELECT count(*) FROM public.ab_test_experiments)";
// Migration 005 writes them for an ordinary metrics table; what somebody decided since then stands.
// As many notes as there may be: each is folded by itself.
constexpr const char* kFoldWaiting = "SELECT burgee.fold_waiting_units(2147483647)";
constexpr const char* kWriteSettings =
    "INSERT INTO burgee.settings (name, value) VALUES ('default_bucketing', 'legacy_md5'),"
    " ('legacy_canary', 'off') ON CONFLICT DO NOTHING";
constexpr const char* kReadSettings =
    "SELECT name, value FROM burgee.settings WHERE name IN ('default_bucketing', 'legacy_canary')"
    " ORDER BY name";

class FactFinder {
public:
    explicit FactFinder(PgTransaction& open) : open_(open) {}

    AdoptionFacts run() {
        look_at_tables();
        if (is_well(facts_.findings)) {
            look_at_columns();
            look_at_flags();
            look_at_metrics();
            const PgRows counts = open_.query(kCounts);
            facts_.flag_count = static_cast<std::uint64_t>(counts.integer(0, 0));
            facts_.experiment_count = static_cast<std::uint64_t>(counts.integer(0, 1));
        }
        if (!open_.query(kMayCreate).boolean(0, 0)) {
            add(Severity::kFail, "database", "this login may not create the schema burgee",
                "GRANT CREATE ON DATABASE ... TO ...");
        }
        return std::move(facts_);
    }

private:
    void add(Severity severity, std::string subject, std::string message, std::string command) {
        facts_.findings.push_back(
            {severity, std::move(subject), std::move(message), std::move(command)});
    }

    void look_at_tables() {
        const PgRows tables = open_.query(kTables);
        for (std::size_t row = 0; row < tables.size(); ++row) {
            const std::string name = "table " + std::string(tables.text(row, 0));
            if (!tables.boolean(row, 1)) {
                add(Severity::kFail, name, "is not here: this is no database of the former system",
                    "burgee db migrate");
            } else if (!tables.boolean(row, 2)) {
                add(Severity::kFail, name, "is a view or a foreign table, not a table", "");
            } else if (tables.boolean(row, 3)) {
                add(Severity::kFail, name, "is partitioned: it is not of the former system",
                    "burgee db migrate");
            } else if (!tables.boolean(row, 4)) {
                add(Severity::kFail, name, "belongs to another role: adopt with its owner's login",
                    "burgee db adopt --dsn ...");
            } else if (tables.boolean(row, 5)) {
                add(Severity::kFail, name, "hides rows from this login by row security",
                    "ALTER TABLE public." + std::string(tables.text(row, 0)) +
                        " NO FORCE ROW LEVEL SECURITY");
            }
            if (tables.text(row, 0) == "ab_test_metrics") {
                facts_.metric_rows_about = static_cast<std::uint64_t>(tables.integer(row, 6));
            }
        }
    }

    void look_at_columns() {
        const PgRows columns = open_.query(kColumns);
        for (std::size_t row = 0; row < columns.size(); ++row) {
            const std::string table(columns.text(row, 0));
            const std::string column(columns.text(row, 1));
            const std::string type(columns.text(row, 2));
            const bool is_missing = columns.is_null(row, 3);
            add(Severity::kFail, "column " + table + "." + column,
                is_missing
                    ? "is missing"
                    : "has the type " + std::string(columns.text(row, 3)) + " and needs " + type,
                "ALTER TABLE public." + table + (is_missing ? " ADD COLUMN " : " ALTER COLUMN ") +
                    column + (is_missing ? " " : " TYPE ") + type);
        }
    }

    void look_at_flags() {
        if (!open_.query(kFlagIndex).boolean(0, 0)) {
            add(Severity::kFail, "table feature_flags",
                "has no unique index on name: hosts refuse two rows of one name, and burgee could "
                "write a second one",
                "ALTER TABLE public.feature_flags ADD UNIQUE (name)");
        }
    }

    void look_at_metrics() {
        const PgRows indexes = open_.query(kMetricIndexes);
        if (!indexes.boolean(0, 0)) {
            add(Severity::kFail, "table ab_test_metrics",
                "has no primary key on id, which tells counted rows from others",
                "ALTER TABLE public.ab_test_metrics ADD PRIMARY KEY (id)");
        }
        if (!indexes.boolean(0, 1)) {
            add(Severity::kWarn, "table ab_test_metrics",
                "has no index on created_at: all of it is read once for every 200 000 rows",
                "CREATE INDEX CONCURRENTLY idx_metrics_time ON public.ab_test_metrics "
                "(created_at)");
        }
    }

    PgTransaction& open_;
    AdoptionFacts facts_;
};

/// Runs `action` again after a pause while its error says that it may succeed later.
template <class Action>
auto patiently(Action action) {
    auto result = action();
    for (int attempt = 1; attempt < kAttemptsMax && !result && result.error().is_transient();
         ++attempt) {
        std::this_thread::sleep_for(kPause);
        result = action();
    }
    return result;
}

std::string first_failure(const Findings& findings) {
    for (const Finding& finding : findings) {
        if (finding.severity == Severity::kFail) {
            return finding.subject + " " + finding.message +
                   (finding.command.empty() ? "" : ": " + finding.command);
        }
    }
    return "";
}

SyncResult<BackfillState> count_rows(PgSession& session, const BackfillOptions& options,
                                     const AdoptionProgress& progress) {
    MetricBackfill backfill(session, options);
    SyncResult<BackfillState> state = patiently([&] { return backfill.open(); });
    const auto is_done = [&] {
        return state->is_complete && state->folds_later_rows ==
                                         options.folds_later_rows.value_or(state->folds_later_rows);
    };
    while (state && !is_done()) {
        state = patiently([&] { return state->is_complete ? backfill.open() : backfill.step(); });
        if (state && progress) {
            progress(*state);
        }
    }
    return state;
}

/// Folds what could not be folded when it was written.
SyncResult<void> fold_waiting(PgSession& session) {
    return session.transaction(PgAccess::kReadWrite,
                               [](PgTransaction& open) { open.query(kFoldWaiting); });
}

}  // namespace

SyncResult<AdoptionFacts> look_before_adopting(PgSession& session) {
    SyncResult<int> version = schema_version(session);
    if (!version) {
        return version.error();
    }
    SyncResult<AdoptionFacts> facts = session.transaction(
        PgAccess::kReadOnly, [](PgTransaction& open) { return FactFinder(open).run(); });
    if (facts) {
        facts->schema_version = *version;
    }
    return facts;
}

SyncResult<AdoptionReport> adopt(PgOptions options, const AdoptionProgress& progress,
                                 std::optional<bool> folds_later_rows) {
    options.lock_timeout = kLockTimeout;
    options.statement_timeout = kStatementTimeout;
    PgSession session(std::move(options));
    const SyncResult<AdoptionFacts> facts = look_before_adopting(session);
    if (!facts) {
        return facts.error();
    }
    if (!is_well(facts->findings)) {
        return SyncError{SyncErrorKind::kInvalid, "", first_failure(facts->findings)};
    }
    AdoptionReport report;
    auto migrated =
        patiently([&] { return migrate(session, MigrateMode::kApply, kTableLockTimeout); });
    if (!migrated) {
        return migrated.error();
    }
    report.migrations = std::move(*migrated);
    const auto settings = session.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        open.query(kWriteSettings);
        const PgRows rows = open.query(kReadSettings);
        for (std::size_t row = 0; row < rows.size(); ++row) {
            report.settings.emplace_back(rows.text(row, 0), rows.text(row, 1));
        }
    });
    if (!settings) {
        return settings.error();
    }
    SyncResult<BackfillState> counted =
        count_rows(session, {.folds_later_rows = folds_later_rows}, progress);
    if (!counted) {
        return counted.error();
    }
    const SyncResult<void> folded = patiently([&] { return fold_waiting(session); });
    if (!folded) {
        return folded.error();
    }
    report.backfill = *counted;
    return report;
}

}  // namespace burgee::sync
