// Edit distance over bytes: names are short, and a slip inside a multi-byte letter still counts
// few.

#include "shm/suggestion.hpp"

#include <algorithm>

namespace burgee {
namespace {

// Longer words are not compared: nobody mistypes them, and the cost is quadratic.
constexpr std::size_t kWordSizeMax = 256;

}  // namespace

std::size_t edit_distance(std::string_view first, std::string_view second) {
    const std::size_t columns = second.size() + 1;
    std::vector<std::size_t> cost((first.size() + 1) * columns);
    const auto at = [&](std::size_t row, std::size_t column) -> std::size_t& {
        return cost[row * columns + column];
    };
    for (std::size_t row = 0; row <= first.size(); ++row) {
        at(row, 0) = row;
    }
    for (std::size_t column = 0; column < columns; ++column) {
        at(0, column) = column;
    }
    for (std::size_t row = 1; row <= first.size(); ++row) {
        for (std::size_t column = 1; column < columns; ++column) {
            const bool is_equal = first[row - 1] == second[column - 1];
            std::size_t best = std::min({at(row - 1, column) + 1, at(row, column - 1) + 1,
                                         at(row - 1, column - 1) + (is_equal ? 0U : 1U)});
            const bool is_swap = row > 1 && column > 1 && first[row - 1] == second[column - 2] &&
                                 first[row - 2] == second[column - 1];
            if (is_swap) {
                best = std::min(best, at(row - 2, column - 2) + 1);
            }
            at(row, column) = best;
        }
    }
    return at(first.size(), second.size());
}

std::optional<std::string> closest(std::string_view word,
                                   const std::vector<std::string>& candidates) {
    if (word.empty() || word.size() > kWordSizeMax) {
        return std::nullopt;
    }
    const std::size_t distance_max = std::max<std::size_t>(1, word.size() / 3);
    std::optional<std::string> best;
    std::size_t best_distance = distance_max + 1;
    for (const std::string& candidate : candidates) {
        if (candidate.size() > kWordSizeMax) {
            continue;
        }
        const bool is_beginning =
            word.size() >= 2 && candidate.starts_with(word) && candidate.size() > word.size();
        const std::size_t distance = is_beginning ? 1 : edit_distance(word, candidate);
        if (distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
    const auto found = closest(word, candidates);
    return found ? "; did you mean \"" + *found + "\"?" : "";
}

}  // namespace burgee
