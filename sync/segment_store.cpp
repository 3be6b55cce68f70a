#include "sync/segment_store.hpp"

#include <iterator>

#include "sync/flag_check.hpp"
#include "sync/migrations.hpp"
#include "sync/segment_rows.hpp"
#include "sync/store_transaction.hpp"

namespace burgee::sync {
namespace {

constexpr std::size_t kUsersShownMax = 20;  // of each kind in one message

constexpr const char* kRows =
    "SELECT s.name, s.description, coalesce(s.constraints::text, '[]'),"
    " to_char(s.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),"
    " coalesce((SELECT max(h.revision) FROM burgee.flag_history h WHERE h.kind = 'segment'"
    "           AND md5(h.name) = md5(s.name) AND h.name = s.name), 0) "
    "FROM burgee.segments s WHERE $1::text IS NULL OR s.name = $1 ORDER BY s.name COLLATE \"C\"";

constexpr const char* kPut =
    "INSERT INTO burgee.segments AS s (name, description, constraints) VALUES ($1, $2, $3::jsonb) "
    "ON CONFLICT (name) DO UPDATE SET description = coalesce(excluded.description, s.description),"
    " constraints = excluded.constraints, updated_at = now()";

constexpr const char* kRemove = "DELETE FROM burgee.segments WHERE name = $1";

// Wherever {"segment": name} stands in the JSON, however deep.
constexpr const char* kUsers =
    "SELECT true, coalesce(f.name, '') COLLATE \"C\" AS name FROM public.feature_flags f"
    " WHERE jsonb_path_exists(f.segments, '$.**.segment ? (@ == $name)',"
    "                         jsonb_build_object('name', $1::text)) "
    "UNION ALL "
    "SELECT false, s.name COLLATE \"C\" FROM burgee.segments s"
    " WHERE s.name <> $1 AND jsonb_path_exists(s.constraints, '$.**.segment ? (@ == $name)',"
    "                         jsonb_build_object('name', $1::text)) "
    "ORDER BY 1 DESC, 2";

SegmentRow segment_row(const PgRows& rows, std::size_t row) {
    return {std::string(rows.text(row, 0)), rows.value(row, 1), std::string(rows.text(row, 2)),
            rows.value(row, 3).value_or(""), static_cast<std::uint64_t>(rows.integer(row, 4))};
}

[[noreturn]] void throw_not_found(const std::string& name) {
    throw SyncFailure(SyncErrorKind::kNotFound, "there is no segment \"" + shown_name(name) + "\"");
}

/// The warnings of a row that hosts take; throws when they would refuse it.
std::vector<FlagProblem> check(const RawSegment& row) {
    SegmentVerdict verdict = check_segment(row);
    if (!verdict.segment) {
        std::erase_if(verdict.problems,
                      [](const FlagProblem& problem) { return !problem.is_refused; });
        throw SyncFailure(SyncErrorKind::kInvalid, to_line(verdict.problems));
    }
    return std::move(verdict.problems);
}

SegmentUsers read_users(PgTransaction& open, const std::string& name) {
    SegmentUsers users;
    const PgRows rows = open.query(kUsers, {name});
    for (std::size_t row = 0; row < rows.size(); ++row) {
        (rows.boolean(row, 0) ? users.flags : users.segments).emplace_back(rows.text(row, 1));
    }
    return users;
}

/// "flags a, b and 3 more"
std::string listed(const char* what, const std::vector<std::string>& names) {
    std::string text = what;
    for (std::size_t index = 0; index < names.size() && index < kUsersShownMax; ++index) {
        text += (index == 0 ? " \"" : ", \"") + shown_name(names[index]) + "\"";
    }
    if (names.size() > kUsersShownMax) {
        text += " and " + std::to_string(names.size() - kUsersShownMax) + " more";
    }
    return text;
}

[[noreturn]] void throw_used(const std::string& name, const SegmentUsers& users) {
    std::string text = "segment \"" + shown_name(name) + "\" is used by ";
    if (!users.flags.empty()) {
        text += listed("flags", users.flags);
    }
    if (!users.segments.empty()) {
        text += (users.flags.empty() ? "" : " and by ") + listed("segments", users.segments);
    }
    throw SyncFailure(SyncErrorKind::kInvalid, text + ": change them first");
}

SegmentWritten written(PgTransaction& open, std::vector<FlagProblem> warnings) {
    const WrittenRevision taken = take_revision(open);
    return {taken.revision, taken.is_changed, std::move(warnings)};
}

}  // namespace

SyncResult<std::vector<SegmentRow>> SegmentStore::list() {
    return session_.transaction(PgAccess::kReadOnly, [](PgTransaction& open) {
        require_schema(open);
        const PgRows rows = open.query(kRows, {PgValue()});
        std::vector<SegmentRow> segments;
        for (std::size_t row = 0; row < rows.size(); ++row) {
            segments.push_back(segment_row(rows, row));
        }
        return segments;
    });
}

SyncResult<SegmentRow> SegmentStore::get(const std::string& name) {
    return session_.transaction(PgAccess::kReadOnly, [&](PgTransaction& open) {
        require_schema(open);
        const PgRows rows = open.query(kRows, {name});
        if (rows.empty()) {
            throw_not_found(name);
        }
        return segment_row(rows, 0);
    });
}

SyncResult<SegmentWritten> SegmentStore::put(const SegmentRow& row, const std::string& why) {
    return session_.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        require_schema(open);
        check({row.name, row.constraints_json});  // we name the place, the database would not
        note_reason(open, why);
        open.query(kPut, {row.name, row.description, row.constraints_json});
        // Once more as hosts read it: of a key that stands twice, the database kept the last.
        const std::vector<RawSegment> stored = read_segment_rows(open, std::vector{row.name});
        if (stored.empty()) {
            throw_not_found(row.name);
        }
        return written(open, check(stored.front()));
    });
}

SyncResult<SegmentWritten> SegmentStore::remove(const std::string& name, SegmentRemoval removal,
                                                const std::string& why) {
    return session_.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        require_schema(open);
        note_reason(open, why);
        if (open.query(kRemove, {name}).affected() == 0) {
            throw_not_found(name);
        }
        if (removal == SegmentRemoval::kUnlessUsed) {
            if (const SegmentUsers users = read_users(open, name); !users.empty()) {
                throw_used(name, users);
            }
        }
        return written(open, {});
    });
}

SyncResult<SegmentUsers> SegmentStore::users(const std::string& name) {
    return session_.transaction(PgAccess::kReadOnly, [&](PgTransaction& open) {
        require_schema(open);
        return read_users(open, name);
    });
}

SyncResult<std::vector<FlagProblem>> SegmentStore::problems() {
    return session_.transaction(PgAccess::kReadOnly, [](PgTransaction& open) {
        require_schema(open);
        FlagChanges changes;
        check_segments(read_segment_rows(open, std::nullopt), changes);
        return std::move(changes.problems);
    });
}

}  // namespace burgee::sync
