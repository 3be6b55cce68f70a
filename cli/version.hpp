#pragma once

// Which burgee this is; the same line as `burgeed --version` except for the name.

#include <string>

namespace burgee::cli {

/// "burgee 0.1.0 (git abc1234, snapshot format 1)"; "git unknown" when built from an archive.
std::string version_line();

}  // namespace burgee::cli
