#include "sync/layer_store.hpp"

#include <cmath>

#include "shm/assertion.hpp"
#include "sync/flag_check.hpp"
#include "sync/flag_queries.hpp"
#include "sync/flag_text.hpp"
#include "sync/migrations.hpp"
#include "sync/store_transaction.hpp"

namespace burgee::sync {
namespace {

constexpr std::size_t kLayerNameSizeMax = 256;  // bytes, as the check of flags has it

constexpr const char* kRows =
    "SELECT l.name, l.description,"
    " to_char(l.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),"
    " (SELECT count(*) FROM burgee.layer_slots s WHERE s.layer = l.name) "
    "FROM burgee.layers l WHERE $1::text IS NULL OR l.name = $1 ORDER BY l.name COLLATE \"C\"";

// Slots that follow each other have one difference between slot and place.
constexpr const char* kOwners =
    "SELECT coalesce(f.name, '') COLLATE \"C\" AS name, min(run.slot)::bigint, "
    "max(run.slot)::bigint"
    " FROM (SELECT s.slot, s.flag_id,"
    "              s.slot - row_number() OVER (PARTITION BY s.flag_id ORDER BY s.slot) AS start"
    "       FROM burgee.layer_slots s WHERE s.layer = $1) AS run"
    " JOIN public.feature_flags f ON f.id = run.flag_id GROUP BY f.id, 1, run.start ORDER BY 1, 2";

constexpr const char* kCreate =
    "INSERT INTO burgee.layers (name, description) VALUES ($1, $2) ON CONFLICT DO NOTHING";

constexpr const char* kRemove = "DELETE FROM burgee.layers WHERE name = $1";

/// Whoever changes the slots of a layer waits here for who does already.
constexpr const char* kLock = "SELECT FROM burgee.layers WHERE name = $1 FOR UPDATE";

constexpr const char* kAssign =
    "INSERT INTO burgee.layer_slots (layer, slot, flag_id)"
    " SELECT $1, free.slot, f.id FROM public.feature_flags f,"
    "  (SELECT number AS slot FROM generate_series(0, $4::integer - 1) AS number"
    "   WHERE NOT EXISTS (SELECT FROM burgee.layer_slots s WHERE s.layer = $1 AND s.slot = number)"
    "   ORDER BY number LIMIT $3::bigint) AS free WHERE f.name = $2";

constexpr const char* kRelease =
    "DELETE FROM burgee.layer_slots d WHERE d.layer = $1 AND d.slot IN"
    " (SELECT s.slot FROM burgee.layer_slots s JOIN public.feature_flags f ON f.id = s.flag_id"
    "  WHERE s.layer = $1 AND f.name = $2 ORDER BY s.slot DESC LIMIT $3::bigint)";

std::string quoted(const std::string& name) {
    return "\"" + shown_name(name) + "\"";
}

LayerRow layer_row(const PgRows& rows, std::size_t row) {
    return {std::string(rows.text(row, 0)), rows.value(row, 1), rows.value(row, 2).value_or(""),
            static_cast<std::uint32_t>(rows.integer(row, 3))};
}

[[noreturn]] void throw_no_layer(const std::string& name) {
    throw SyncFailure(SyncErrorKind::kNotFound, "there is no layer " + quoted(name));
}

void lock_layer(PgTransaction& open, const std::string& name) {
    if (open.query(kLock, {name}).empty()) {
        throw_no_layer(name);
    }
}

/// The flag as hosts would read it; throws when there is none.
RawFlag flag_named(PgTransaction& open, const std::string& name) {
    std::vector<RawFlag> rows = read_flags(open, std::vector{name});
    if (rows.empty()) {
        throw SyncFailure(SyncErrorKind::kNotFound, "there is no flag " + quoted(name));
    }
    return std::move(rows.front());
}

LayerWritten written(PgTransaction& open, const std::string& layer, const std::string& flag) {
    const RawFlag row = flag_named(open, flag);
    LayerWritten result;
    for (const LayerMembership& owned : row.layers) {
        if (owned.name == layer) {
            result.slots = owned.slots;
        }
    }
    result.warnings = check_flag(row, read_settings(open)).problems;
    std::erase_if(result.warnings, [](const FlagProblem& problem) {
        return !problem.field.starts_with("segments.layer");
    });
    const WrittenRevision taken = take_revision(open);
    result.revision = taken.revision;
    result.is_changed = taken.is_changed;
    return result;
}

std::vector<LayerOwner> read_owners(PgTransaction& open, const std::string& layer) {
    std::vector<LayerOwner> owners;
    const PgRows rows = open.query(kOwners, {layer});
    for (std::size_t row = 0; row < rows.size(); ++row) {
        if (owners.empty() || owners.back().flag != rows.text(row, 0)) {
            owners.push_back({std::string(rows.text(row, 0)), {}, 0});
        }
        const SlotRange range{static_cast<std::uint16_t>(rows.integer(row, 1)),
                              static_cast<std::uint16_t>(rows.integer(row, 2))};
        owners.back().slots.push_back(range);
        owners.back().slot_count += range.last - range.first + 1U;
    }
    return owners;
}

void require_slot_count(std::uint32_t slot_count) {
    if (slot_count == 0 || slot_count > kLayerSlotCount) {
        throw SyncFailure(SyncErrorKind::kInvalid,
                          std::to_string(slot_count) + " slots: give 1 to " +
                              std::to_string(kLayerSlotCount) + ", 100 of them are 1 %");
    }
}

}  // namespace

std::uint32_t slots_of_percentage(double percentage) {
    BURGEE_ASSERT(percentage >= 0 && percentage <= 100);
    return static_cast<std::uint32_t>(std::lround(percentage * kLayerSlotCount / 100));
}

SyncResult<std::vector<LayerRow>> LayerStore::list() {
    return session_.transaction(PgAccess::kReadOnly, [](PgTransaction& open) {
        require_schema(open);
        const PgRows rows = open.query(kRows, {PgValue()});
        std::vector<LayerRow> layers;
        for (std::size_t row = 0; row < rows.size(); ++row) {
            layers.push_back(layer_row(rows, row));
        }
        return layers;
    });
}

SyncResult<LayerView> LayerStore::show(const std::string& name) {
    return session_.transaction(PgAccess::kReadOnly, [&](PgTransaction& open) {
        require_schema(open);
        const PgRows rows = open.query(kRows, {name});
        if (rows.empty()) {
            throw_no_layer(name);
        }
        return LayerView{layer_row(rows, 0), read_owners(open, name)};
    });
}

SyncResult<void> LayerStore::create(const std::string& name,
                                    const std::optional<std::string>& description) {
    return session_.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        require_schema(open);
        if (const auto complaint = name_complaint(name, kLayerNameSizeMax)) {
            throw SyncFailure(SyncErrorKind::kInvalid, "the layer's name " + *complaint);
        }
        begin_write(open, mode_);
        if (open.query(kCreate, {name, description}).affected() == 0) {
            throw SyncFailure(SyncErrorKind::kAlreadyExists,
                              "there is a layer " + quoted(name) + " already");
        }
        end_write(open, mode_);
    });
}

