#include "daemon/row_problems.hpp"

#include <set>
#include <string>

#include "sync/segment_rows.hpp"

namespace burgee::daemon {

void replace_row_problems(std::vector<FlagProblem>& problems, const FlagChanges& changes) {
    std::set<std::string> read_again(changes.refused.begin(), changes.refused.end());
    read_again.insert(changes.removed.begin(), changes.removed.end());
    for (const FlagDefinition& flag : changes.changed) {
        read_again.insert(flag.name);
    }
    for (const SegmentDefinition& segment : changes.segments) {
        read_again.insert(sync::shown_segment(segment.name));
    }
    for (const auto* names : {&changes.removed_segments, &changes.refused_segments}) {
        for (const std::string& name : *names) {
            read_again.insert(sync::shown_segment(name));
        }
    }
    std::erase_if(problems, [&](const FlagProblem& problem) {
        return changes.is_full || read_again.contains(problem.flag);
    });
    problems.insert(problems.end(), changes.problems.begin(), changes.problems.end());
}

}  // namespace burgee::daemon
