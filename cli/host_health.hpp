#pragma once

// Whether this host answers: its directory, its daemon, its newest snapshot. For `burgee doctor`.

#include <cstdint>
#include <optional>
#include <string>

#include "sync/finding.hpp"

namespace burgee::cli {

/// @param revision  of the database, to tell how far the host is behind; nothing: not known
/// Cost: reads the whole snapshot, about 3 ms for 100 000 flags.
sync::Findings check_host(const std::string& directory, std::optional<std::uint64_t> revision);

}  // namespace burgee::cli
