#pragma once

// Two snapshots, one with a flag as it is and one with the flag as it would be, and the client's
// own evaluator asked on both: for units that are named in lists, and for contexts from a file.

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <burgee/context.hpp>
#include <burgee/snapshot_view.hpp>

#include "shm/flag_set.hpp"

namespace burgee::cli {

/// What a context gets. A variant may be called "off", so the name does not tell whether it is on.
struct PlannedSide {
    bool is_on = false;
    std::string name;  ///< "off", "on" or the name of a variant

    friend bool operator==(const PlannedSide&, const PlannedSide&) = default;
};

class PlanEvaluation {
public:
    /// Builds both. Throws Failure kFailed when hosts could not publish `after` within `set`.
    PlanEvaluation(const FlagChanges& set, const FlagDefinition& before,
                   const FlagDefinition& after);

    /// What `context` gets before and after.
    std::pair<PlannedSide, PlannedSide> ask(const Context& context) const;

private:
    std::string flag_;
    std::vector<std::byte> bytes_before_;
    std::vector<std::byte> bytes_after_;
    SnapshotView before_;
    SnapshotView after_;
};

}  // namespace burgee::cli
