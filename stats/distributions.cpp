#include "stats/distributions.hpp"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/erf.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <numbers>

namespace burgee::stats {
namespace {

// Results come back as values: no exceptions for overflow, and 0 instead of a signal on underflow.
using Policy = boost::math::policies::policy<
    boost::math::policies::overflow_error<boost::math::policies::ignore_error>,
    boost::math::policies::underflow_error<boost::math::policies::ignore_error>,
    boost::math::policies::evaluation_error<boost::math::policies::ignore_error>,
    boost::math::policies::promote_double<false>>;

/// Tails below this are taken by logarithms: well above the smallest normal double, 2.2e-308.
constexpr double kSmallTail = 1e-290;

/// Terms of a continued fraction before we take what we have; the tails that come here need dozens
/// (the t distribution with 1e9 degrees of freedom a few thousand).
constexpr int kFractionTermsMax = 100'000;
constexpr double kFractionPrecision = 1e-16;

/// log(1 - 1/x^2 + 1*3/x^4 - ...), the asymptotic series of P(Z > x) x / phi(x), phi the density.
/// With x > 35 eight terms reach 1e-17. Source: Abramowitz, Stegun (1964), 26.2.12.
double log_tail_series(double x) {
    const double inverse_square = 1.0 / (x * x);
    double term = 1.0;
    double sum = 0.0;
    for (int odd = 1; odd <= 15; odd += 2) {
        term *= -odd * inverse_square;
        sum += term;
    }
    return std::log1p(sum);
}

/// log of the continued fraction of the incomplete beta function I_x(a, b), by the modified method
/// of Lentz (1976). Converges for x < (a + 1)/(a + b + 2). Source: DLMF 8.17.22.
double log_beta_fraction(double a, double b, double x) {
    constexpr double tiny = 1e-300;
    double c = 1.0;
    double d = 1.0 - (a + b) * x / (a + 1.0);
    d = 1.0 / (std::abs(d) < tiny ? tiny : d);
    double fraction = d;
    for (int m = 1; m <= kFractionTermsMax; ++m) {
        const double even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        double change = 1.0;
        for (const double numerator : {even, odd}) {
            d = 1.0 + numerator * d;
            d = 1.0 / (std::abs(d) < tiny ? tiny : d);
            c = 1.0 + numerator / c;
            c = std::abs(c) < tiny ? tiny : c;
            change = c * d;
            fraction *= change;
        }
        if (std::abs(change - 1.0) < kFractionPrecision) {
            break;
        }
    }
    return std::log(fraction);
}

/// log of Q(a, x) = Gamma(a, x)/Gamma(a) by Legendre's continued fraction, for x > a + 1.
/// Source: DLMF 8.9.2.
double log_gamma_upper(double a, double x) {
    double b = x + 1.0 - a;
    double c = 1e300;
    double d = 1.0 / b;
    double fraction = d;
    for (int i = 1; i <= kFractionTermsMax; ++i) {
        const double numerator = -i * (i - a);
        b += 2.0;
        d = 1.0 / (numerator * d + b);
        c = b + numerator / c;
        const double change = c * d;
        fraction *= change;
        if (std::abs(change - 1.0) < kFractionPrecision) {
            break;
        }
    }
    return a * std::log(x) - x - boost::math::lgamma(a, Policy()) + std::log(fraction);
}

}  // namespace

double normal_upper_tail(double z) {
    return 0.5 * boost::math::erfc(z / std::numbers::sqrt2, Policy());
}

double normal_two_sided(double z) {
    return boost::math::erfc(std::abs(z) / std::numbers::sqrt2, Policy());
}

double log10_normal_two_sided(double z) {
    const double tail = normal_two_sided(z);
    if (tail >= kSmallTail) {
        return std::log10(tail);
    }
    const double x = std::abs(z);
    const double log_density = -0.5 * x * x - 0.5 * std::log(2.0 * std::numbers::pi);
    const double log_tail = log_density - std::log(x) + log_tail_series(x);
    return (log_tail + std::numbers::ln2) / std::numbers::ln10;
}

double normal_upper_quantile(double tail) {
    return std::numbers::sqrt2 * boost::math::erfc_inv(2.0 * tail, Policy());
}

double student_two_sided(double t, double degrees_of_freedom) {
    const boost::math::students_t_distribution<double, Policy> student(degrees_of_freedom);
    return std::min(1.0, 2.0 * cdf(complement(student, std::abs(t))));
}

double log10_student_two_sided(double t, double degrees_of_freedom) {
    const double tail = student_two_sided(t, degrees_of_freedom);
    if (tail >= kSmallTail) {
        return std::log10(tail);
    }
    // P(|T| >= t) = I_x(df/2, 1/2) with x = df/(df + t^2); B(a, 1/2) by a ratio of gammas, since
    // the difference of two log-gammas loses every digit at a million degrees of freedom.
    const double a = 0.5 * degrees_of_freedom;
    const double log_x = -std::log1p(t * t / degrees_of_freedom);
    const double log_one_minus_x = -std::log1p(degrees_of_freedom / (t * t));
    const double log_beta = std::log(boost::math::tgamma_delta_ratio(a, 0.5, Policy())) +
                            0.5 * std::log(std::numbers::pi);
    const double log_tail = a * log_x + 0.5 * log_one_minus_x - std::log(a) - log_beta +
                            log_beta_fraction(a, 0.5, std::exp(log_x));
    return log_tail / std::numbers::ln10;
}

double student_upper_quantile(double tail, double degrees_of_freedom) {
    const boost::math::students_t_distribution<double, Policy> student(degrees_of_freedom);
    return quantile(complement(student, tail));
}

double chi_square_upper_tail(double x, double degrees_of_freedom) {
    return boost::math::gamma_q(0.5 * degrees_of_freedom, 0.5 * x, Policy());
}

double log10_chi_square_upper_tail(double x, double degrees_of_freedom) {
    const double tail = chi_square_upper_tail(x, degrees_of_freedom);
    if (tail >= kSmallTail) {
        return std::log10(tail);
    }
    return log_gamma_upper(0.5 * degrees_of_freedom, 0.5 * x) / std::numbers::ln10;
}

double hedges_correction(double degrees_of_freedom) {
    const double half = 0.5 * degrees_of_freedom;
    return 1.0 / (std::sqrt(half) * boost::math::tgamma_delta_ratio(half - 0.5, 0.5, Policy()));
}

}  // namespace burgee::stats
