#include "stats/exact_test.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

namespace burgee::stats {
namespace {

/// Two probabilities closer than this, relatively, are a tie (SciPy's convention).
constexpr double kTieSlack = 1e-7;

constexpr double kExpectedCellMin = 5;
constexpr std::uint64_t kCellMin = 10;

/// The margins of a 2 x 2 table and the range of its one free cell, the treatment's conversions.
struct Margins {
    std::uint64_t control;
    std::uint64_t treatment;
    std::uint64_t converted;

    std::uint64_t lowest() const { return converted > control ? converted - control : 0; }
    std::uint64_t highest() const { return std::min(treatment, converted); }
};

Margins margins_of(const RateCounts& control, const RateCounts& treatment) {
    return {control.exposed, treatment.exposed, control.converted + treatment.converted};
}

/// log of P(cell + 1) / P(cell) of the hypergeometric distribution.
double log_step(const Margins& margins, std::uint64_t cell) {
    const auto x = static_cast<double>(cell);
    const auto left_converted = static_cast<double>(margins.converted - cell);
    const auto left_treatment = static_cast<double>(margins.treatment - cell);
    const auto control_unconverted =
        static_cast<double>(margins.control + cell + 1 - margins.converted);
    return std::log(left_converted / (x + 1.0) * (left_treatment / control_unconverted));
}

/// log P of every table relative to the observed one, which is 0. Walking outwards from the
/// observed table keeps small probabilities exact: no log-gamma of a large number is ever
/// subtracted.
std::vector<double> relative_log_weights(const Margins& margins, std::uint64_t observed) {
    const std::uint64_t lowest = margins.lowest();
    std::vector<double> log_weights(margins.highest() - lowest + 1, 0.0);
    const std::size_t start = observed - lowest;
    for (std::size_t i = start; i + 1 < log_weights.size(); ++i) {
        log_weights[i + 1] = log_weights[i] + log_step(margins, lowest + i);
    }
    for (std::size_t i = start; i > 0; --i) {
        log_weights[i - 1] = log_weights[i] - log_step(margins, lowest + i - 1);
    }
    return log_weights;
}

bool has_small_cell(const RateCounts& counts) {
    return counts.converted < kCellMin || counts.exposed - counts.converted < kCellMin;
}

}  // namespace

bool needs_exact_test(const RateCounts& control, const RateCounts& treatment) {
    const Margins margins = margins_of(control, treatment);
    const auto smaller = static_cast<double>(std::min(control.exposed, treatment.exposed));
    const std::uint64_t all = control.exposed + treatment.exposed;
    const auto rarer = static_cast<double>(std::min(margins.converted, all - margins.converted));
    const bool is_small = smaller * (rarer / static_cast<double>(all)) < kExpectedCellMin ||
                          has_small_cell(control) || has_small_cell(treatment);
    return is_small && margins.highest() - margins.lowest() < kExactTablesMax;
}

ExactTest fisher_exact(const RateCounts& control, const RateCounts& treatment) {
    const Margins margins = margins_of(control, treatment);
    const std::vector<double> log_weights = relative_log_weights(margins, treatment.converted);
    const double largest = *std::ranges::max_element(log_weights);
    const double tie = std::log1p(kTieSlack);
    double total = 0;       // all tables, over the likeliest one
    double unlikelier = 0;  // tables less likely than the observed one, over the observed one
    double as_likely = 0;
    for (const double log_weight : log_weights) {
        total += std::exp(log_weight - largest);
        if (log_weight < -tie) {
            unlikelier += std::exp(log_weight);
        } else if (log_weight <= tie) {
            as_likely += std::exp(log_weight);
        }
    }
    const double log_observed = -largest - std::log(total);
    const double scale = std::exp(log_observed);
    const double log_mid_p = log_observed + std::log(unlikelier + 0.5 * as_likely);
    return {.p_value = std::min(1.0, scale * (unlikelier + as_likely)),
            .mid_p_value = std::min(1.0, scale * (unlikelier + 0.5 * as_likely)),
            .log10_mid_p_value = std::min(0.0, log_mid_p / std::numbers::ln10)};
}

}  // namespace burgee::stats
