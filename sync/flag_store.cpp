#include "sync/flag_store.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "sync/flag_check.hpp"
#include "sync/flag_queries.hpp"
#include "sync/migrations.hpp"

namespace burgee::sync {
namespace {

/// Times as RFC 3339 in UTC, whatever the session's time zone.
#define BURGEE_SQL_TIME(column) \
    "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

constexpr const char* kRows =
    "SELECT f.name, f.description, f.status, coalesce(f.rollout_percentage, 0),"
    " coalesce(f.segments::text, '{}'), coalesce(f.variants::text, '[]'),"
    " coalesce(f.metadata::text, '{}')," BURGEE_SQL_TIME("f.expires_at") "," BURGEE_SQL_TIME(
        "f.created_at") "," BURGEE_SQL_TIME("f.updated_at") ","
    " coalesce((SELECT max(h.revision) FROM burgee.flag_history h WHERE h.kind = 'flag'"
    "           AND md5(h.name) = md5(f.name) AND h.name = f.name), 0) "
    "FROM public.feature_flags f WHERE $1::text IS NULL OR f.name = $1 ORDER BY f.name COLLATE \"C\"";

constexpr const char* kLock = "SELECT FROM public.feature_flags WHERE name = $1 FOR UPDATE";

constexpr const char* kCreate =
    "INSERT INTO public.feature_flags (name, description, status, rollout_percentage, segments,"
    " variants, metadata, expires_at) VALUES"
    " ($1, $2, $3, $4::float8, $5::jsonb, $6::jsonb, $7::jsonb, nullif($8, 'never')::timestamptz) "
    "ON CONFLICT DO "
    "NOTHING";

// A parameter that is NULL leaves its column alone; 'never' takes the expiry away.
constexpr const char* kUpdate =
    "UPDATE public.feature_flags SET description = coalesce($2, description),"
    " status = coalesce($3, status), rollout_percentage = coalesce($4::float8, rollout_percentage),"
    " segments = coalesce($5::jsonb, segments), variants = coalesce($6::jsonb, variants),"
    " metadata = coalesce($7::jsonb, metadata), expires_at = CASE WHEN $8::text IS NULL THEN "
    "expires_at"
    " WHEN $8 = 'never' THEN NULL ELSE $8::timestamptz END WHERE name = $1";

constexpr const char* kRemove = "DELETE FROM public.feature_flags WHERE name = $1";

constexpr const char* kHistory =
    "SELECT h.revision," BURGEE_SQL_TIME("h.changed_at") ", h.changed_by, coalesce(h.application, ''),"
    " h.why, h.before::text, h.after::text FROM burgee.flag_history h"
    " WHERE h.kind = 'flag' AND md5(h.name) = md5($1) AND h.name = $1 ORDER BY h.revision DESC, h.id DESC";

constexpr const char* kStateBeforeLast =
    "SELECT h.before::text FROM burgee.flag_history h WHERE h.kind = 'flag'"
    " AND md5(h.name) = md5($1) AND h.name = $1 ORDER BY h.revision DESC, h.id DESC LIMIT 1";

constexpr const char* kStateAt =
    "SELECT h.after::text FROM burgee.flag_history h WHERE h.kind = 'flag' AND md5(h.name) = "
    "md5($1)"
    " AND h.name = $1 AND h.revision <= $2 ORDER BY h.revision DESC, h.id DESC LIMIT 1";

// A deleted flag comes back under its own id; what stands now takes the former values.
constexpr const char* kRestore =
    "INSERT INTO public.feature_flags AS f (id, name, description, status, rollout_percentage,"
    " segments, variants, metadata, created_at, expires_at)"
    " SELECT r.id, r.name, r.description, r.status, r.rollout_percentage, r.segments, r.variants,"
    "        r.metadata, r.created_at, r.expires_at"
    " FROM jsonb_populate_record(NULL::public.feature_flags, $1::jsonb) r"
    " ON CONFLICT (name) DO UPDATE SET description = excluded.description, status = "
    "excluded.status,"
    " rollout_percentage = excluded.rollout_percentage, segments = excluded.segments,"
    " variants = excluded.variants, metadata = excluded.metadata, expires_at = excluded.expires_at";

#undef BURGEE_SQL_TIME

std::string number_text(double number) {
    std::array<char, 32> text{};
    const auto written = std::to_chars(text.data(), text.data() + text.size(), number);
    return {text.data(), written.ptr};
}

PgValue number_text(const std::optional<double>& number) {
    return number ? PgValue(number_text(*number)) : PgValue();
}

FlagRow flag_row(const PgRows& rows, std::size_t row) {
    FlagRow flag;
    flag.name = rows.value(row, 0).value_or("");
    flag.description = rows.value(row, 1);
    flag.status = rows.value(row, 2).value_or("");
    flag.rollout_percentage = rows.number(row, 3);
    flag.segments_json = rows.text(row, 4);
    flag.variants_json = rows.text(row, 5);
    flag.metadata_json = rows.text(row, 6);
    flag.expires_at = rows.value(row, 7);
    flag.created_at = rows.value(row, 8).value_or("");
    flag.updated_at = rows.value(row, 9).value_or("");
    flag.revision = static_cast<std::uint64_t>(rows.integer(row, 10));
    return flag;
}

[[noreturn]] void throw_not_found(const std::string& name) {
    throw SyncFailure(SyncErrorKind::kNotFound, "there is no flag \"" + shown_name(name) + "\"");
}

[[noreturn]] void throw_refused(std::vector<FlagProblem> problems) {
    std::erase_if(problems, [](const FlagProblem& problem) { return !problem.is_refused; });
    throw SyncFailure(SyncErrorKind::kInvalid, to_line(problems));
}

void note_reason(PgTransaction& open, const std::string& why) {
    open.query("SELECT set_config('burgee.why', $1, true)", {why});
}

/// "" and "never" mean no expiry.
PgValue expiry_of(const std::optional<std::string>& written) {
    return written && written->empty() ? PgValue("never") : written;
}

/// Checks values before the database sees them, because we name the field and it names a
/// constraint.
void check_before(PgTransaction& open, const FlagRow& row) {
    RawFlag raw;
    raw.name = row.name;
    raw.status = row.status;
    raw.rollout_percentage = number_text(row.rollout_percentage);
    raw.segments = row.segments_json;
    raw.variants = row.variants_json;
    raw.metadata = row.metadata_json;
    FlagVerdict verdict = check_flag(raw, read_settings(open));
    if (!verdict.flag) {
        throw_refused(std::move(verdict.problems));
    }
}

bool has_active_experiment(PgTransaction& open, const std::string& name) {
    const ActiveExperiments active = read_experiments(open);
    return std::any_of(
        active.experiments.begin(), active.experiments.end(),
        [&](const ExperimentDefinition& experiment) { return experiment.flag_name == name; });
}

/// Checks the row as hosts will read it; throws, and so undoes the change, when they would refuse
/// it.
std::vector<FlagProblem> check_after(PgTransaction& open, const std::string& name) {
    const std::vector<RawFlag> rows = read_flags(open, std::vector<std::string>{name});
    if (rows.empty()) {
        throw_not_found(name);
    }
    FlagVerdict verdict = check_flag(rows.front(), read_settings(open));
    if (!verdict.flag) {
        throw_refused(std::move(verdict.problems));
    }
    if (verdict.flag->strategy == Strategy::kRandom && has_active_experiment(open, name)) {
        throw_refused(
            {{shown_name(name), "segments.type",
              "cannot be \"random\" while an experiment is active: pause it first", true}});
    }
    return std::move(verdict.problems);
}

/// Runs the deferred triggers now, so that the revision of this change is known before the commit.
FlagWritten finish(PgTransaction& open, std::vector<FlagProblem> warnings) {
    open.script("SET CONSTRAINTS ALL IMMEDIATE");
    const PgRows rows = open.query(
        "SELECT value, coalesce(transaction_id = pg_current_xact_id(), false) FROM "
        "burgee.revision");
    FlagWritten written;
    written.revision = rows.empty() ? 0 : static_cast<std::uint64_t>(rows.integer(0, 0));
    written.is_changed = !rows.empty() && rows.boolean(0, 1);
    written.warnings = std::move(warnings);
    return written;
}

/// The whole row as JSON text that `name` is to have again.
std::string former_state(PgTransaction& open, const std::string& name,
                         std::optional<std::uint64_t> revision) {
    const PgRows rows = revision ? open.query(kStateAt, {name, std::to_string(*revision)})
                                 : open.query(kStateBeforeLast, {name});
    if (rows.empty()) {
        throw SyncFailure(SyncErrorKind::kNotFound,
                          "the history knows no flag \"" + shown_name(name) + "\"" +
                              (revision ? " at revision " + std::to_string(*revision) : ""));
    }
    if (rows.is_null(0, 0)) {
        throw SyncFailure(
            SyncErrorKind::kNotFound,
            "flag \"" + shown_name(name) + "\" did not exist " +
                (revision ? "at revision " + std::to_string(*revision) : "before its last change") +
                ": delete it to go back there");
    }
    return std::string(rows.text(0, 0));
}

}  // namespace

SyncResult<std::vector<FlagRow>> FlagStore::list() {
    return session_.transaction(PgAccess::kReadOnly, [](PgTransaction& open) {
        require_schema(open);
        const PgRows rows = open.query(kRows, {PgValue()});
        std::vector<FlagRow> flags;
        for (std::size_t row = 0; row < rows.size(); ++row) {
            flags.push_back(flag_row(rows, row));
        }
        return flags;
    });
}

SyncResult<FlagRow> FlagStore::show(const std::string& name) {
    return session_.transaction(PgAccess::kReadOnly, [&](PgTransaction& open) {
        require_schema(open);
        const PgRows rows = open.query(kRows, {name});
        if (rows.empty()) {
            throw_not_found(name);
        }
        return flag_row(rows, 0);
    });
}

SyncResult<FlagWritten> FlagStore::create(const FlagRow& row, const std::string& why) {
    return session_.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        require_schema(open);
        check_before(open, row);
        note_reason(open, why);
        const PgRows written =
            open.query(kCreate, {row.name, row.description, row.status,
                                 number_text(row.rollout_percentage), row.segments_json,
                                 row.variants_json, row.metadata_json, expiry_of(row.expires_at)});
        if (written.affected() == 0) {
            throw SyncFailure(
                SyncErrorKind::kAlreadyExists,
                "there is a flag \"" + shown_name(row.name) + "\" already: change it instead");
        }
        return finish(open, check_after(open, row.name));
    });
}

