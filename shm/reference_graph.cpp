#include "shm/reference_graph.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace burgee {
namespace {

using Nodes = std::unordered_set<std::uint64_t>;

// Rounds in which only nodes at fault are refused. What people write needs two or three; a change
// made for it could need one for each node. Chosen by feel.
constexpr int kRoundsMax = 16;

/// The longest chain from each node that reaches no cycle; nodes that do are left out.
std::unordered_map<std::uint64_t, std::uint32_t> depths_of(const ReferenceEdges& edges) {
    std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> referred_by;
    std::unordered_map<std::uint64_t, std::size_t> open_count;  // references without a depth yet
    std::vector<std::uint64_t> ready;
    for (const auto& [node, targets] : edges) {
        open_count[node] += targets.size();
        for (const std::uint64_t target : targets) {
            referred_by[target].push_back(node);
            open_count.try_emplace(target, 0);
        }
    }
    std::unordered_map<std::uint64_t, std::uint32_t> depths;
    for (const auto& [node, count] : open_count) {
        if (count == 0) {
            ready.push_back(node);
            depths[node] = 0;
        }
    }
    std::unordered_map<std::uint64_t, std::uint32_t> longest;
    while (!ready.empty()) {
        const std::uint64_t node = ready.back();
        ready.pop_back();
        for (const std::uint64_t from : referred_by[node]) {
            longest[from] = std::max(longest[from], depths[node] + 1);
            if (--open_count[from] == 0) {
                depths[from] = longest[from];
                ready.push_back(from);
            }
        }
    }
    return depths;
}

/// Of the nodes without a depth, those that are also reached from one: they lie on a cycle, or
/// between two. Whoever is not reached goes, and may take the next ones along.
Nodes cyclic_nodes(const ReferenceEdges& edges,
                   const std::unordered_map<std::uint64_t, std::uint32_t>& depths) {
    std::unordered_map<std::uint64_t, std::size_t> reached_count;
    for (const auto& [node, targets] : edges) {
        if (!depths.contains(node)) {
            reached_count.try_emplace(node, 0);
            for (const std::uint64_t target : targets) {
                reached_count[target] += depths.contains(target) ? 0U : 1U;
            }
        }
    }
    std::vector<std::uint64_t> unreached;
    Nodes left;
    for (const auto& [node, count] : reached_count) {
        if (!depths.contains(node)) {
            left.insert(node);
            if (count == 0) {
                unreached.push_back(node);
            }
        }
    }
    while (!unreached.empty()) {
        const std::uint64_t node = unreached.back();
        unreached.pop_back();
        left.erase(node);
        for (const std::uint64_t target : edges.at(node)) {
            if (!depths.contains(target) && --reached_count[target] == 0) {
                unreached.push_back(target);
            }
        }
    }
    return left;
}

/// All that can be reached from `nodes`, themselves included.
Nodes reachable_from(const Nodes& nodes, const ReferenceEdges& edges) {
    Nodes seen = nodes;
    std::vector<std::uint64_t> open(nodes.begin(), nodes.end());
    while (!open.empty()) {
        const auto found = edges.find(open.back());
        open.pop_back();
        if (found == edges.end()) {
            continue;
        }
        for (const std::uint64_t target : found->second) {
            if (seen.insert(target).second) {
                open.push_back(target);
            }
        }
    }
    return seen;
}

/// `nodes`, and all that edges of either kind join to them, in whatever direction.
Nodes joined_to(const Nodes& nodes, const ReferenceEdges& present, const ReferenceEdges& changed) {
    ReferenceEdges both;
    for (const ReferenceEdges* edges : {&present, &changed}) {
        for (const auto& [node, targets] : *edges) {
            for (const std::uint64_t target : targets) {
                both[node].push_back(target);
                both[target].push_back(node);
            }
        }
    }
    return reachable_from(nodes, both);
}

}  // namespace

void ReferenceGraph::set(std::uint64_t node, std::vector<std::uint64_t> targets) {
    if (const auto before = edges_.find(node); before != edges_.end()) {
        for (const std::uint64_t target : before->second) {
            std::vector<std::uint64_t>& from = referred_by_.at(target);
            from.erase(std::ranges::find(from, node));
            if (from.empty()) {
                referred_by_.erase(target);
            }
        }
        edges_.erase(before);
    }
    for (const std::uint64_t target : targets) {
        referred_by_[target].push_back(node);
    }
    if (!targets.empty()) {
        edges_[node] = std::move(targets);
    }
}

std::unordered_map<std::uint64_t, ReferenceFault> ReferenceGraph::faults_of(
    const ReferenceEdges& changed, std::uint32_t depth_max) const {
    Nodes seen;
    std::vector<std::uint64_t> open;
    const auto reach = [&](const std::vector<std::uint64_t>& nodes) {
        for (const std::uint64_t node : nodes) {
            if (seen.insert(node).second) {
                open.push_back(node);
            }
        }
    };
    for (const auto& [node, targets] : changed) {
        reach({node});
        reach(targets);
    }
    ReferenceEdges joined;
    while (!open.empty()) {
        const std::uint64_t node = open.back();
        open.pop_back();
        if (const auto found = edges_.find(node); found != edges_.end()) {
            joined.insert(*found);
            reach(found->second);
        }
        if (const auto found = referred_by_.find(node); found != referred_by_.end()) {
            reach(found->second);
        }
    }
    return faulty_references(joined, changed, depth_max);
}

std::unordered_map<std::uint64_t, ReferenceFault> faulty_references(const ReferenceEdges& present,
                                                                    const ReferenceEdges& changed,
                                                                    std::uint32_t depth_max) {
    std::unordered_map<std::uint64_t, ReferenceFault> refused;
    ReferenceEdges edges = present;
    for (const auto& [node, targets] : changed) {
        edges[node] = targets;
    }
    const auto can_be_refused = [&](std::uint64_t node) {
        const auto found = changed.find(node);
        if (found == changed.end() || found->second.empty() || refused.contains(node)) {
            return false;
        }
        const auto before = present.find(node);  // what changes nothing is at no fault
        return before == present.end() || before->second != found->second;
    };
    for (int round = 1;; ++round) {
        const auto depths = depths_of(edges);
        const Nodes cyclic = cyclic_nodes(edges, depths);
        const ReferenceFault fault =
            cyclic.empty() ? ReferenceFault::kTooDeep : ReferenceFault::kCycle;
        Nodes bad = cyclic;
        for (const auto& [node, depth] : depths) {
            if (cyclic.empty() && depth > depth_max) {
                bad.insert(node);
            }
        }
        if (bad.empty()) {
            return refused;
        }
        if (round > kRoundsMax) {
            bad = joined_to(bad, present, changed);  // in force, and so sound, as a whole
        } else if (std::ranges::none_of(bad, can_be_refused)) {
            bad = reachable_from(bad, edges);  // what grew lies further down
        }
        std::size_t refused_count = 0;
        for (const std::uint64_t node : bad) {
            if (can_be_refused(node)) {
                refused[node] = fault;
                const auto before = present.find(node);
                edges[node] =
                    before == present.end() ? std::vector<std::uint64_t>{} : before->second;
                ++refused_count;
            }
        }
        if (refused_count == 0) {
            return refused;  // what is in force was at fault already; readers have bounds of their
                             // own
        }
    }
}

}  // namespace burgee
