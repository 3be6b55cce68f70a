#pragma once

// Flags require flags, and segments name segments. Neither may go in circles or too deep, whatever
// order changes arrive in. Pure; relied on by the snapshot builder.

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace burgee {

/// A node's hash -> the hashes it refers to. A node that is not there refers to nothing.
using ReferenceEdges = std::unordered_map<std::uint64_t, std::vector<std::uint64_t>>;

enum class ReferenceFault : std::uint8_t {
    kCycle,    ///< it would come back to itself
    kTooDeep,  ///< a chain from it, or through it, would be longer than allowed
};

/// Which nodes must keep their present edges, so that no node lies on a cycle and no chain has more
/// than `depth_max` edges. Present edges are sound by themselves; each round refuses changed nodes
/// that are at fault, and looks again with their present edges in force. Should 16 rounds not do,
/// whatever has changed around those still at fault is refused with them.
///
/// @param present    edges in force
/// @param changed    edges that nodes would have instead; empty for a node that goes away. A node
///                   whose edges are the present ones is never refused.
/// @return           refused nodes, each with the fault that was found first
/// Cost: linear in all edges, once for each round; one round when nothing is at fault.
std::unordered_map<std::uint64_t, ReferenceFault> faulty_references(const ReferenceEdges& present,
                                                                    const ReferenceEdges& changed,
                                                                    std::uint32_t depth_max);

/// Edges in force, and who refers to each node, so that a change looks only at what it is joined
/// to.
class ReferenceGraph {
public:
    const ReferenceEdges& edges() const { return edges_; }
    bool contains(std::uint64_t node) const { return edges_.contains(node); }

    /// The node's references from now on; without any it is forgotten.
    void set(std::uint64_t node, std::vector<std::uint64_t> targets);

    /// faulty_references() of these edges; cost: linear in the edges that are joined to `changed`,
    /// in whatever direction.
    std::unordered_map<std::uint64_t, ReferenceFault> faults_of(const ReferenceEdges& changed,
                                                                std::uint32_t depth_max) const;

private:
    ReferenceEdges edges_;
    ReferenceEdges referred_by_;  ///< the edges turned round; one entry for each edge
};

}  // namespace burgee
