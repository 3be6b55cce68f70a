#pragma once

// A directory that burgeed keeps for itself. Relied on by the start of the daemon and by every
// attempt to open the spool.

#include <sys/types.h>

#include <string>

namespace burgee::daemon {

/// Makes `path` with `mode`, whatever the umask says, if its parent allows; takes one of ours.
/// @return  "" or why it cannot be used, one line with what to do.
std::string directory_complaint(const std::string& path, mode_t mode);

}  // namespace burgee::daemon
