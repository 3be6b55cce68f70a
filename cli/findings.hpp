#pragma once

// How a report of findings looks: one line each on a terminal, an array in JSON.

#include "cli/terminal.hpp"
#include "shm/json_text.hpp"
#include "sync/finding.hpp"

namespace burgee::cli {

/// "warn  flag search: what is wrong  (what mends it)", each ended by a newline.
std::string findings_text(const sync::Findings& findings, const Terminal& terminal);

/// An array of {"severity", "subject", "message", "command"}; command is null when there is none.
void write_findings(JsonWriter& json, const sync::Findings& findings);

}  // namespace burgee::cli
