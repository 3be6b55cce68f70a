#pragma once

// `burgee results -o json`: the document that scripts and the Python system's users read.

#include <string>

#include "stats/experiment_report.hpp"

namespace burgee::cli {

/// The report as one JSON document without a newline at its end. The keys of the Python system keep
/// their names and meaning; ours stand beside them. Never NaN or infinity: what is unknown is null.
/// Thread safety: pure.
std::string results_json(const stats::ExperimentReport& report);

}  // namespace burgee::cli
