#pragma once

// Fisher's exact test of a 2 x 2 table and its mid-p form: the answer where counts are too small
// for a normal approximation.

#include "stats/proportion_interval.hpp"

namespace burgee::stats {

/// Two-sided p-values: every table no more likely than the observed one, with a relative slack of
/// 1e-7 for ties (SciPy's convention); mid-p counts tables as likely as the observed one by half.
struct ExactTest {
    double p_value = 1;
    double mid_p_value = 1;
    double log10_mid_p_value = 0;
};

/// True if a normal approximation is not to be trusted: an expected cell below 5, or a variant with
/// fewer than 10 converted or fewer than 10 unconverted units; and the exact test is affordable
/// (at most kExactTablesMax tables share the margins).
bool needs_exact_test(const RateCounts& control, const RateCounts& treatment);

/// Preconditions: both exposed > 0; the number of tables is at most kExactTablesMax.
/// Cost: O(tables). Thread safety: pure. Source: Lancaster (1961), JASA 56:223-234; Lydersen,
/// Fagerland, Laake (2009), Statistics in Medicine 28:1159-1175 on why mid-p.
ExactTest fisher_exact(const RateCounts& control, const RateCounts& treatment);

/// Beyond this many tables the pooled z is used: the sums would take milliseconds, and with so many
/// conversions in one variant and so few in the other no method doubts the answer.
inline constexpr std::uint64_t kExactTablesMax = 100'000;

}  // namespace burgee::stats
