#pragma once

// The named audiences of a snapshot, compiled. Few beside flags, so plain maps serve.
//
// Invariants:
//   1. A segment that cannot be compiled, or whose references are at fault, keeps its last valid
//   form.
//   2. A segment that is gone stays for as long as a published flag or another segment asks for it;
//      nothing new may name it.

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <burgee/snapshot_view.hpp>

#include "shm/compiled_parts.hpp"
#include "shm/flag_set.hpp"
#include "shm/reference_graph.hpp"

namespace burgee {

class SegmentTable {
public:
    struct Entry {
        CompiledSegment compiled;
        bool is_gone = false;
    };
    using Entries = std::map<std::uint64_t, Entry>;  // by name hash, as a snapshot has them

    /// Begins with the segments of a snapshot whose check_bodies() found nothing; the table is
    /// empty before. Takes all of them or, when they have more than `size_max` bytes, none.
    /// @return  their bytes
    std::uint64_t begin_with(const SnapshotView& published, std::uint64_t size_max);

    /// Takes over the segments that one poll found. Cost: nothing when it found none; otherwise
    /// linear in all segments and what they name.
    void apply(const FlagChanges& changes);

    /// Drops segments that are gone and that neither `named_by_flags` (name hashes) nor other
    /// segments name.
    void drop_unused(const std::unordered_set<std::uint64_t>& named_by_flags);

    /// Whether flags and segments may name it.
    bool is_there(std::uint64_t name_hash) const;
    bool has_gone_ones() const { return gone_count_ > 0; }
    /// Whether the last apply() had anything about segments.
    bool has_changed() const { return has_changed_; }

    /// The most steps that a program takes, with those of the segments it asks for.
    std::uint64_t steps_of(const std::vector<Instruction>& instructions) const;

    const Entries& entries() const { return entries_; }
    /// Parts of all segments together.
    PartCounts totals() const;

    /// Every segment that is not as its row says.
    std::vector<FlagProblem> problems() const;

private:
    using Candidates = std::map<std::string, CompiledSegment>;
    void forget_missing(const FlagChanges& changes);
    Candidates compile(std::map<std::string, SegmentDefinition>& tried);
    void take(Candidates candidates);
    void refuse_faulty(Candidates& candidates);
    void refuse_missing(Candidates& candidates);
    void refuse_oversized(Candidates& candidates);
    void count_steps();
    bool may_name(const CompiledSegment& candidate, std::uint64_t named) const;
    void mark_present(const std::string& name);
    void refuse(const SegmentDefinition& segment, std::string field, std::string message);
    void mark_gone(const std::string& name);

    Entries entries_;
    ReferenceEdges edges_;  ///< of the entries in force
    std::map<std::string, FlagProblem> problems_;
    std::map<std::string, SegmentDefinition> waiting_;        ///< refused for what others are
    std::unordered_map<std::uint64_t, std::uint64_t> steps_;  ///< the most that each entry takes
    std::size_t gone_count_ = 0;
    bool has_changed_ = false;
};

}  // namespace burgee
