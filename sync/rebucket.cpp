#include "sync/rebucket.hpp"

#include <algorithm>
#include <utility>

#include "sync/flag_check.hpp"
#include "sync/flag_queries.hpp"
#include "sync/migrations.hpp"

namespace burgee::sync {
namespace {

constexpr const char* kLockFlag =
    "SELECT id::text, coalesce(segments ->> 'bucketing', '') <> '', coalesce(segments ->> 'salt', "
    "'')"
    " FROM public.feature_flags WHERE name = $1 FOR UPDATE";
constexpr const char* kFindFlag =
    "SELECT id::text, coalesce(segments ->> 'bucketing', '') <> '', coalesce(segments ->> 'salt', "
    "'')"
    " FROM public.feature_flags WHERE name = $1";
// A row that names no bucketing is legacy by the setting, and of such a row only `type` is read:
// everything else had no effect. $2: that is so; $3: the type hides another; $4: the salt.
constexpr const char* kNewSegments =
    "SELECT ((CASE WHEN $2::boolean THEN jsonb_strip_nulls(jsonb_build_object("
    "          'type', f.segments -> 'type')) ELSE coalesce(f.segments, '{}') END)"
    "        || CASE WHEN $3::boolean THEN '{\"type\": \"hash_based\"}'::jsonb ELSE '{}' END"
    "        || jsonb_build_object('bucketing', 'xxh3', 'salt', $4::text))::text,"
    " coalesce(f.segments::text, '{}')"
    " FROM public.feature_flags f WHERE f.name = $1";
constexpr const char* kDroppedKeys =
    "SELECT key FROM public.feature_flags f, jsonb_object_keys(CASE"
    " WHEN jsonb_typeof(f.segments) = 'object' THEN f.segments ELSE '{}' END) AS key"
    " WHERE f.name = $1 AND key <> 'type' ORDER BY key";
constexpr const char* kExperiments =
    "SELECT e.id::text, e.name, 1 + coalesce((SELECT max(p.phase) FROM burgee.experiment_phases p"
    "  WHERE p.experiment_id = e.id), 1) FROM public.ab_test_experiments e"
    " WHERE e.feature_flag_id = $1::uuid AND e.status IN ('active', 'paused') ORDER BY e.id";
constexpr const char* kWriteSegments =
    "UPDATE public.feature_flags SET segments = $2::jsonb WHERE name = $1";
constexpr const char* kWritePhase =
    "INSERT INTO burgee.experiment_phases (experiment_id, phase, reason) VALUES ($1, $2, $3)";
constexpr const char* kRevision = "SELECT value FROM burgee.revision";
constexpr std::string_view kLegacySalt = "rag-cms-features";  // of the former system, fixed there

/// What the flag means, or the refusal as an error.
FlagDefinition meaning_of(const RawFlag& row, const FlagSettings& settings,
                          const std::string& when) {
    FlagVerdict verdict = check_flag(row, settings);
    std::erase_if(verdict.problems, [](const FlagProblem& problem) { return !problem.is_refused; });
    if (!verdict.flag) {
        throw SyncFailure(SyncErrorKind::kInvalid, when + to_line(verdict.problems));
    }
    return *std::move(verdict.flag);
}

bool hides_type(const RawFlag& row, const FlagSettings& settings) {
    const FlagVerdict verdict = check_flag(row, settings);
    return std::any_of(verdict.problems.begin(), verdict.problems.end(),
                       [](const FlagProblem& problem) {
                           return problem.field == "segments.type" && !problem.is_refused;
                       });
}

/// The plan; nothing is written yet.
Rebucketing plan(PgTransaction& open, const std::string& name, const PgRows& flag) {
    const FlagSettings settings = read_settings(open);
    RawFlag row = read_flags(open, std::vector<std::string>{name}).at(0);
    FlagDefinition before = meaning_of(row, settings, "");
    if (before.bucketing != Bucketing::kLegacyMd5) {
        throw SyncFailure(SyncErrorKind::kInvalid,
                          "flag \"" + shown_name(name) + "\" has xxh3 buckets already");
    }
    const bool is_by_setting = !flag.boolean(0, 1);
    const std::string_view salt = flag.text(0, 2);
    const bool has_own_salt = !is_by_setting && !salt.empty() && salt != kLegacySalt;
    const PgRows segments = open.query(
        kNewSegments, {name, is_by_setting ? "t" : "f", hides_type(row, settings) ? "t" : "f",
                       has_own_salt ? std::string(salt) : name});
    Rebucketing result;
    result.segments_after = segments.text(0, 0);
    result.segments_before = segments.text(0, 1);
    row.segments = result.segments_after;
    FlagDefinition after = meaning_of(row, settings, "with xxh3 buckets ");
    result.before = split_of(before);
    result.after = split_of(after);
    // A draw at random has no sides to change.
    result.changed_share =
        before.strategy == Strategy::kRandom ? 0 : share_that_changes(result.before, result.after);
    result.flag_before = std::move(before);
    result.flag_after = std::move(after);
    result.database_unix_ms = read_revision(open).database_unix_ms;
    if (is_by_setting) {
        const PgRows keys = open.query(kDroppedKeys, {name});
        for (std::size_t key = 0; key < keys.size(); ++key) {
            result.dropped_keys.emplace_back(keys.text(key, 0));
        }
    }
    const PgRows experiments = open.query(kExperiments, {std::string(flag.text(0, 0))});
    for (std::size_t one = 0; one < experiments.size(); ++one) {
        result.experiments.push_back({std::string(experiments.text(one, 0)),
                                      std::string(experiments.text(one, 1)),
                                      static_cast<std::uint32_t>(experiments.integer(one, 2))});
    }
    return result;
}

}  // namespace

SyncResult<Rebucketing> rebucket(PgSession& session, const std::string& name,
                                 const std::string& why, RebucketMode mode) {
    const bool is_dry_run = mode == RebucketMode::kDryRun;
    const PgAccess access = is_dry_run ? PgAccess::kReadOnly : PgAccess::kReadWrite;
    return session.transaction(access, [&](PgTransaction& open) {
        require_schema(open);
        const PgRows flag = open.query(is_dry_run ? kFindFlag : kLockFlag, {name});
        if (flag.empty()) {
            throw SyncFailure(SyncErrorKind::kNotFound,
                              "there is no flag \"" + shown_name(name) + "\"");
        }
        Rebucketing result = plan(open, name, flag);
        if (is_dry_run) {
            return result;
        }
        open.query("SELECT set_config('burgee.why', $1, true)", {why});
        open.query(kWriteSegments, {name, result.segments_after});
        for (const RebucketedExperiment& experiment : result.experiments) {
            open.query(kWritePhase,
                       {experiment.id, std::to_string(experiment.phase),
                        why.empty() ? "rebucketed: xxh3" : "rebucketed: xxh3; " + why});
        }
        open.script("SET CONSTRAINTS ALL IMMEDIATE");
        result.revision = static_cast<std::uint64_t>(open.query(kRevision).integer(0, 0));
        return result;
    });
}

}  // namespace burgee::sync