SyncResult<FlagWritten> FlagStore::update(const std::string& name, const FlagEdit& edit,
                                          const std::string& why) {
    return session_.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        require_schema(open);
        if (open.query(kLock, {name}).empty()) {
            throw_not_found(name);
        }
        FlagRow row = flag_row(open.query(kRows, {name}), 0);
        row.status = edit.status.value_or(row.status);
        row.rollout_percentage = edit.rollout_percentage.value_or(row.rollout_percentage);
        row.segments_json = edit.segments_json.value_or(row.segments_json);
        row.variants_json = edit.variants_json.value_or(row.variants_json);
        row.metadata_json = edit.metadata_json.value_or(row.metadata_json);
        check_before(open, row);
        note_reason(open, why);
        open.query(kUpdate, {name, edit.description, edit.status,
                             number_text(edit.rollout_percentage), edit.segments_json,
                             edit.variants_json, edit.metadata_json, expiry_of(edit.expires_at)});
        return finish(open, check_after(open, name));
    });
}

SyncResult<FlagWritten> FlagStore::remove(const std::string& name, const std::string& why) {
    return session_.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        require_schema(open);
        note_reason(open, why);
        if (open.query(kRemove, {name}).affected() == 0) {
            throw_not_found(name);
        }
        return finish(open, {});
    });
}

