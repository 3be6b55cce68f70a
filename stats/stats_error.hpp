#pragma once

// Why a statistic could not be given. Every function of this module that can be asked something
// meaningless answers with one of these; none of them ever answers with NaN or infinity.

#include <boost/system/result.hpp>
#include <string_view>

namespace burgee::stats {

enum class StatsError {
    kNoTreatment,      ///< fewer than two variants to compare
    kNoControl,        ///< the control's index names no variant
    kMoreThanExposed,  ///< more converted than exposed units
    kTooFewSamples,    ///< fewer units than the method needs
    kNotFinite,        ///< NaN or infinity among the inputs
    kNegative,         ///< a sum of squares, weight or count below zero
    kOutOfRange,       ///< more units than kUnitsMax, or an error rate outside (0, 1)
    kZeroDenominator,  ///< a ratio whose denominators sum to zero
    kSizeMismatch,     ///< two lists that should run in parallel do not
};

/// One sentence for people; never empty. Thread safety: pure.
std::string_view describe(StatsError error);

/// What Result::value() does when there is none: throws std::logic_error with the sentence above.
/// Callers look first, so that reaching it is a mistake of ours.
[[noreturn]] void throw_exception_from_error(StatsError error,
                                             const boost::source_location& location);

template <typename Value>
using Result = boost::system::result<Value, StatsError>;

/// Both ends included; lower <= upper, both finite.
struct Interval {
    double lower = 0;
    double upper = 0;

    friend bool operator==(const Interval&, const Interval&) = default;
};

}  // namespace burgee::stats
