#pragma once

// Tails and quantiles of the distributions the tests need, and the only place that sees Boost.Math.
// Tails are computed as tails, never as 1 - cdf, which loses every digit beyond |z| = 8; logarithms
// of tails stay exact where the tail itself is below the range of a double.
//
// Thread safety: pure, all of it. Cost: below a microsecond a call.

namespace burgee::stats {

/// P(Z > z) of the standard normal; 0 once below the double range (z > 38.5). z finite.
double normal_upper_tail(double z);

/// P(|Z| >= |z|).
double normal_two_sided(double z);

/// log10 of normal_two_sided(z), exact also where that is 0.
double log10_normal_two_sided(double z);

/// The z with P(Z > z) = tail. Precondition: 0 < tail < 1.
double normal_upper_quantile(double tail);

/// P(|T| >= |t|) of Student's t. Precondition: degrees_of_freedom > 0, not necessarily whole.
double student_two_sided(double t, double degrees_of_freedom);

/// log10 of student_two_sided, exact also where that is 0.
double log10_student_two_sided(double t, double degrees_of_freedom);

/// The t with P(T > t) = tail. Preconditions: 0 < tail < 1, degrees_of_freedom > 0.
double student_upper_quantile(double tail, double degrees_of_freedom);

/// P(X > x) of chi-square. Preconditions: x >= 0, degrees_of_freedom > 0.
double chi_square_upper_tail(double x, double degrees_of_freedom);

/// log10 of chi_square_upper_tail, exact also where that is 0.
double log10_chi_square_upper_tail(double x, double degrees_of_freedom);

/// Gamma(df / 2) / (sqrt(df / 2) Gamma((df - 1) / 2)): the factor that makes Cohen's d unbiased.
/// Precondition: degrees_of_freedom > 1. Source: Hedges (1981), J. Educational Statistics 6:107.
double hedges_correction(double degrees_of_freedom);

}  // namespace burgee::stats
