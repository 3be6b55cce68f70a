#include "stats/multiplicity.hpp"

#include <algorithm>
#include <numeric>

namespace burgee::stats {
namespace {

/// Positions of the p-values from the smallest up; equal ones keep their order.
std::vector<std::size_t> ascending(std::span<const double> p_values) {
    std::vector<std::size_t> order(p_values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return p_values[i]; });
    return order;
}

}  // namespace

std::vector<double> holm(std::span<const double> p_values) {
    const std::vector<std::size_t> order = ascending(p_values);
    std::vector<double> adjusted(p_values.size());
    double largest = 0;
    for (std::size_t rank = 0; rank < order.size(); ++rank) {
        const auto left = static_cast<double>(order.size() - rank);
        largest = std::max(largest, std::min(1.0, left * p_values[order[rank]]));
        adjusted[order[rank]] = largest;
    }
    return adjusted;
}

std::vector<double> benjamini_hochberg(std::span<const double> p_values) {
    const std::vector<std::size_t> order = ascending(p_values);
    std::vector<double> adjusted(p_values.size());
    double smallest = 1;
    for (std::size_t rank = order.size(); rank > 0; --rank) {
        const double inflation = static_cast<double>(order.size()) / static_cast<double>(rank);
        smallest = std::min(smallest, inflation * p_values[order[rank - 1]]);
        adjusted[order[rank - 1]] = smallest;
    }
    return adjusted;
}

}  // namespace burgee::stats