SyncResult<void> LayerStore::remove(const std::string& name) {
    return session_.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        require_schema(open);
        begin_write(open, mode_);
        lock_layer(open, name);
        if (const auto owners = read_owners(open, name); !owners.empty()) {
            const std::size_t more = owners.size() - 1;
            throw SyncFailure(
                SyncErrorKind::kInvalid,
                "flag " + quoted(owners.front().flag) +
                    (more == 0 ? " owns" : " and " + std::to_string(more) + " more own") +
                    " slots of layer " + quoted(name) + ": release them first");
        }
        open.query(kRemove, {name});
        end_write(open, mode_);
    });
}

SyncResult<LayerWritten> LayerStore::assign(const std::string& layer, const std::string& flag,
                                            std::uint32_t slot_count, const std::string& why) {
    return session_.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        require_schema(open);
        require_slot_count(slot_count);
        begin_write(open, mode_);
        lock_layer(open, layer);
        flag_named(open, flag);
        note_reason(open, why);
        const std::uint64_t taken = open.query(kAssign, {layer, flag, std::to_string(slot_count),
                                                         std::to_string(kLayerSlotCount)})
                                        .affected();
        if (taken < slot_count) {
            throw SyncFailure(SyncErrorKind::kInvalid,
                              "layer " + quoted(layer) + " has " + std::to_string(taken) +
                                  " free slots and " + std::to_string(slot_count) +
                                  " are wanted: take fewer, or release some of another flag");
        }
        LayerWritten result = written(open, layer, flag);
        end_write(open, mode_);
        return result;
    });
}

SyncResult<LayerWritten> LayerStore::release(const std::string& layer, const std::string& flag,
                                             std::optional<std::uint32_t> slot_count,
                                             const std::string& why) {
    return session_.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        require_schema(open);
        require_slot_count(slot_count.value_or(kLayerSlotCount));
        begin_write(open, mode_);
        lock_layer(open, layer);
        flag_named(open, flag);
        note_reason(open, why);
        const std::uint64_t freed =
            open.query(kRelease,
                       {layer, flag, std::to_string(slot_count.value_or(kLayerSlotCount))})
                .affected();
        if (slot_count && freed < *slot_count) {
            throw SyncFailure(SyncErrorKind::kInvalid,
                              "flag " + quoted(flag) + " owns " + std::to_string(freed) +
                                  " slots of layer " + quoted(layer) + " and " +
                                  std::to_string(*slot_count) + " are to be released: take fewer");
        }
        LayerWritten result = written(open, layer, flag);
        end_write(open, mode_);
        return result;
    });
}

}  // namespace burgee::sync
