#pragma once

// Many questions at once: p-values adjusted so that asking more does not find more by chance.

#include <span>
#include <vector>

namespace burgee::stats {

/// Adjusted p-values in input order; reject where <= alpha, and the chance of any false rejection
/// is at most alpha. Precondition: each in [0, 1]. Cost: O(k log k). Source: Holm (1979),
/// Scandinavian Journal of Statistics 6:65-70.
std::vector<double> holm(std::span<const double> p_values);

/// Adjusted p-values in input order; the expected share of false ones among the rejected is at most
/// alpha (independent or positively dependent tests). For exploring, not for verdicts.
/// Source: Benjamini, Hochberg (1995), J. Royal Statistical Society B 57:289-300.
std::vector<double> benjamini_hochberg(std::span<const double> p_values);

}  // namespace burgee::stats
