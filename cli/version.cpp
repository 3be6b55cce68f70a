// The build system defines both macros for this file alone, so that a new commit rebuilds nothing
// else.

#include "cli/version.hpp"

#include <burgee/snapshot_layout.hpp>

namespace burgee::cli {

std::string version_line() {
    return std::string("burgee " BURGEE_VERSION " (git " BURGEE_GIT_COMMIT ", snapshot format ") +
           std::to_string(kLayoutMajor) + ")";
}

}  // namespace burgee::cli
