#pragma once

// `burgee results`: the verdict, the health lines, and one aligned row a metric and treatment with
// its interval drawn on an axis that all rows of a table share.

#include <string>

#include "stats/experiment_report.hpp"

namespace burgee::cli {

struct ResultsTextOptions {
    bool has_colour = false;  ///< ANSI colours; only for terminals and without NO_COLOR
    int plot_columns = 25;    ///< width of the interval plot; at least 9
};

/// The report as lines of UTF-8 text, each ended by a newline. Thread safety: pure.
std::string results_text(const stats::ExperimentReport& report,
                         const ResultsTextOptions& options = {});

}  // namespace burgee::cli
