#include "stats/proportion_interval.hpp"

#include <algorithm>
#include <cmath>

#include "stats/distributions.hpp"

namespace burgee::stats {
namespace {

__extension__ using WideInteger = __int128;

/// p(1 - p), formed from counts: 1 - p would lose digits next to 100 %.
double rate_variance(const RateCounts& counts) {
    const auto exposed = static_cast<double>(counts.exposed);
    return (static_cast<double>(counts.converted) / exposed) *
           (static_cast<double>(counts.exposed - counts.converted) / exposed);
}

}  // namespace

double rate_difference(const RateCounts& control, const RateCounts& treatment) {
    const WideInteger cross = WideInteger{treatment.converted} * control.exposed -
                              WideInteger{control.converted} * treatment.exposed;
    // One division by the product, so that swapping the variants negates to the last bit.
    return static_cast<double>(cross) /
           (static_cast<double>(control.exposed) * static_cast<double>(treatment.exposed));
}

Interval wilson_interval(const RateCounts& counts, double alpha) {
    const double z = normal_upper_quantile(0.5 * alpha);
    const auto exposed = static_cast<double>(counts.exposed);
    const double rate = counts.rate();
    const double shrink = 1.0 + z * z / exposed;
    const double centre = (rate + 0.5 * z * z / exposed) / shrink;
    const double half_width =
        z / shrink *
        std::sqrt(rate_variance(counts) / exposed + 0.25 * z * z / (exposed * exposed));
    Interval interval{std::max(0.0, centre - half_width), std::min(1.0, centre + half_width)};
    // At the ends the limit is the end itself; rounding must not leave a hair of room there.
    if (counts.converted == 0) {
        interval.lower = 0.0;
    }
    if (counts.converted == counts.exposed) {
        interval.upper = 1.0;
    }
    return interval;
}

Interval newcombe_interval(const RateCounts& control, const RateCounts& treatment, double alpha) {
    const Interval c = wilson_interval(control, alpha);
    const Interval t = wilson_interval(treatment, alpha);
    const double difference = rate_difference(control, treatment);
    return {difference - std::hypot(treatment.rate() - t.lower, c.upper - control.rate()),
            difference + std::hypot(t.upper - treatment.rate(), control.rate() - c.lower)};
}

Interval wald_interval(const RateCounts& control, const RateCounts& treatment, double alpha) {
    const double half_width =
        normal_upper_quantile(0.5 * alpha) * unpooled_error(control, treatment);
    const double difference = rate_difference(control, treatment);
    return {difference - half_width, difference + half_width};
}

double unpooled_error(const RateCounts& control, const RateCounts& treatment) {
    return std::sqrt(rate_variance(control) / static_cast<double>(control.exposed) +
                     rate_variance(treatment) / static_cast<double>(treatment.exposed));
}

double pooled_error(const RateCounts& control, const RateCounts& treatment) {
    const RateCounts both{control.exposed + treatment.exposed,
                          control.converted + treatment.converted};
    return std::sqrt(rate_variance(both) * (1.0 / static_cast<double>(control.exposed) +
                                            1.0 / static_cast<double>(treatment.exposed)));
}

}  // namespace burgee::stats
