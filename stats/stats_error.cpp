#include "stats/stats_error.hpp"

#include <boost/throw_exception.hpp>
#include <stdexcept>
#include <string>

namespace burgee::stats {

std::string_view describe(StatsError error) {
    switch (error) {
        case StatsError::kNoTreatment:
            return "there are fewer than two variants to compare";
        case StatsError::kNoControl:
            return "the control is not one of the variants";
        case StatsError::kMoreThanExposed:
            return "a variant has more converted than exposed units";
        case StatsError::kTooFewSamples:
            return "there are too few units";
        case StatsError::kNotFinite:
            return "an input is not a finite number";
        case StatsError::kNegative:
            return "an input that cannot be negative is";
        case StatsError::kOutOfRange:
            return "a unit count or an error rate is out of range";
        case StatsError::kZeroDenominator:
            return "the denominators of a ratio sum to zero";
        case StatsError::kSizeMismatch:
            return "two lists that belong together differ in length";
    }
    return "unknown error";
}

void throw_exception_from_error(StatsError error, const boost::source_location& location) {
    boost::throw_with_location(std::logic_error(std::string(describe(error))), location);
}

}  // namespace burgee::stats
