#pragma once

// What burgeed leaves beside its snapshots for people: status.txt, status.json, problems.txt. It
// replaces each as a whole, so one read sees one state.

#include <cstdint>
#include <optional>
#include <string>

namespace burgee::cli {

struct DaemonFile {
    std::string content;
    std::int64_t age_seconds = 0;  ///< since the daemon wrote it, by this host's wall clock
};

/// The file, or nothing when it cannot be read. At most 1 MiB of it.
std::optional<DaemonFile> read_daemon_file(const std::string& path);

}  // namespace burgee::cli
