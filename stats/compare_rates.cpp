#include "stats/compare_rates.hpp"

#include <cmath>

#include "stats/distributions.hpp"
#include "stats/effect_size.hpp"
#include "stats/exact_test.hpp"
#include "stats/moments.hpp"

namespace burgee::stats {
namespace {

Result<void> check(std::span<const RateCounts> variants, double alpha) {
    if (variants.size() < 2) {
        return StatsError::kNoTreatment;
    }
    if (!(alpha > 0 && alpha < 1)) {
        return StatsError::kOutOfRange;
    }
    for (const RateCounts& counts : variants) {
        if (counts.exposed > kUnitsMax) {
            return StatsError::kOutOfRange;
        }
        if (counts.converted > counts.exposed) {
            return StatsError::kMoreThanExposed;
        }
        if (counts.exposed < kUnitsMin) {
            return StatsError::kTooFewSamples;
        }
    }
    return {};
}

/// Fills in which test decides, and what it says.
void decide(RateComparison& comparison, const RateCounts& control, const RateCounts& treatment) {
    comparison.z = pooled_z(control, treatment);
    if (!comparison.z) {
        return;
    }
    if (needs_exact_test(control, treatment)) {
        const ExactTest exact = fisher_exact(control, treatment);
        comparison.test = RateTest::kFisherMidP;
        comparison.p_value = exact.mid_p_value;
        comparison.log10_p_value = exact.log10_mid_p_value;
        return;
    }
    comparison.test = RateTest::kPooledZ;
    comparison.p_value = normal_two_sided(*comparison.z);
    comparison.log10_p_value = log10_normal_two_sided(*comparison.z);
}

/// Katz's interval for the ratio of two rates, minus 1: it cannot pass -100 %.
std::optional<Interval> katz_interval(const RateCounts& control, const RateCounts& treatment,
                                      double alpha) {
    if (control.converted == 0 || treatment.converted == 0) {
        return std::nullopt;
    }
    const auto relative_variance = [](const RateCounts& counts) {
        return static_cast<double>(counts.exposed - counts.converted) /
               (static_cast<double>(counts.converted) * static_cast<double>(counts.exposed));
    };
    const double log_error = std::sqrt(relative_variance(control) + relative_variance(treatment));
    const double log_ratio = std::log(treatment.rate() / control.rate());
    const double half_width = normal_upper_quantile(0.5 * alpha) * log_error;
    return Interval{std::expm1(log_ratio - half_width), std::expm1(log_ratio + half_width)};
}

RateComparison compare(const RateCounts& control, const RateCounts& treatment, double alpha) {
    RateComparison comparison;
    comparison.rate_control = control.rate();
    comparison.rate_treatment = treatment.rate();
    comparison.difference = rate_difference(control, treatment);
    comparison.error_unpooled = unpooled_error(control, treatment);
    decide(comparison, control, treatment);
    comparison.newcombe = newcombe_interval(control, treatment, alpha);
    comparison.wald = wald_interval(control, treatment, alpha);
    if (control.converted > 0) {
        comparison.lift = comparison.difference / comparison.rate_control;
    }
    comparison.lift_interval = katz_interval(control, treatment, alpha);
    comparison.cohen_h = cohen_h(comparison.rate_control, comparison.rate_treatment);
    return comparison;
}

}  // namespace

Result<std::vector<RateComparison>> compare_rates(std::span<const RateCounts> variants,
                                                  double alpha) {
    if (const Result<void> checked = check(variants, alpha); checked.has_error()) {
        return checked.error();
    }
    std::vector<RateComparison> comparisons;
    comparisons.reserve(variants.size() - 1);
    for (const RateCounts& treatment : variants.subspan(1)) {
        comparisons.push_back(compare(variants[0], treatment, alpha));
    }
    return comparisons;
}

std::optional<double> pooled_z(const RateCounts& control, const RateCounts& treatment) {
    const double error = pooled_error(control, treatment);
    if (error <= 0) {
        return std::nullopt;
    }
    return rate_difference(control, treatment) / error;
}

}  // namespace burgee::stats
