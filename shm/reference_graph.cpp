#include "shm/reference_graph.hpp"

#include <algorithm>
#include <unordered_set>

namespace burgee {
namespace {

using Nodes = std::unordered_set<std::uint64_t>;

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
/// between two.
Nodes cyclic_nodes(const ReferenceEdges& edges,
                   const std::unordered_map<std::uint64_t, std::uint32_t>& depths) {
    Nodes left;
    for (const auto& [node, targets] : edges) {
        if (!depths.contains(node)) {
            left.insert(node);
        }
    }
    for (bool has_shrunk = true; has_shrunk;) {
        Nodes reached;
        for (const std::uint64_t node : left) {
            for (const std::uint64_t target : edges.at(node)) {
                reached.insert(target);
            }
        }
        has_shrunk =
            std::erase_if(left, [&](std::uint64_t node) { return !reached.contains(node); }) > 0;
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

}  // namespace

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
    for (;;) {
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
        if (std::ranges::none_of(bad, can_be_refused)) {
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
