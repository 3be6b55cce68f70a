#include "sync/flag_split.hpp"

#include <algorithm>
#include <cmath>

#include "shm/assertion.hpp"

namespace burgee::sync {
namespace {

constexpr int kHundredths = 10'000;  // places of legacy_md5

// The former system's own arithmetic: a place / 100.0 compared with sums of weights, in that order;
// beyond the last sum the last variant takes the rest.
FlagSplit legacy_split(const FlagDefinition& flag, double gate_percentage) {
    const bool has_variants = flag.status == Status::kAbTest;
    FlagSplit split;
    split.on.resize(has_variants ? flag.variants.size() : 1);
    std::vector<int> counts(split.on.size());
    int off = 0;
    for (int place = 0; place < kHundredths; ++place) {
        const double bucket = place / 100.0;
        if (!(bucket < gate_percentage)) {
            ++off;
            continue;
        }
        std::size_t side = 0;
        if (has_variants) {
            double cumulative = flag.variants[0].weight;
            while (!(bucket < cumulative) && side + 1 < flag.variants.size()) {
                cumulative += flag.variants[++side].weight;
            }
        }
        ++counts[side];
    }
    split.off = off / double(kHundredths);
    std::transform(counts.begin(), counts.end(), split.on.begin(),
                   [](int count) { return count / double(kHundredths); });
    return split;
}

FlagSplit xxh3_split(const FlagDefinition& flag, double gate_percentage) {
    const double gate = std::round(gate_percentage * 10'000) / 1e6;
    FlagSplit split{.off = 1 - gate, .on = {}};
    if (flag.status != Status::kAbTest) {
        split.on.push_back(gate);
        return split;
    }
    double sum = 0;
    for (const VariantDefinition& variant : flag.variants) {
        sum += variant.weight;
    }
    for (const VariantDefinition& variant : flag.variants) {
        split.on.push_back(gate * variant.weight / sum);
    }
    return split;
}

FlagSplit split_at(const FlagDefinition& flag, double gate_percentage) {
    BURGEE_ASSERT(flag.status != Status::kAbTest || !flag.variants.empty());
    return flag.bucketing == Bucketing::kLegacyMd5 ? legacy_split(flag, gate_percentage)
                                                   : xxh3_split(flag, gate_percentage);
}

}  // namespace

FlagSplit split_of(const FlagDefinition& flag) {
    switch (flag.status) {
        case Status::kDisabled:
            return {.off = 1, .on = {0}};
        case Status::kEnabled:
            return {.off = 0, .on = {1}};
        default:
            return split_at(flag, flag.rollout_percentage);
    }
}

FlagSplit split_without_gate(const FlagDefinition& flag) {
    return split_at(flag, 100);
}

double share_that_changes(const FlagSplit& before, const FlagSplit& after) {
    BURGEE_ASSERT(before.on.size() == after.on.size());
    double same = before.off * after.off;
    for (std::size_t side = 0; side < before.on.size(); ++side) {
        same += before.on[side] * after.on[side];
    }
    return std::clamp(1 - same, 0.0, 1.0);
}

}  // namespace burgee::sync
