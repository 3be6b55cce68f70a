#include "shm/segment_table.hpp"

#include <algorithm>
#include <unordered_map>

#include <burgee/checksum.hpp>

#include "shm/flag_limits.hpp"
#include "shm/rule_program.hpp"
#include "shm/snapshot_disassembly.hpp"

namespace burgee {
namespace {

using Forms = std::unordered_map<std::uint64_t, const CompiledSegment*>;

// Far above kStepCountMax, and low enough that sums of it do not overflow.
constexpr std::uint64_t kStepsCountedMax = UINT32_MAX;

/// Counts the most steps that asking a segment can take, segments inside included; each segment
/// once, however many name it. Precondition: no segment names itself in circles.
class StepCount {
public:
    explicit StepCount(const Forms& forms) : forms_(forms) {}

    std::uint64_t of(std::uint64_t name_hash) {
        const auto form = forms_.find(name_hash);
        if (form == forms_.end()) {
            return 0;
        }
        if (const auto known = known_.find(name_hash); known != known_.end()) {
            return known->second;
        }
        const std::vector<Instruction>& program = form->second->instructions;
        std::uint64_t steps = program.size();
        for (const std::uint64_t named : segments_named_by(program)) {
            steps = std::min(steps + of(named), kStepsCountedMax);
        }
        known_[name_hash] = steps;
        return steps;
    }
    bool is_too_many(std::uint64_t name_hash) { return of(name_hash) > kStepCountMax; }

private:
    const Forms& forms_;
    std::unordered_map<std::uint64_t, std::uint64_t> known_;
};

std::string_view name_of(const CompiledSegment& segment) {
    return std::string_view(segment.strings)
        .substr(segment.record.name_offset, segment.record.name_size);
}

}  // namespace

std::uint64_t SegmentTable::begin_with(const SnapshotView& published, std::uint64_t size_max) {
    std::uint64_t size = 0;
    for (std::uint64_t number = 0; number < published.segment_count(); ++number) {
        auto segment = segment_taken_from(published, *published.segment(number), size_max - size);
        const std::uint64_t own_size = segment ? segment->counts().size_bytes() : UINT64_MAX;
        if (own_size > size_max - size) {
            entries_.clear();
            edges_.clear();
            return 0;
        }
        size += own_size;
        const std::uint64_t name_hash = segment->record.name_hash;
        edges_[name_hash] = segments_named_by(segment->instructions);
        entries_[name_hash] = {std::move(*segment), false};
    }
    count_steps();
    return size;
}

void SegmentTable::apply(const FlagChanges& changes) {
    has_changed_ = changes.is_full || !changes.segments.empty() ||
                   !changes.removed_segments.empty() || !changes.refused_segments.empty();
    if (!has_changed_) {
        return;  // nor can anything have come that others wait for
    }
    if (changes.is_full) {
        forget_missing(changes);
    }
    for (const std::string& name : changes.removed_segments) {
        mark_gone(name);
    }
    for (const std::string& name : changes.refused_segments) {
        problems_.erase(name);  // whoever read the bad row tells what is wrong with it
        waiting_.erase(name);   // an older form must not come into force after a newer one
        mark_present(name);
    }
    // Those that waited for others are tried again with whatever changed.
    std::map<std::string, SegmentDefinition> tried = std::exchange(waiting_, {});
    for (const SegmentDefinition& segment : changes.segments) {
        tried[segment.name] = segment;
    }
    if (!tried.empty()) {
        take(compile(tried));
    }
}

/// Before a full read is taken over: what is not in it is gone.
void SegmentTable::forget_missing(const FlagChanges& changes) {
    problems_.clear();
    waiting_.clear();
    std::unordered_set<std::uint64_t> kept;
    for (const SegmentDefinition& segment : changes.segments) {
        kept.insert(hash64(segment.name));
    }
    for (const std::string& name : changes.refused_segments) {
        kept.insert(hash64(name));
    }
    for (const auto& [name_hash, entry] : entries_) {
        if (!kept.contains(name_hash)) {
            mark_gone(std::string(name_of(entry.compiled)));
        }
    }
}

/// Those that can be stored; each of them waits until it is taken.
SegmentTable::Candidates SegmentTable::compile(std::map<std::string, SegmentDefinition>& tried) {
    Candidates candidates;
    for (auto& [name, segment] : tried) {
        problems_.erase(name);
        mark_present(name);
        CompiledSegment compiled;
        if (auto problem = check_limits(segment)) {
            problems_[name] = std::move(*problem);
        } else if (problem = compile_segment(segment, compiled); problem) {
            problems_[name] = std::move(*problem);
        } else {
            waiting_[name] = std::move(segment);
            candidates.emplace(name, std::move(compiled));
        }
    }
    return candidates;
}

void SegmentTable::take(Candidates candidates) {
    for (std::size_t count = candidates.size() + 1; count != candidates.size();) {
        count = candidates.size();  // what one check refuses may be what another one counted on
        refuse_missing(candidates);
        refuse_faulty(candidates);
        refuse_oversized(candidates);
    }
    for (auto& [name, compiled] : candidates) {
        const std::uint64_t name_hash = compiled.record.name_hash;
        Entry& entry = entries_[name_hash];
        gone_count_ -= entry.is_gone ? 1U : 0U;
        edges_[name_hash] = segments_named_by(compiled.instructions);
        entry = {std::move(compiled), false};
        waiting_.erase(name);
    }
    if (!candidates.empty()) {
        count_steps();
    }
}

/// Whether a segment may name another one that is not coming with it. A form that is in force may
/// go on to name one that is gone: read once more it is nothing new.
bool SegmentTable::may_name(const CompiledSegment& candidate, std::uint64_t named) const {
    const auto before = entries_.find(candidate.record.name_hash);
    const bool is_in_force = before != entries_.end() &&
                             before->second.compiled.record.revision == candidate.record.revision;
    return is_there(named) || (is_in_force && entries_.contains(named));
}

void SegmentTable::refuse_missing(Candidates& candidates) {
    std::unordered_set<std::uint64_t> coming;
    std::unordered_map<std::uint64_t, std::vector<std::string>> named_by;
    for (const auto& [name, compiled] : candidates) {
        coming.insert(compiled.record.name_hash);
        for (const std::uint64_t named : segments_named_by(compiled.instructions)) {
            named_by[named].push_back(name);
        }
    }
    std::vector<std::uint64_t> missing;
    for (const auto& [named, names] : named_by) {
        if (!coming.contains(named)) {
            missing.push_back(named);
        }
    }
    while (!missing.empty()) {
        const std::uint64_t named = missing.back();
        missing.pop_back();
        for (const std::string& name : named_by[named]) {
            const auto candidate = candidates.find(name);
            if (candidate == candidates.end() || may_name(candidate->second, named)) {
                continue;
            }
            refuse(waiting_.at(name), "constraints",
                   "name a segment that does not exist: create it, or correct the name");
            missing.push_back(candidate->second.record.name_hash);
            candidates.erase(candidate);
        }
    }
}

void SegmentTable::refuse_faulty(Candidates& candidates) {
    ReferenceEdges changed;
    for (const auto& [name, compiled] : candidates) {
        changed[compiled.record.name_hash] = segments_named_by(compiled.instructions);
    }
    // A chain of n segments has n - 1 references.
    const auto faults = faulty_references(edges_, changed, kSegmentDepthMax - 1);
    std::erase_if(candidates, [&](const auto& candidate) {
        const auto fault = faults.find(candidate.second.record.name_hash);
        if (fault == faults.end()) {
            return false;
        }
        refuse(waiting_.at(candidate.first), "constraints",
               fault->second == ReferenceFault::kCycle
                   ? std::string("lead back to the segment itself: take one of the names out")
                   : "name segments that name others more than " +
                         std::to_string(kSegmentDepthMax) + " deep: flatten them");
        return true;
    });
}

/// Those that are too many, too large, or could take more steps than a question has. Of those that
/// take too many steps only the innermost: with its present form the others may be in order.
void SegmentTable::refuse_oversized(Candidates& candidates) {
    Forms forms;
    for (const auto& [name_hash, entry] : entries_) {
        forms[name_hash] = &entry.compiled;
    }
    for (const auto& [name, compiled] : candidates) {
        forms[compiled.record.name_hash] = &compiled;
    }
    std::uint64_t size = 0;
    for (const auto& [name_hash, compiled] : forms) {
        size += compiled->counts().size_bytes();
    }
    std::size_t count = forms.size();
    StepCount steps(forms);
    std::vector<std::string> refused;
    for (const auto& [name, compiled] : candidates) {
        const auto is_too_heavy = [&](std::uint64_t named) { return steps.is_too_many(named); };
        std::string message;
        if (count > kSegmentCountMax) {
            message = "there are already " + std::to_string(kSegmentCountMax) + " segments";
        } else if (size > kSegmentsSizeMax) {
            message = "all segments together have more than " + std::to_string(kSegmentsSizeMax) +
                      " bytes: shorten some";
        } else if (is_too_heavy(compiled.record.name_hash) &&
                   std::ranges::none_of(segments_named_by(compiled.instructions), is_too_heavy)) {
            message = "could take more than " + std::to_string(kStepCountMax) +
                      " steps with the segments inside: flatten them";
        } else {
            continue;
        }
        size -= compiled.counts().size_bytes();
        count -= entries_.contains(compiled.record.name_hash) ? 0U : 1U;
        refuse(waiting_.at(name), "constraints", std::move(message));
        refused.push_back(name);
    }
    for (const std::string& name : refused) {
        candidates.erase(name);
    }
}

std::uint64_t SegmentTable::steps_of(const std::vector<Instruction>& instructions) const {
    std::uint64_t steps = instructions.size();
    for (const std::uint64_t named : segments_named_by(instructions)) {
        const auto found = steps_.find(named);
        steps += found == steps_.end() ? 0 : found->second;
    }
    return steps;
}

void SegmentTable::refuse(const SegmentDefinition& segment, std::string field,
                          std::string message) {
    problems_[segment.name] = {.flag = segment_label(segment.name),
                               .field = std::move(field),
                               .message = std::move(message)};
}

void SegmentTable::mark_gone(const std::string& name) {
    problems_.erase(name);
    waiting_.erase(name);
    const auto found = entries_.find(hash64(name));
    if (found != entries_.end() && !found->second.is_gone) {
        found->second.is_gone = true;
        ++gone_count_;
    }
}

/// The row of a segment is there again, whatever is wrong with it.
void SegmentTable::mark_present(const std::string& name) {
    const auto found = entries_.find(hash64(name));
    if (found != entries_.end() && found->second.is_gone) {
        found->second.is_gone = false;
        --gone_count_;
    }
}

void SegmentTable::drop_unused(const std::unordered_set<std::uint64_t>& named_by_flags) {
    for (bool has_changed = true; has_changed && gone_count_ > 0;) {
        std::unordered_set<std::uint64_t> named = named_by_flags;
        for (const auto& [name_hash, targets] : edges_) {
            named.insert(targets.begin(), targets.end());
        }
        has_changed = false;
        for (auto entry = entries_.begin(); entry != entries_.end();) {
            if (entry->second.is_gone && !named.contains(entry->first)) {
                edges_.erase(entry->first);
                entry = entries_.erase(entry);
                --gone_count_;
                has_changed = true;
            } else {
                ++entry;
            }
        }
    }
}

bool SegmentTable::is_there(std::uint64_t name_hash) const {
    const auto found = entries_.find(name_hash);
    return found != entries_.end() && !found->second.is_gone;
}

void SegmentTable::count_steps() {
    Forms forms;
    for (const auto& [name_hash, entry] : entries_) {
        forms[name_hash] = &entry.compiled;
    }
    StepCount steps(forms);
    steps_.clear();
    for (const auto& [name_hash, entry] : entries_) {
        steps_[name_hash] = steps.of(name_hash);
    }
}

PartCounts SegmentTable::totals() const {
    PartCounts totals;
    for (const auto& [name_hash, entry] : entries_) {
        totals += entry.compiled.counts();
    }
    return totals;
}

std::vector<FlagProblem> SegmentTable::problems() const {
    std::vector<FlagProblem> all;
    for (const auto& [name, problem] : problems_) {
        all.push_back(problem);
    }
    for (const auto& [name_hash, entry] : entries_) {
        if (entry.is_gone) {
            all.push_back({.flag = segment_label(name_of(entry.compiled)),
                           .field = "name",
                           .message = "is deleted but still asked for, so its last form answers: "
                                      "take it out of the flags that name it",
                           .is_refused = false});
        }
    }
    return all;
}

}  // namespace burgee
