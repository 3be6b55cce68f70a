#pragma once

// What the shares of plan_matrix() are shares of, and what no share can tell. Relied on by `flag
// plan` and `flag rebucket`.

#include <string>
#include <vector>

#include "shm/flag_set.hpp"

namespace burgee::cli {

/// Whether every unit that no list names reaches the draw of both forms.
bool is_of_all_units(const FlagDefinition& before, const FlagDefinition& after);

/// What attributes and other flags decide, so that nobody can know it here: a sentence each.
std::vector<std::string> unknown_parts(const FlagDefinition& before, const FlagDefinition& after);

}  // namespace burgee::cli
