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

/// The most steps that asking a segment can take, segments inside included.
std::uint64_t most_steps(const CompiledSegment& segment, const Forms& forms, std::uint32_t depth) {
    std::uint64_t steps = segment.instructions.size();
    for (const std::uint64_t named : segments_named_by(segment.instructions)) {
        const auto found = forms.find(named);
        if (found != forms.end() && depth > 0 && steps <= kStepCountMax) {
            steps += most_steps(*found->second, forms, depth - 1);
        }
    }
    return steps;
}

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
    if (changes.is_full) {
        problems_.clear();
        waiting_.clear();
        std::unordered_set<std::uint64_t> kept;
        for (const SegmentDefinition& segment : changes.segments) {
            kept.insert(hash64(segment.name));
        }
        for (const std::string& name : changes.refused_segments) {
            kept.insert(hash64(name));
        }
        for (auto& [name_hash, entry] : entries_) {
            if (!kept.contains(name_hash)) {
                mark_gone(std::string(name_of(entry.compiled)));
            }
        }
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
    std::map<std::string, CompiledSegment> candidates;
    for (auto& [name, segment] : tried) {
        problems_.erase(name);
        mark_present(name);
        CompiledSegment compiled;
        if (auto problem = check_limits(segment)) {
            problems_[name] = std::move(*problem);
        } else if (problem = compile_segment(segment, compiled); problem) {
            problems_[name] = std::move(*problem);
        } else {
            waiting_[name] = std::move(segment);  // until it is taken below
            candidates.emplace(name, std::move(compiled));
        }
    }
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
    if (!tried.empty()) {
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

void SegmentTable::refuse_missing(std::map<std::string, CompiledSegment>& candidates) {
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

void SegmentTable::refuse_faulty(std::map<std::string, CompiledSegment>& candidates) {
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

/// Those that are too many, too large, or could take more steps than a question has.
void SegmentTable::refuse_oversized(std::map<std::string, CompiledSegment>& candidates) {
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
    std::erase_if(candidates, [&](const auto& candidate) {
        const std::uint64_t own_size = candidate.second.counts().size_bytes();
        std::string message;
        if (forms.size() > kSegmentCountMax) {
            message = "there are already " + std::to_string(kSegmentCountMax) + " segments";
        } else if (size > kSegmentsSizeMax) {
            message = "all segments together have more than " + std::to_string(kSegmentsSizeMax) +
                      " bytes: shorten some";
        } else if (most_steps(candidate.second, forms, kSegmentDepthMax) > kStepCountMax) {
            message = "could take more than " + std::to_string(kStepCountMax) +
                      " steps with the segments inside: flatten them";
        } else {
            return false;
        }
        size -= own_size;
        forms.erase(candidate.second.record.name_hash);
        refuse(waiting_.at(candidate.first), "constraints", std::move(message));
        return true;
    });
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
    steps_.clear();
    for (const auto& [name_hash, entry] : entries_) {
        steps_[name_hash] = most_steps(entry.compiled, forms, kSegmentDepthMax);
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
