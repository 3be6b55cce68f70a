#pragma once

// What applying a document did, or would do, as a diff for people and as JSON.

#include <string>

#include "sync/flag_apply.hpp"

namespace burgee::cli {

/// Each entry that changes with its fields ("-" goes, "+" comes), then how many stay as they are.
std::string applied_text(const sync::FlagsApplied& applied, bool is_dry_run);

std::string applied_json(const sync::FlagsApplied& applied, bool is_dry_run);

}  // namespace burgee::cli
