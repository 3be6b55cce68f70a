#pragma once

// Intervals for one rate and for the difference of two. Relied on by compare_rates and the report.

#include <cstdint>

#include "stats/stats_error.hpp"

namespace burgee::stats {

/// Units that met a variant, and how many of them did the thing. converted <= exposed.
struct RateCounts {
    std::uint64_t exposed = 0;
    std::uint64_t converted = 0;

    /// Precondition: exposed > 0.
    double rate() const { return static_cast<double>(converted) / static_cast<double>(exposed); }
};

/// converted * other.exposed - other.converted * exposed over the product of both exposed counts:
/// the difference of two rates, formed in 128-bit integers because doubles lose up to 6e-8 of it
/// next to 0 and 1 with a thousand million units.
/// Preconditions: both exposed in 1 .. kUnitsMax.
double rate_difference(const RateCounts& control, const RateCounts& treatment);

/// Wilson's score interval of one rate, always within [0, 1].
/// Preconditions: counts.exposed > 0; 0 < alpha < 1.
/// Source: Wilson (1927), J. American Statistical Association 22:209-212.
Interval wilson_interval(const RateCounts& counts, double alpha);

/// Treatment minus control by square-and-add of Wilson limits: honest at 0 % and 100 %.
/// Source: Newcombe (1998), Statistics in Medicine 17:873-890, method 10.
Interval newcombe_interval(const RateCounts& control, const RateCounts& treatment, double alpha);

/// Treatment minus control with the unpooled error: what the Python system promised under
/// confidence_interval_95. Collapses to a point where both rates are 0 % or 100 %.
Interval wald_interval(const RateCounts& control, const RateCounts& treatment, double alpha);

/// sqrt(pc(1 - pc)/nc + pt(1 - pt)/nt), the error of the difference when the rates may differ.
double unpooled_error(const RateCounts& control, const RateCounts& treatment);

/// sqrt(p(1 - p)(1/nc + 1/nt)) with the common rate p: the error of the difference if there is
/// none.
double pooled_error(const RateCounts& control, const RateCounts& treatment);

}  // namespace burgee::stats
