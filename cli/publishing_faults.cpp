#include "cli/publishing_faults.hpp"

#include "shm/snapshot_builder.hpp"

namespace burgee::cli {

std::vector<FlagProblem> publishing_faults(const FlagChanges& set) {
    SnapshotBuilder builder;
    builder.apply(set);
    return builder.problems();
}

}  // namespace burgee::cli
