#pragma once

// A flag that a snapshot does not have is answered with the one that was probably meant.

#include <string>

#include <burgee/snapshot_view.hpp>

#include "cli/exit_code.hpp"

namespace burgee::cli {

/// The failure for people who asked `view` for the flag `name`. Cost: linear in the flags, up to
/// 10 000 of them.
Failure flag_not_found(const SnapshotView& view, const std::string& name);

}  // namespace burgee::cli
