#include "sync/flag_document_rows.hpp"

#include <map>
#include <pqxx/except>

#include "sync/flag_check.hpp"
#include "sync/flag_queries.hpp"
#include "sync/flag_text.hpp"
#include "sync/migrations.hpp"

namespace burgee::sync {
namespace {

// To the microsecond, the fraction without needless zeros (".000000" goes whole, and no zero before
// the point can stand at the end); infinity is never.
#define BURGEE_SQL_MOMENT(time)                                                              \
    "CASE WHEN isfinite(" time ") THEN regexp_replace(to_char(" time                         \
    " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), '\\.?0+$', '') || 'Z' WHEN " time \
    " = "                                                                                    \
    "'-infinity' THEN '-infinity' END"

constexpr const char* kFlags =
    "SELECT f.name, f.description, f.status, coalesce(f.rollout_percentage, 0),"
    " coalesce(f.segments::text, '{}'), coalesce(f.variants::text, '[]'),"
    " coalesce(f.metadata::text, '{}'), " BURGEE_SQL_MOMENT("f.expires_at") " "
    "FROM public.feature_flags f ORDER BY f.name COLLATE \"C\"";

constexpr const char* kMoment = "SELECT " BURGEE_SQL_MOMENT("$1::timestamptz");

#undef BURGEE_SQL_MOMENT

constexpr const char* kSegments =
    "SELECT s.name, s.description, s.constraints::text FROM burgee.segments s"
    " ORDER BY s.name COLLATE \"C\"";

constexpr const char* kLayers =
    "SELECT l.name, l.description FROM burgee.layers l ORDER BY l.name COLLATE \"C\"";

// Slots that follow each other have one difference between slot and place.
constexpr const char* kSlots =
    "SELECT run.layer, f.name, min(run.slot)::bigint, max(run.slot)::bigint"
    " FROM (SELECT s.layer, s.slot, s.flag_id, s.slot - row_number() OVER"
    "              (PARTITION BY s.layer, s.flag_id ORDER BY s.slot) AS start"
    "       FROM burgee.layer_slots s) AS run"
    " JOIN public.feature_flags f ON f.id = run.flag_id"
    " GROUP BY run.layer, f.name, f.id, run.start ORDER BY run.layer, f.name COLLATE \"C\", 3";

constexpr const char* kLockLayers =
    "SELECT FROM burgee.layers WHERE $1::text[] IS NULL OR name = ANY ($1::text[])"
    " ORDER BY name FOR UPDATE";

constexpr const char* kLockFlags =
    "SELECT FROM public.feature_flags WHERE $1::text[] IS NULL OR name = ANY ($1::text[])"
    " ORDER BY name FOR UPDATE";

constexpr const char* kWriteFlag =
    "INSERT INTO public.feature_flags AS f (name, description, status, rollout_percentage,"
    " segments, variants, metadata, expires_at) VALUES"
    " ($1, $2, $3, $4::float8, $5::jsonb, $6::jsonb, $7::jsonb, $8::timestamptz) "
    "ON CONFLICT (name) DO UPDATE SET description = excluded.description,"
    " status = excluded.status, rollout_percentage = excluded.rollout_percentage,"
    " segments = excluded.segments, variants = excluded.variants, metadata = excluded.metadata,"
    " expires_at = excluded.expires_at";

constexpr const char* kWriteSegment =
    "INSERT INTO burgee.segments (name, description, constraints) VALUES ($1, $2, $3::jsonb) "
    "ON CONFLICT (name) DO UPDATE SET description = excluded.description,"
    " constraints = excluded.constraints, updated_at = now()";

constexpr const char* kWriteLayer =
    "INSERT INTO burgee.layers (name, description) VALUES ($1, $2) "
    "ON CONFLICT (name) DO UPDATE SET description = excluded.description";

constexpr const char* kTakeSlots =
    "DELETE FROM burgee.layer_slots s WHERE s.layer = $1 AND s.flag_id IN"
    " (SELECT f.id FROM public.feature_flags f WHERE f.name = ANY ($2::text[]))";

constexpr const char* kGiveSlots =
    "INSERT INTO burgee.layer_slots (layer, slot, flag_id)"
    " SELECT $1, slot, f.id FROM public.feature_flags f,"
    "  unnest($3::integer[], $4::integer[]) AS range (first, last),"
    "  generate_series(range.first, range.last) AS slot WHERE f.name = $2";

constexpr const char* kDeleteFlags =
    "DELETE FROM public.feature_flags WHERE name = ANY ($1::text[])";
constexpr const char* kDeleteSegments = "DELETE FROM burgee.segments WHERE name = ANY ($1::text[])";
constexpr const char* kDeleteLayers = "DELETE FROM burgee.layers WHERE name = ANY ($1::text[])";

// Locked, so that none is resumed while its flag goes; "active" as when an experiment is created.
constexpr const char* kExperiments =
    "SELECT f.name, e.name, coalesce(e.status = 'active'"
    "  AND (e.end_date IS NULL OR e.end_date > now()), false)"
    " FROM public.ab_test_experiments e JOIN public.feature_flags f ON f.id = e.feature_flag_id"
    " WHERE f.name = ANY ($1::text[]) ORDER BY f.name COLLATE \"C\", e.created_at, e.id"
    " FOR UPDATE OF e";

std::string quoted(const std::string& name) {
    return "\"" + shown_name(name) + "\"";
}

[[noreturn]] void refuse(const std::string& what) {
    throw SyncFailure(SyncErrorKind::kInvalid, what);
}

JsonTree tree_of(std::string_view text, const std::string& row) {
    auto read = read_json_tree(text);
    if (const auto* complaint = std::get_if<std::string>(&read)) {
        refuse(row + " cannot be written into a document: " + *complaint);
    }
    return std::get<JsonTree>(std::move(read));
}

FlagEntry flag_entry(const PgRows& rows, std::size_t row) {
    FlagEntry flag;
    flag.name = rows.value(row, 0).value_or("");
    const std::string place = "flag " + quoted(flag.name);
    flag.description = rows.value(row, 1);
    flag.status = rows.text(row, 2);
    flag.rollout_percentage = rows.number(row, 3);
    flag.segments = tree_of(rows.text(row, 4), place);
    flag.variants = tree_of(rows.text(row, 5), place);
    flag.metadata = tree_of(rows.text(row, 6), place);
    flag.expires_at = rows.value(row, 7);
    return flag;
}

std::vector<LayerEntry> read_layers(PgTransaction& open) {
    std::vector<LayerEntry> layers;
    std::map<std::string, std::size_t, std::less<>> places;
    const PgRows rows = open.query(kLayers);
    for (std::size_t row = 0; row < rows.size(); ++row) {
        places.emplace(rows.text(row, 0), row);
        layers.push_back({std::string(rows.text(row, 0)), rows.value(row, 1), {}});
    }
    const PgRows slots = open.query(kSlots);
    for (std::size_t row = 0; row < slots.size(); ++row) {
        auto& owners = layers[places.find(slots.text(row, 0))->second].owners;
        if (owners.empty() || owners.back().flag != slots.text(row, 1)) {
            owners.push_back({std::string(slots.text(row, 1)), {}});
        }
        owners.back().slots.push_back({static_cast<std::uint16_t>(slots.integer(row, 2)),
                                       static_cast<std::uint16_t>(slots.integer(row, 3))});
    }
    return layers;
}

PgValue array_or_null(const std::optional<std::vector<std::string>>& names) {
    return names ? PgValue(text_array(*names)) : PgValue();
}

}  // namespace

FlagDocument read_document_rows(PgTransaction& open) {
    FlagDocument document;
    const PgRows flags = open.query(kFlags);
    for (std::size_t row = 0; row < flags.size(); ++row) {
        document.flags.push_back(flag_entry(flags, row));
    }
    const PgRows segments = open.query(kSegments);
    for (std::size_t row = 0; row < segments.size(); ++row) {
        const std::string name(segments.text(row, 0));
        document.segments.push_back({name, segments.value(row, 1),
                                     tree_of(segments.text(row, 2), "segment " + quoted(name))});
    }
    document.layers = read_layers(open);
    return document;
}

SyncResult<FlagDocument> read_document(PgSession& session) {
    return session.transaction(PgAccess::kReadOnly, [](PgTransaction& open) {
        require_schema(open);
        return read_document_rows(open);
    });
}

std::string canonical_time(PgTransaction& open, const std::string& flag, const std::string& text) {
    try {
        return open.query(kMoment, {text}).value(0, 0).value_or("");
    } catch (const pqxx::sql_error& error) {
        // The server's word about a time that it cannot read, in ours.
        if (error.sqlstate() != "22007" && error.sqlstate() != "22008") {
            throw;
        }
        refuse("flag " + quoted(flag) + ": expires_at is no time: " + quoted(text) +
               "; write one such as 2027-01-31T12:00:00Z, or null");
    }
}

void lock_rows(PgTransaction& open, const std::optional<std::vector<std::string>>& layers,
               const std::optional<std::vector<std::string>>& flags) {
    open.query(kLockLayers, {array_or_null(layers)});
    open.query(kLockFlags, {array_or_null(flags)});
}

void write_row(PgTransaction& open, const FlagEntry& flag) {
    open.query(kWriteFlag,
               {flag.name, flag.description, flag.status, json_number(flag.rollout_percentage),
                compact_text(flag.segments), compact_text(flag.variants),
                compact_text(flag.metadata), flag.expires_at});
}

void write_row(PgTransaction& open, const SegmentEntry& segment) {
    open.query(kWriteSegment,
               {segment.name, segment.description, compact_text(segment.constraints)});
}

void write_row(PgTransaction& open, const LayerEntry& layer) {
    open.query(kWriteLayer, {layer.name, layer.description});
}

void take_slots(PgTransaction& open, const std::string& layer,
                const std::vector<std::string>& flags) {
    open.query(kTakeSlots, {layer, text_array(flags)});
}

void give_slots(PgTransaction& open, const std::string& layer, const LayerEntry::Owner& owner) {
    std::vector<std::string> firsts;
    std::vector<std::string> lasts;
    for (const SlotRange& range : owner.slots) {
        firsts.push_back(std::to_string(range.first));
        lasts.push_back(std::to_string(range.last));
    }
    open.query(kGiveSlots, {layer, owner.flag, text_array(firsts), text_array(lasts)});
}

void delete_flags(PgTransaction& open, const std::vector<std::string>& names) {
    open.query(kDeleteFlags, {text_array(names)});
}

void delete_segments(PgTransaction& open, const std::vector<std::string>& names) {
    open.query(kDeleteSegments, {text_array(names)});
}

void delete_layers(PgTransaction& open, const std::vector<std::string>& names) {
    open.query(kDeleteLayers, {text_array(names)});
}

std::vector<std::pair<std::string, std::string>> experiments_of(
    PgTransaction& open, const std::vector<std::string>& flags) {
    std::vector<std::pair<std::string, std::string>> experiments;
    const PgRows rows = open.query(kExperiments, {text_array(flags)});
    for (std::size_t row = 0; row < rows.size(); ++row) {
        experiments.emplace_back(rows.text(row, 0), rows.text(row, 1));
        if (rows.boolean(row, 2)) {
            refuse("flag " + quoted(experiments.back().first) + " has the active experiment " +
                   quoted(experiments.back().second) +
                   ", which would be deleted with it for good: complete it first (burgee "
                   "experiment complete), or keep the flag in the file");
        }
    }
    return experiments;
}

}  // namespace burgee::sync
