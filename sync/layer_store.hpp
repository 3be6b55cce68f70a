#pragma once

// Reads and changes layers for people: who owns which of a layer's 10 000 slots, so that no unit is
// in two flags of one layer. Every change lands in the history with its reason. Values travel as
// parameters only.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shm/flag_set.hpp"
#include "sync/dry_run.hpp"
#include "sync/pg_session.hpp"

namespace burgee::sync {

/// A layer as a whole. Times are RFC 3339 text in UTC.
struct LayerRow {
    std::string name;
    std::optional<std::string> description;
    std::string created_at;
    std::uint32_t used_slots = 0;  ///< of kLayerSlotCount; the others are free
};

/// What one flag owns of a layer.
struct LayerOwner {
    std::string flag;
    std::vector<SlotRange> slots;  ///< ascending, apart
    std::uint32_t slot_count = 0;
};

struct LayerView {
    LayerRow layer;
    std::vector<LayerOwner> owners;  ///< by name, bytewise
};

/// What a change did.
struct LayerWritten {
    std::uint64_t revision = 0;         ///< that hosts must reach to have it
    bool is_changed = true;             ///< false: nothing that hosts must know
    std::vector<SlotRange> slots;       ///< what the flag owns of the layer now
    std::vector<FlagProblem> warnings;  ///< of the flag's layer as it stands now
};

/// Slots in a share of a layer: 0.01 % is one. Precondition: 0 <= percentage <= 100.
std::uint32_t slots_of_percentage(double percentage);

/// Errors of every member: those of PgSession, and where said kNotFound, kAlreadyExists, kInvalid
/// (the message says what to do; nothing was written). `why` goes into the history; empty is stored
/// as NULL. Thread safety: one thread at a time.
class LayerStore {
public:
    /// @param mode  kDryRun: every change is checked, reported and undone
    explicit LayerStore(PgSession& session, WriteMode mode = WriteMode::kCommit)
        : session_(session), mode_(mode) {}

    SyncResult<std::vector<LayerRow>> list();             ///< by name, bytewise
    SyncResult<LayerView> show(const std::string& name);  ///< kNotFound

    /// kAlreadyExists; kInvalid for a name that cannot be one.
    SyncResult<void> create(const std::string& name, const std::optional<std::string>& description);

    /// kNotFound; kInvalid while a flag owns slots of it.
    SyncResult<void> remove(const std::string& name);

    /// Gives `flag` the lowest `slot_count` free slots, beside those it owns already. Hosts heed
    /// them when the flag's segments name the layer. kNotFound for layer or flag; kInvalid when
    /// fewer are free (the message says how many) or for a count outside 1 .. kLayerSlotCount.
    SyncResult<LayerWritten> assign(const std::string& layer, const std::string& flag,
                                    std::uint32_t slot_count, const std::string& why);

    /// Takes the highest `slot_count` slots from `flag`; without a count, all. kNotFound for layer
    /// or flag; kInvalid when it owns fewer.
    SyncResult<LayerWritten> release(const std::string& layer, const std::string& flag,
                                     std::optional<std::uint32_t> slot_count,
                                     const std::string& why);

private:
    PgSession& session_;
    WriteMode mode_;
};

}  // namespace burgee::sync
