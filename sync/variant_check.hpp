#pragma once

// Reads the JSON array of a flag's variants.

#include <string>
#include <vector>

#include "shm/flag_set.hpp"
#include "sync/flag_problems.hpp"

namespace burgee::sync {

/// What decides which rules hold for the variants of a flag.
struct VariantRules {
    bool is_ab_test = false;  ///< else bad variants only warn, and none are taken
    bool is_legacy = false;   ///< weights need not sum to 100: the last variant takes the rest
};

/// @param json  jsonb text
/// @return      the variants in their order; empty when one is bad
std::vector<VariantDefinition> read_variants(const std::string& json, const VariantRules& rules,
                                             FlagProblems& problems);

}  // namespace burgee::sync
