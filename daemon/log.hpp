#pragma once

// One line an event on stderr: priorities for journald, text for people, JSON for collectors.
// Never logs contexts, unit ids, passwords or connection strings.

#include <string>

namespace burgee::daemon {

/// Sets up the process-wide logger that spdlog::info() and its kin write to.
///
/// @param level   err, warning, info or debug (checked by the configuration).
/// @param format  "text": `<6>` prefixes under journald ($JOURNAL_STREAM), else time and level;
///                "json": one object a line.
/// Call once, before other threads start.
void start_log(const std::string& level, const std::string& format);

}  // namespace burgee::daemon
