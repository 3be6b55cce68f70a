// The part of SnapshotBuilder that looks after what flags say of each other and of segments.

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

#include <burgee/checksum.hpp>

#include "shm/json_text.hpp"
#include "shm/rule_program.hpp"
#include "shm/snapshot_builder.hpp"

namespace burgee {
namespace {

/// The name behind the hash, as `flag` writes it.
std::string segment_name(const std::vector<Condition>& conditions, std::uint64_t name_hash) {
    for (const Condition& condition : conditions) {
        if (condition.kind == Condition::Kind::kSegment && hash64(condition.segment) == name_hash) {
            return condition.segment;
        }
        if (std::string name = segment_name(condition.children, name_hash); !name.empty()) {
            return name;
        }
    }
    return "";
}

std::string segment_name(const FlagDefinition& flag, std::uint64_t name_hash) {
    std::string name = segment_name(flag.audience, name_hash);
    for (const Rule& rule : flag.rules) {
        name = name.empty() ? segment_name(rule.constraints, name_hash) : name;
    }
    return name;
}

}  // namespace

/// The changes, and with them the flags that wait for others, unless they are among the changes.
FlagChanges SnapshotBuilder::with_waiting(const FlagChanges& changes) const {
    std::unordered_set<std::string_view> is_decided;
    for (const FlagDefinition& flag : changes.changed) {
        is_decided.insert(flag.name);
    }
    FlagChanges all = changes;
    for (const auto& [name, waiting] : waiting_) {
        if (!is_decided.contains(name)) {
            all.changed.push_back(waiting.flag);
        }
    }
    return all;
}

/// Which changed flags would require each other in circles, or too deep.
void SnapshotBuilder::find_faults(const FlagChanges& changes, const ReferenceGraph& present,
                                  const FlagTable& old_flags) {
    ReferenceEdges changed;
    for (const std::uint64_t gone : requirers_gone(changes, present)) {
        changed[gone] = {};
    }
    for (const FlagDefinition& flag : changes.changed) {
        const std::uint64_t name_hash = hash64(flag.name);
        const bool has_some = !flag.requirements.empty() && flag.status != Status::kDisabled;
        const bool counts = has_some || present.contains(name_hash);
        // A form that is refused for another reason leaves the present edges in force.
        if (counts && !without_room_.contains(name_hash) && !compiler_.compile(flag, name_hash) &&
            !own_problem(flag, name_hash, old_flags)) {
            std::vector<std::uint64_t>& targets = changed[name_hash];
            targets.clear();  // of two rows with one name the last counts
            for (std::size_t number = 0; has_some && number < flag.requirements.size(); ++number) {
                const Requirement& requirement = flag.requirements[number];
                targets.push_back(hash64(requirement.flag));
            }
        }
    }
    faults_.clear();
    if (!changed.empty()) {
        faults_ = present.faults_of(changed, kRequirementDepthMax);
    }
}

/// Why the flag that was just compiled cannot be published, whatever others require: what its
/// segments are, or another name with its hash. Asked before circles are looked for, and when the
/// flag is put, and so the same function.
std::optional<FlagProblem> SnapshotBuilder::own_problem(const FlagDefinition& flag,
                                                        std::uint64_t name_hash,
                                                        const FlagTable& old_flags) const {
    for (const FlagTable* table : {&old_flags, &flags_}) {
        const FlagTable::Slot* other = table->find(name_hash);
        if (other != nullptr && table->name(*other) != flag.name) {
            return FlagProblem{.flag = flag.name,
                               .field = "name",
                               .message = "its hash equals that of " +
                                          json_quoted(table->name(*other)) +
                                          ": choose another name"};
        }
    }
    if (auto problem = missing_segment(flag, name_hash, old_flags)) {
        return problem;
    }
    const std::uint64_t steps = segments_.steps_of(compiler_.compiled().instructions);
    if (steps > kStepCountMax) {
        return FlagProblem{.flag = flag.name,
                           .field = "segments",
                           .message = "could take " + std::to_string(steps) + " steps, at most " +
                                      std::to_string(kStepCountMax) +
                                      " are possible: name smaller segments, or fewer"};
    }
    return std::nullopt;
}

/// Why a flag cannot be published beside those it requires.
std::optional<FlagProblem> SnapshotBuilder::reference_problem(const FlagDefinition& flag,
                                                              std::uint64_t name_hash) const {
    const auto fault = faults_.find(name_hash);
    if (fault == faults_.end()) {
        return std::nullopt;
    }
    const bool is_cycle = fault->second == ReferenceFault::kCycle;
    return FlagProblem{
        .flag = flag.name,
        .field = "segments.requires",
        .message = is_cycle
                       ? "leads back to the flag itself: take one of the flags out of the circle"
                       : "makes a chain of more than " + std::to_string(kRequirementDepthMax) +
                             " requirements: shorten it"};
}

/// What is wrong when the flag that was just compiled names a segment that does not exist. A form
/// that is in force may go on to name one that is gone: read once more it is nothing new.
std::optional<FlagProblem> SnapshotBuilder::missing_segment(const FlagDefinition& flag,
                                                            std::uint64_t name_hash,
                                                            const FlagTable& old_flags) const {
    const FlagTable::Slot* before = old_flags.find(name_hash);
    const bool is_in_force = before != nullptr && before->record.revision == flag.revision &&
                             old_flags.name(*before) == flag.name;
    for (const std::uint64_t segment : segments_named_by(compiler_.compiled().instructions)) {
        if (!segments_.is_there(segment) &&
            !(is_in_force && segments_.entries().contains(segment))) {
            return FlagProblem{.flag = flag.name,
                               .field = "segments",
                               .message = "names the segment " +
                                          json_quoted(segment_name(flag, segment)) +
                                          ", which does not exist: create it, or correct the name"};
        }
    }
    return std::nullopt;
}

/// Flags with requirements that the changes take away.
std::vector<std::uint64_t> SnapshotBuilder::requirers_gone(const FlagChanges& changes,
                                                           const ReferenceGraph& present) {
    std::vector<std::uint64_t> gone;
    for (const std::string& name : changes.removed) {
        if (present.contains(hash64(name))) {
            gone.push_back(hash64(name));
        }
    }
    if (!changes.is_full) {
        return gone;
    }
    std::unordered_set<std::uint64_t> kept;
    for (const std::string& name : changes.refused) {
        kept.insert(hash64(name));
    }
    for (const FlagDefinition& flag : changes.changed) {
        kept.insert(hash64(flag.name));
    }
    for (const auto& [name_hash, targets] : present.edges()) {
        if (!kept.contains(name_hash)) {
            gone.push_back(name_hash);
        }
    }
    return gone;
}

/// Whether anything changed that a waiting flag may have waited for.
bool SnapshotBuilder::may_end_waiting(const FlagChanges& changes) const {
    // A segment that was gone is there again, too, when its row has come back bad.
    if (!changes.segments.empty() || !changes.removed_segments.empty() ||
        !changes.refused_segments.empty()) {
        return true;
    }
    const auto refers = [this](const std::string& name) {
        return waiting_.contains(name) || requirements_.contains(hash64(name));
    };
    return std::ranges::any_of(changes.removed, refers) ||
           std::ranges::any_of(changes.refused, refers) ||
           std::ranges::any_of(changes.changed, [&](const FlagDefinition& flag) {
               return !flag.requirements.empty() || refers(flag.name);
           });
}

void SnapshotBuilder::remember_requirements(const FlagTable::Slot& slot) {
    std::vector<std::uint64_t> targets;
    for (const RequirementRecord& requirement : flags_.requirements(slot)) {
        targets.push_back(requirement.flag_name_hash);
    }
    requirements_.set(slot.record.name_hash, std::move(targets));
}

/// Requirements that can never be met, because the flag they name is not published.
std::vector<FlagProblem> SnapshotBuilder::unmet_requirements() const {
    std::vector<FlagProblem> all;
    for (const auto& [name_hash, targets] : requirements_.edges()) {
        const FlagTable::Slot& slot = *flags_.find(name_hash);
        for (const RequirementRecord& requirement : flags_.requirements(slot)) {
            if (flags_.find(requirement.flag_name_hash) == nullptr) {
                all.push_back({.flag = std::string(flags_.name(slot)),
                               .field = "segments.requires",
                               .message = "names " +
                                          json_quoted(flags_.text(slot, requirement.flag_offset,
                                                                  requirement.flag_size)) +
                                          ", which is not published, so it is never met: create it",
                               .is_refused = false});
            }
        }
    }
    return all;
}

}  // namespace burgee
