#pragma once

// The statements of the flag store. $1 is a flag's name unless a comment says otherwise.

namespace burgee::sync {

/// Times as RFC 3339 in UTC, whatever the session's time zone.
#define BURGEE_SQL_TIME(column) \
    "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

inline constexpr const char* kRows =
    "SELECT f.name, f.description, f.status, coalesce(f.rollout_percentage, 0),"
    " coalesce(f.segments::text, '{}'), coalesce(f.variants::text, '[]'),"
    " coalesce(f.metadata::text, '{}')," BURGEE_SQL_TIME("f.expires_at") "," BURGEE_SQL_TIME(
        "f.created_at") "," BURGEE_SQL_TIME("f.updated_at") ","
    " coalesce((SELECT max(h.revision) FROM burgee.flag_history h WHERE h.kind = 'flag'"
    "           AND md5(h.name) = md5(f.name) AND h.name = f.name), 0),"
    " CASE WHEN isfinite(f.updated_at) THEN greatest(0, extract(epoch FROM now() - "
    "f.updated_at))::bigint END,"
    " coalesce(f.expires_at <= now(), false) "
    "FROM public.feature_flags f WHERE $1::text IS NULL OR f.name = $1"
    " ORDER BY f.name COLLATE \"C\"";

inline constexpr const char* kLock = "SELECT FROM public.feature_flags WHERE name = $1 FOR UPDATE";

inline constexpr const char* kCreate =
    "INSERT INTO public.feature_flags (name, description, status, rollout_percentage, segments,"
    " variants, metadata, expires_at) VALUES"
    " ($1, $2, $3, $4::float8, $5::jsonb, $6::jsonb, $7::jsonb, nullif($8, 'never')::timestamptz) "
    "ON CONFLICT DO "
    "NOTHING";

// A parameter that is NULL leaves its column alone; 'never' takes the expiry away.
inline constexpr const char* kUpdate =
    "UPDATE public.feature_flags SET description = coalesce($2, description),"
    " status = coalesce($3, status), rollout_percentage = coalesce($4::float8, rollout_percentage),"
    " segments = coalesce($5::jsonb, segments), variants = coalesce($6::jsonb, variants),"
    " metadata = coalesce($7::jsonb, metadata), expires_at = CASE WHEN $8::text IS NULL THEN "
    "expires_at"
    " WHEN $8 = 'never' THEN NULL ELSE $8::timestamptz END WHERE name = $1";

// Locked, so that none is resumed while its flag goes; "active" as when an experiment is created.
inline constexpr const char* kLockExperiments =
    "SELECT e.name, coalesce(e.status = 'active' AND (e.end_date IS NULL OR e.end_date > now()), "
    "false)"
    " FROM public.ab_test_experiments e JOIN public.feature_flags f ON f.id = e.feature_flag_id"
    " WHERE f.name = $1 ORDER BY e.created_at, e.id FOR UPDATE OF e";

inline constexpr const char* kRemove = "DELETE FROM public.feature_flags WHERE name = $1";

inline constexpr const char* kHistory =
    "SELECT h.revision," BURGEE_SQL_TIME(
        "h.changed_at") ", h.changed_by, coalesce(h.application, ''),"
    " h.why, h.before::text, h.after::text FROM burgee.flag_history h"
    " WHERE h.kind = 'flag' AND md5(h.name) = md5($1) AND h.name = $1"
    " ORDER BY h.revision DESC, h.id DESC";

inline constexpr const char* kStateBeforeLast =
    "SELECT h.before::text FROM burgee.flag_history h WHERE h.kind = 'flag'"
    " AND md5(h.name) = md5($1) AND h.name = $1 ORDER BY h.revision DESC, h.id DESC LIMIT 1";

inline constexpr const char* kStateAt =
    "SELECT h.after::text FROM burgee.flag_history h WHERE h.kind = 'flag' AND md5(h.name) = "
    "md5($1)"
    " AND h.name = $1 AND h.revision <= $2 ORDER BY h.revision DESC, h.id DESC LIMIT 1";

// A deleted flag comes back under its own id; what stands now takes the former values.
inline constexpr const char* kRestore =
    "INSERT INTO public.feature_flags AS f (id, name, description, status, rollout_percentage,"
    " segments, variants, metadata, created_at, expires_at)"
    " SELECT r.id, r.name, r.description, r.status, r.rollout_percentage, r.segments, r.variants,"
    "        r.metadata, r.created_at, r.expires_at"
    " FROM jsonb_populate_record(NULL::public.feature_flags, $1::jsonb) r"
    " ON CONFLICT (name) DO UPDATE SET description = excluded.description, status = "
    "excluded.status,"
    " rollout_percentage = excluded.rollout_percentage, segments = excluded.segments,"
    " variants = excluded.variants, metadata = excluded.metadata, expires_at = excluded.expires_at";

/// $1 is the flag that changed.
inline constexpr const char* kRevisionAndExpiry =
    "SELECT value, coalesce(transaction_id = pg_current_xact_id(), false),"
    " coalesce((SELECT expires_at <= now() FROM public.feature_flags WHERE name = $1), false) "
    "FROM burgee.revision";

#undef BURGEE_SQL_TIME

}  // namespace burgee::sync
