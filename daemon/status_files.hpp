#pragma once

// What burgeed says about itself, as files in the run directory: `status.json` for programs,
// `status.txt` and `problems.txt` as `burgee status` and `burgee flag problems` print them. Each is
// replaced as a whole, so a reader never sees half of one; none holds an id or a secret.

#include <string>

#include "daemon/counters.hpp"
#include "daemon/flag_loop.hpp"
#include "daemon/spool/spool.hpp"

namespace burgee::daemon {

/// Everything that one status report is made of.
struct DaemonStatus {
    FlagLoopStatus flags;
    SpoolStatistics spool;
    bool is_spool_open = false;    ///< false: events are not taken, `spool` is empty
    std::string spool_error;       ///< why it is not open, once an attempt has failed
    std::string spool_durability;  ///< as configured: "synced", "relaxed"
    std::uint64_t connections_open = 0;
    std::string upload_error;  ///< why events are not reaching PostgreSQL; "" = they are
    std::uint64_t upload_lag_events = 0;
    std::int64_t started_unix_ms = 0;
    std::int64_t now_unix_ms = 0;
    std::string version;
};

/// The three files' contents; every counter is in the JSON, those that are not 0 in the text.
std::string status_json(const DaemonStatus& status, const Counters& counters);
std::string status_text(const DaemonStatus& status, const Counters& counters);
std::string problems_text(const FlagLoopStatus& flags);

/// One line for systemd's STATUS= and the log: flags, generation, database, spool.
std::string status_line(const DaemonStatus& status);

/// Writes `text` to `directory/name`, mode 0644, by temporary file and rename.
/// @return  "" or why it could not, one line.
std::string replace_file(const std::string& directory, const std::string& name,
                         const std::string& text);

}  // namespace burgee::daemon
