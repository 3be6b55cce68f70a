#include "sync/flag_queries.hpp"

#include <charconv>
#include <functional>
#include <limits>
#include <map>

#include "sync/flag_text.hpp"

namespace burgee::sync {
namespace {

constexpr std::size_t kExperimentNameSizeMax = 1024;  // bytes; chosen by feel

constexpr const char* kRevision =
    "SELECT value, source_id, floor(extract(epoch FROM now()) * 1000)::bigint,"
    " extract(epoch FROM changed_at)::text FROM burgee.revision";

constexpr const char* kSettings =
    "SELECT name, value FROM burgee.settings WHERE name IN ('default_bucketing', 'legacy_canary')";

// Whether one pass over the history costs less than looking up the newest line of every flag: a
// line passed costs about a third of a lookup (measured with 1 000 000 flags: 3.5 s of CPU against
// 11 s).
constexpr const char* kIsHistoryShort =
    "SELECT coalesce((SELECT max(id) FROM burgee.flag_history), 0) <="
    " 3 * (SELECT count(*) FROM public.feature_flags)";

// $2: the newest lines of all flags come from one pass; what that does not know is looked up. An
// infinite date has no number: infinity means never, minus infinity long ago.
constexpr const char* kFlags =
    "SELECT f.name, f.status, f.rollout_percentage::text, f.segments::text, f.variants::text,"
    " f.metadata::text,"
    " CASE WHEN isfinite(f.expires_at) THEN floor(extract(epoch FROM f.expires_at) * 1000)::bigint"
    "      WHEN f.expires_at = '-infinity' THEN 0 END,"
    " f.created_at IS NOT NULL, f.updated_at IS NOT NULL,"
    " coalesce(newest.revision, (SELECT max(h.revision) FROM burgee.flag_history h"
    "   WHERE h.kind = 'flag' AND md5(h.name) = md5(f.name) AND h.name = f.name), 0),"
    " EXISTS (SELECT FROM burgee.layers l WHERE l.name = f.segments #>> '{layer,name}'),"
    " EXISTS (SELECT FROM burgee.layer_slots s WHERE s.flag_id = f.id) "
    "FROM public.feature_flags f LEFT JOIN (SELECT h.name, max(h.revision) AS revision"
    "   FROM burgee.flag_history h WHERE $2::boolean AND h.kind = 'flag' GROUP BY h.name) newest"
    "  ON newest.name = f.name "
    "WHERE $1::text[] IS NULL OR f.name = ANY ($1::text[])";

// Slots that follow each other have one difference between slot and place.
constexpr const char* kLayerSlots =
    "SELECT f.name, run.layer, min(run.slot)::bigint, max(run.slot)::bigint FROM"
    " (SELECT s.layer, s.slot, s.flag_id,"
    "         s.slot - row_number() OVER (PARTITION BY s.layer, s.flag_id ORDER BY s.slot) AS start"
    "  FROM burgee.layer_slots s WHERE $1::text[] IS NULL OR s.flag_id IN"
    "   (SELECT wanted.id FROM public.feature_flags wanted WHERE wanted.name = ANY ($1::text[])))"
    " AS run JOIN public.feature_flags f ON f.id = run.flag_id WHERE f.name IS NOT NULL"
    " GROUP BY f.name, run.layer, run.flag_id, run.start ORDER BY f.name, run.layer, 3";

// An experiment names its flag in one column, slots of a layer in another.
constexpr const char* kChanges =
    "SELECT h.revision, h.kind, h.name, h.after IS NULL,"
    " (SELECT f.name FROM public.feature_flags f WHERE f.id = coalesce("
    "   h.before ->> 'feature_flag_id', h.before ->> 'flag_id')::uuid),"
    " (SELECT f.name FROM public.feature_flags f WHERE f.id = coalesce("
    "   h.after ->> 'feature_flag_id', h.after ->> 'flag_id')::uuid),"
    " (SELECT EXISTS (SELECT FROM burgee.flag_history past WHERE past.revision = $1"
    "   AND extract(epoch FROM past.changed_at)::text = $3)) "
    "FROM burgee.flag_history h WHERE h.revision > $1 AND h.revision <= $2 ORDER BY h.id";

constexpr const char* kDeletedAmong =
    "SELECT wanted.name FROM unnest($1::text[]) AS wanted (name) WHERE"
    " (SELECT h.after IS NULL FROM burgee.flag_history h WHERE h.kind = $2"
    "  AND md5(h.name) = md5(wanted.name) AND h.name = wanted.name ORDER BY h.revision DESC, h.id "
    "DESC LIMIT 1)";

constexpr const char* kExperiments =
    "SELECT replace(e.id::text, '-', ''), e.name, f.name,"
    " CASE WHEN isfinite(e.start_date) THEN floor(extract(epoch FROM e.start_date) * 1000)::bigint"
    "      WHEN e.start_date = 'infinity' THEN 9223372036854775807 ELSE 0 END,"
    " CASE WHEN isfinite(e.end_date) THEN floor(extract(epoch FROM e.end_date) * 1000)::bigint"
    "      WHEN e.end_date = '-infinity' THEN 0 END,"
    " coalesce((SELECT max(p.phase) FROM burgee.experiment_phases p WHERE p.experiment_id = e.id), "
    "1),"
    " now() >= e.start_date AND (e.end_date IS NULL OR now() < e.end_date),"
    " e.start_date IS NULL "
    "FROM public.ab_test_experiments e JOIN public.feature_flags f ON f.id = e.feature_flag_id "
    "WHERE e.status = 'active' ORDER BY f.name, e.start_date DESC NULLS LAST, e.id";

Uuid uuid_of(std::string_view hex) {
    Uuid uuid{};
    for (std::size_t index = 0; index < uuid.size() && hex.size() >= 2 * uuid.size(); ++index) {
        std::from_chars(hex.data() + 2 * index, hex.data() + 2 * index + 2, uuid[index], 16);
    }
    return uuid;
}

using LayersByFlag = std::map<std::string, std::vector<LayerMembership>, std::less<>>;

LayersByFlag read_layers(PgTransaction& open,
                         const std::optional<std::vector<std::string>>& names) {
    LayersByFlag layers;
    const PgRows rows = open.query(kLayerSlots, {names ? PgValue(text_array(*names)) : PgValue()});
    for (std::size_t row = 0; row < rows.size(); ++row) {
        std::vector<LayerMembership>& owned = layers[std::string(rows.text(row, 0))];
        if (owned.empty() || owned.back().name != rows.text(row, 1)) {
            owned.push_back({std::string(rows.text(row, 1)), {}});
        }
        owned.back().slots.push_back({static_cast<std::uint16_t>(rows.integer(row, 2)),
                                      static_cast<std::uint16_t>(rows.integer(row, 3))});
    }
    return layers;
}

std::uint64_t count_of(const PgRows& rows, std::size_t row, std::size_t column) {
    return static_cast<std::uint64_t>(rows.integer(row, column));
}

}  // namespace

RevisionRow read_revision(PgTransaction& open) {
    const PgRows rows = open.query(kRevision);
    if (rows.size() != 1) {
        throw SyncFailure(
            SyncErrorKind::kMissingSchema,
            "burgee.revision has lost its row: run migrations/005 by hand, it restores the row");
    }
    return {count_of(rows, 0, 0), count_of(rows, 0, 1), rows.integer(0, 2),
            std::string(rows.text(0, 3))};
}

FlagSettings read_settings(PgTransaction& open) {
    FlagSettings settings;
    const PgRows rows = open.query(kSettings);
    for (std::size_t row = 0; row < rows.size(); ++row) {
        if (rows.text(row, 0) == "default_bucketing" && rows.text(row, 1) == "legacy_md5") {
            settings.default_bucketing = Bucketing::kLegacyMd5;
        } else if (rows.text(row, 0) == "legacy_canary" && rows.text(row, 1) == "off") {
            settings.is_canary_off = true;
        }
    }
    return settings;
}

std::vector<RawFlag> read_flags(PgTransaction& open,
                                const std::optional<std::vector<std::string>>& names) {
    const bool is_one_pass = !names && open.query(kIsHistoryShort).boolean(0, 0);
    const PgRows rows = open.query(
        kFlags, {names ? PgValue(text_array(*names)) : PgValue(), is_one_pass ? "true" : "false"});
    std::vector<RawFlag> flags(rows.size());
    bool has_slots = false;
    for (std::size_t row = 0; row < rows.size(); ++row) {
        RawFlag& flag = flags[row];
        flag.name = rows.value(row, 0);
        flag.status = rows.value(row, 1);
        flag.rollout_percentage = rows.value(row, 2);
        flag.segments = rows.value(row, 3);
        flag.variants = rows.value(row, 4);
        flag.metadata = rows.value(row, 5);
        if (!rows.is_null(row, 6)) {
            flag.expires_unix_ms = rows.integer(row, 6);
        }
        flag.has_created_at = rows.boolean(row, 7);
        flag.has_updated_at = rows.boolean(row, 8);
        flag.revision = count_of(rows, row, 9);
        flag.has_named_layer = rows.boolean(row, 10);
        has_slots = has_slots || rows.boolean(row, 11);
    }
    if (!has_slots) {
        return flags;
    }
    LayersByFlag layers = read_layers(open, names);
    for (RawFlag& flag : flags) {
        if (const auto owned = layers.find(flag.name.value_or("")); owned != layers.end()) {
            flag.layers = owned->second;  // not moved: a table may hold a name twice
        }
    }
    return flags;
}

Changes read_changes(PgTransaction& open, const KnownPast& past, std::uint64_t to) {
    const PgRows rows =
        open.query(kChanges, {std::to_string(past.revision), std::to_string(to), past.changed_at});
    Changes changes;
    changes.lines.resize(rows.size());
    for (std::size_t row = 0; row < rows.size(); ++row) {
        changes.is_same_past = rows.boolean(row, 6);
        ChangeLine& line = changes.lines[row];
        line.revision = count_of(rows, row, 0);
        line.kind = rows.text(row, 1);
        line.name = rows.value(row, 2);
        line.is_tombstone = rows.boolean(row, 3);
        for (const std::size_t column : {std::size_t{4}, std::size_t{5}}) {
            if (!rows.is_null(row, column)) {
                line.flags.emplace_back(rows.text(row, column));
            }
        }
    }
    return changes;
}

std::vector<std::string> deleted_among(PgTransaction& open, const char* kind,
                                       const std::vector<std::string>& names) {
    std::vector<std::string> deleted;
    const PgRows rows = open.query(kDeletedAmong, {text_array(names), kind});
    for (std::size_t row = 0; row < rows.size(); ++row) {
        deleted.emplace_back(rows.text(row, 0));
    }
    return deleted;
}

ActiveExperiments read_experiments(PgTransaction& open) {
    ActiveExperiments active;
    const PgRows rows = open.query(kExperiments);
    std::string open_flag;  // the flag of the last experiment that runs at this moment
    for (std::size_t row = 0; row < rows.size(); ++row) {
        ExperimentDefinition experiment;
        experiment.id = uuid_of(rows.text(row, 0));
        experiment.name = rows.value(row, 1).value_or("");
        experiment.flag_name = rows.value(row, 2).value_or("");
        experiment.start_unix_ms = rows.integer(row, 3);
        if (!rows.is_null(row, 4)) {
            experiment.end_unix_ms = rows.integer(row, 4);
        }
        experiment.phase = static_cast<std::uint32_t>(rows.integer(row, 5));
        const bool is_open = !rows.is_null(row, 6) && rows.boolean(row, 6);
        const std::string place = "experiment \"" + shown_text(experiment.name) + "\"";
        const auto report = [&](std::string message) {
            active.problems.push_back(
                {shown_name(experiment.flag_name), place, std::move(message), false});
        };
        if (const auto complaint = name_complaint(experiment.name, kExperimentNameSizeMax)) {
            report("name " + *complaint + "; it is not running");
            continue;
        }
        if (rows.boolean(row, 7)) {
            report("start_date is NULL and read as long ago: set it");
        }
        if (is_open && open_flag == experiment.flag_name) {
            report(
                "runs beside a newer one of the same flag, which alone counts: pause or complete "
                "it");
        }
        open_flag = is_open ? experiment.flag_name : open_flag;
        active.experiments.push_back(std::move(experiment));
    }
    return active;
}

std::string text_array(const std::vector<std::string>& texts) {
    std::string array = "{";
    for (const std::string& text : texts) {
        array += array.size() > 1 ? ",\"" : "\"";
        for (const char letter : text) {
            if (letter == '"' || letter == '\\') {
                array += '\\';
            }
            array += letter;
        }
        array += '"';
    }
    return array + "}";
}

}  // namespace burgee::sync
