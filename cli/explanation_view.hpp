#pragma once

// An explanation as people read it and as scripts do.

#include <string>

#include "cli/explanation.hpp"

namespace burgee::cli {

/// The answer, a table of the rules in the order in which they were asked, and below it a table of
/// the constraints. Control characters are shown as "?", long texts are cut.
std::string explanation_text(const Explanation& explanation);

/// Everything, one JSON document, nothing cut but questions beyond kQuestionsKeptMax.
std::string explanation_json(const Explanation& explanation);

/// What an evaluation rule found, in words.
std::string outcome_text(const ExplainedStep& step, const Explanation& explanation);

/// Whether the unit is in the flag's experiment, in words.
std::string experiment_text(const Explanation& explanation);

/// "audience", "rules[3]".
std::string place_text(const ExplainedQuestion& question);

}  // namespace burgee::cli
