#pragma once

// A flag's row as people and scripts see it: fields, JSON, and what a change would make of it.

#include <string>
#include <vector>

#include "cli/record_view.hpp"
#include "sync/flag_store.hpp"

namespace burgee::cli {

/// "refused", "expired", "warning" or "ok": what hosts make of the row, the worst first.
std::string check_word(const sync::FlagRow& row);

/// How flags are listed.
ListView<sync::FlagRow> flag_list_view();

/// Everything a flag holds, for `flag show`.
std::vector<Field> flag_fields(const sync::FlagRow& row);

void write_flag(JsonWriter& json, const sync::FlagRow& row);

/// The members "experiments_removed" and "warnings" of the object that tells about a change.
void write_consequences(JsonWriter& json, const sync::FlagWritten& written);

/// Says what a dry run found: "- field value" for what would go, "+ field value" for what would
/// come. In JSON an object with "is_dry_run", "is_changed" and "changes".
void print_dry_run(const Terminal& terminal, const std::string& name,
                   const sync::FlagWritten& written);

}  // namespace burgee::cli
