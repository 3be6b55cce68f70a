#include "shm/segment_table.hpp"

#include <algorithm>

#include <burgee/checksum.hpp>

#include "shm/rule_program.hpp"

namespace burgee {
namespace {

std::string_view name_of(const CompiledSegment& segment) {
    return std::string_view(segment.strings)
        .substr(segment.record.name_offset, segment.record.name_size);
}

}  // namespace

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
    // Those that waited for others are tried again with whatever changed.
    std::map<std::string, SegmentDefinition> tried = std::exchange(waiting_, {});
    for (const SegmentDefinition& segment : changes.segments) {
        tried[segment.name] = segment;
    }
    std::map<std::string, CompiledSegment> candidates;
    for (auto& [name, segment] : tried) {
        problems_.erase(name);
        CompiledSegment compiled;
        if (segment.name.empty() || segment.name.size() > kSegmentNameSizeMax) {
            refuse(segment, "name",
                   "has " + std::to_string(segment.name.size()) + " bytes: 1 to " +
                       std::to_string(kSegmentNameSizeMax) + " are possible");
        } else if (auto problem = compile_segment(segment, compiled)) {
            problems_[name] = std::move(*problem);
        } else {
            waiting_[name] = std::move(segment);  // until it is taken below
            candidates.emplace(name, std::move(compiled));
        }
    }
    refuse_missing(candidates);
    refuse_faulty(candidates);
    for (auto& [name, compiled] : candidates) {
        const std::uint64_t name_hash = compiled.record.name_hash;
        Entry& entry = entries_[name_hash];
        gone_count_ -= entry.is_gone ? 1U : 0U;
        edges_[name_hash] = segments_named_by(compiled.instructions);
        entry = {std::move(compiled), false};
        waiting_.erase(name);
    }
}

void SegmentTable::refuse_missing(std::map<std::string, CompiledSegment>& candidates) {
    const auto may_be_named = [&](std::uint64_t name_hash) {
        return is_there(name_hash) || std::ranges::any_of(candidates, [&](const auto& candidate) {
                   return candidate.second.record.name_hash == name_hash;
               });
    };
    for (bool has_changed = true; has_changed;) {  // at most once for each candidate
        has_changed = std::erase_if(candidates, [&](const auto& candidate) {
                          const auto named = segments_named_by(candidate.second.instructions);
                          if (std::ranges::all_of(named, may_be_named)) {
                              return false;
                          }
                          refuse(waiting_.at(candidate.first), "constraints",
                                 "name a segment that does not exist: create it, or correct the "
                                 "name");
                          return true;
                      }) > 0;
    }
}

void SegmentTable::refuse_faulty(std::map<std::string, CompiledSegment>& candidates) {
    ReferenceEdges changed;
    for (const auto& [name, compiled] : candidates) {
        changed[compiled.record.name_hash] = segments_named_by(compiled.instructions);
    }
    const auto faults = faulty_references(edges_, changed, kSegmentDepthMax);
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
