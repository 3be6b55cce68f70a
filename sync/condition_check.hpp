#pragma once

// Reads the constraints of an audience, a rule or a segment: a JSON array that must hold as a
// whole. An element is a constraint on an attribute, {"segment": name}, {"any": [...]}, {"all":
// [...]} or
// {"not": constraint}. Never throws on any JSON.

#include <simdjson.h>

#include <string>
#include <vector>

#include "shm/flag_set.hpp"
#include "sync/flag_problems.hpp"

namespace burgee::sync {

/// @param json   what should be the array
/// @param place  of that array, for problems: "segments.rules[2].constraints"
/// @return       its conditions, one an element; not to be used when `problems` refused one of them
/// Warns where a condition also holds for units that do not have its attribute.
std::vector<Condition> read_conditions(const simdjson::dom::element& json, const std::string& place,
                                       FlagProblems& problems);

}  // namespace burgee::sync
