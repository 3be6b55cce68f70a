#pragma once

// Reads one constraint on one attribute: {"attribute": "tier", "operator": "IN", "values":
// ["gold"]}.

#include <simdjson.h>

#include <array>
#include <string>
#include <string_view>

#include "shm/flag_set.hpp"
#include "sync/flag_problems.hpp"

namespace burgee::sync {

inline constexpr std::size_t kInValueCountMax = 1U << 20U;  // a million unit ids
inline constexpr std::size_t kTextValueCountMax = 1024;     // of STR_*: each is searched for
inline constexpr std::size_t kValueSizeMax = 4096;          // bytes of a text or pattern

inline constexpr std::array<std::string_view, 6> kConstraintKeys = {
    "attribute", "operator", "values", "value", "inverted", "case_insensitive"};

/// @param place  names the constraint in problems: "segments.audience[0]"
/// @return       the constraint; incomplete when `problems` had to refuse something
/// Keys beyond kConstraintKeys are the caller's to refuse.
Condition read_constraint(const simdjson::dom::object& json, const std::string& place,
                          FlagProblems& problems);

/// The name that people write: "STR_CONTAINS".
std::string_view to_string(Operator operation);

}  // namespace burgee::sync