SyncResult<std::vector<FlagHistoryEntry>> FlagStore::history(const std::string& name) {
    return session_.transaction(PgAccess::kReadOnly, [&](PgTransaction& open) {
        require_schema(open);
        const PgRows rows = open.query(kHistory, {name});
        if (rows.empty() && open.query(kRows, {name}).empty()) {
            throw SyncFailure(SyncErrorKind::kNotFound,
                              "there is no flag \"" + shown_name(name) + "\" and never was");
        }
        std::vector<FlagHistoryEntry> entries;
        for (std::size_t row = 0; row < rows.size(); ++row) {
            entries.push_back({static_cast<std::uint64_t>(rows.integer(row, 0)),
                               std::string(rows.text(row, 1)), std::string(rows.text(row, 2)),
                               std::string(rows.text(row, 3)), rows.value(row, 4),
                               rows.value(row, 5), rows.value(row, 6)});
        }
        return entries;
    });
}

SyncResult<FlagWritten> FlagStore::rollback(const std::string& name,
                                            std::optional<std::uint64_t> to_revision,
                                            const std::string& why) {
    return session_.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        require_schema(open);
        open.query(kLock, {name});
        const std::string state = former_state(open, name, to_revision);
        note_reason(open, why);
        open.query(kRestore, {state});
        return finish(open, check_after(open, name));
    });
}

SyncResult<std::vector<FlagProblem>> FlagStore::problems() {
    return session_.transaction(PgAccess::kReadOnly, [](PgTransaction& open) {
        require_schema(open);
        const FlagSettings settings = read_settings(open);
        std::vector<FlagProblem> problems = read_experiments(open).problems;
        for (const RawFlag& row : read_flags(open, std::nullopt)) {
            FlagVerdict verdict = check_flag(row, settings);
            problems.insert(problems.end(), verdict.problems.begin(), verdict.problems.end());
        }
        return problems;
    });
}

}  // namespace burgee::sync
