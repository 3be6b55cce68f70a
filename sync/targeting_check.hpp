#pragma once

// Reads what a flag's `segments` say about whom it is meant for: audience, rules, requires, layer
// and value_type. docs/targeting.md tells people what may stand there.

#include <simdjson.h>

#include "shm/flag_set.hpp"
#include "sync/flag_check.hpp"
#include "sync/flag_problems.hpp"

namespace burgee::sync {

/// Fills audience, rules, requirements, layer (without its slots) and value_type of `flag`, whose
/// name is set.
void read_targeting(const simdjson::dom::object& segments, FlagDefinition& flag,
                    FlagProblems& problems);

/// Refuses rules that serve what `flag`, whose status and variants are read, cannot give.
void check_served_variants(const FlagDefinition& flag, FlagProblems& problems);

/// Gives `flag` the slots its layer owns in `row`, and warns of a layer that lets nobody in and of
/// slots that lie in another layer.
void take_layer_slots(const RawFlag& row, FlagDefinition& flag, FlagProblems& problems);

}  // namespace burgee::sync
