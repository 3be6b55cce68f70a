#pragma once

// One row per promise about speed: which benchmark measures it, in which unit, against which figure.
// Rows are added, never removed: a promise that is no longer kept must show as "no".

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace burgee::bench {

enum class Better { kLower, kHigher };

struct Budget {
    std::string_view row;        ///< what people read
    std::string_view benchmark;  ///< name as Google Benchmark prints it, without "/repeats:..."
    std::string_view counter;    ///< "" = time per iteration; else the user counter of that name
    std::string_view unit;       ///< ns, us, ms, s for times; anything else for counters
    double figure;
    Better better;
    std::string_view relative_to = "";  ///< not empty: the value is divided by this benchmark's median
};

std::span<const Budget> budgets();

/// What the repetitions of one benchmark gave, in the budget's unit.
struct Measured {
    const Budget* budget = nullptr;
    std::vector<double> values;
    std::string error;  ///< why there is no value

    double median() const;
    double minimum() const;
    double maximum() const;
    bool is_kept() const;
};

}  // namespace burgee::bench
