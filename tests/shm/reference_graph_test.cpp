// Promise: whatever changes arrive together, what is in force never has a cycle or a chain that is
// too deep, and no change is refused without need.
// Method: small graphs by hand; then random ones, where acceptance is checked by a plain search.

#include "shm/reference_graph.hpp"

#include <functional>
#include <random>

#include <gmock/gmock.h>

#include "tests/shm/random_seed.hpp"

namespace burgee::test {
namespace {

using Nodes = std::vector<std::uint64_t>;

Nodes refused(const ReferenceEdges& present, const ReferenceEdges& changed,
              std::uint32_t depth_max = 3) {
    Nodes nodes;
    for (const auto& [node, fault] : faulty_references(present, changed, depth_max)) {
        nodes.push_back(node);
    }
    std::ranges::sort(nodes);
    return nodes;
}

TEST(ReferenceGraphTest, TakesWhatIsSound) {
    EXPECT_EQ(refused({}, {{1, {2, 3}}, {2, {3}}}), Nodes{});
    EXPECT_EQ(refused({{1, {2}}}, {{2, {3}}, {3, {4}}}), Nodes{});
    EXPECT_EQ(refused({{1, {2}}, {2, {3}}}, {{2, {}}, {3, {1}}}), Nodes{});
}

TEST(ReferenceGraphTest, RefusesEveryMemberOfACircleAndNobodyElse) {
    EXPECT_EQ(refused({}, {{1, {1}}}), Nodes{1});
    EXPECT_EQ(refused({}, {{1, {2}}, {2, {3}}, {3, {1}}, {4, {1}}, {5, {6}}}), (Nodes{1, 2, 3}));
    EXPECT_EQ(refused({{1, {2}}, {2, {3}}}, {{3, {1}}}), Nodes{3});
    EXPECT_EQ(faulty_references({}, {{1, {1}}}, 3).at(1), ReferenceFault::kCycle);
}

TEST(ReferenceGraphTest, LooksAgainWithThePresentEdgesOfTheRefused) {
    // 1 would leave 2 for 3, which leads back to it; it stays with 2, which now may not point at
    // it.
    EXPECT_EQ(refused({{1, {2}}}, {{1, {3}}, {3, {1}}, {2, {1}}}), (Nodes{1, 2, 3}));
}

TEST(ReferenceGraphTest, RefusesChainsThatAreTooDeep) {
    EXPECT_EQ(refused({}, {{1, {2}}, {2, {3}}, {3, {4}}}), Nodes{});
    EXPECT_EQ(refused({}, {{1, {2}}, {2, {3}}, {3, {4}}, {4, {5}}}), Nodes{1});
    EXPECT_EQ(refused({{1, {2}}, {2, {3}}, {3, {4}}}, {{4, {5}}}), Nodes{4});
    EXPECT_EQ(faulty_references({{1, {2}}, {2, {3}}, {3, {4}}}, {{4, {5}}}, 3).at(4),
              ReferenceFault::kTooDeep);
}

// The next two end only if the work is linear: with the square of 100 000 the test's time is up.
constexpr std::uint64_t kLongChain = 100'000;

TEST(ReferenceGraphTest, EndsWithALongChainThatLeadsIntoACircle) {
    ReferenceEdges changed;
    for (std::uint64_t node = 0; node < kLongChain; ++node) {
        changed[node] = {node + 1};
    }
    changed[kLongChain] = {kLongChain};
    const auto faults = faulty_references({}, changed, 3);
    EXPECT_EQ(faults.at(kLongChain), ReferenceFault::kCycle);
    EXPECT_EQ(faults.at(0), ReferenceFault::kTooDeep);
    EXPECT_EQ(faults.size(), kLongChain - 3 + 1) << "the last three are not too deep";
}

TEST(ReferenceGraphTest, EndsWhenEachRefusalPutsTheNextOnACircle) {
    // Left with its present edge, node 3n reaches 3n + 1, which leads to the next group, and that
    // back to this one.
    ReferenceEdges present;
    ReferenceEdges changed{{0, {0}}, {3 * kLongChain, {3 * kLongChain + 1}}};
    for (std::uint64_t node = 0; node < kLongChain; node += 3) {
        present[node] = {node + 1};
        present[node + 1] = {node + 2};
        changed[node + 1] = {node + 3};
        changed[node + 3] = {node};
    }
    const auto faults = faulty_references(present, changed, 3);
    EXPECT_TRUE(faults.contains(0) && faults.contains(1) && faults.contains(3));
    EXPECT_EQ(faults.size(), changed.size() - 1);
    EXPECT_FALSE(faults.contains(3 * kLongChain)) << "it has nothing to do with them";
}

/// Edges from `node`; -1 when they lead in a circle.
int depth(const ReferenceEdges& edges, std::uint64_t node, int left = 64) {
    const auto found = edges.find(node);
    if (found == edges.end()) {
        return 0;
    }
    int deepest = 0;
    for (const std::uint64_t target : found->second) {
        const int below = left == 0 ? -1 : depth(edges, target, left - 1);
        if (below < 0) {
            return -1;
        }
        deepest = std::max(deepest, below + 1);
    }
    return deepest;
}

TEST(ReferenceGraphTest, StaysSoundUnderRandomChanges) {
    std::mt19937_64 random(random_seed());
    constexpr int kDepthMax = 3;
    for (int history = 0; history < 50; ++history) {
        ReferenceEdges present;
        for (int change = 0; change < 40; ++change) {
            ReferenceEdges changed;
            for (int node = 0; node < 3; ++node) {
                Nodes& targets = changed[random() % 12];
                for (std::uint64_t count = random() % 3; count > 0; --count) {
                    targets.push_back(random() % 12);
                }
            }
            const auto faults = faulty_references(present, changed, kDepthMax);
            for (const auto& [node, targets] : changed) {
                if (!faults.contains(node)) {
                    present[node] = targets;
                }
            }
            for (std::uint64_t node = 0; node < 12; ++node) {
                const int deepest = depth(present, node);
                EXPECT_GE(deepest, 0) << "a circle";
                EXPECT_LE(deepest, kDepthMax);
            }
        }
    }
}

}  // namespace
}  // namespace burgee::test
