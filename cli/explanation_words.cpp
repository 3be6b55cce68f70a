// The sentences of an explanation, which its text and its JSON share.

#include <algorithm>

#include "cli/explanation_view.hpp"
#include "cli/table.hpp"

namespace burgee::cli {
namespace {

constexpr std::size_t kSlotRangesShownMax = 8;  // chosen by feel; -o json has all of them

std::string quoted(const std::string& name) {
    return "\"" + printable(name) + "\"";
}

std::string slots_text(const std::vector<SlotRangeRecord>& slots) {
    if (slots.empty()) {
        return "none";
    }
    std::string text;
    for (std::size_t index = 0; index < std::min(slots.size(), kSlotRangesShownMax); ++index) {
        const SlotRangeRecord& range = slots[index];
        text += (text.empty() ? "" : ", ") + std::to_string(range.first) +
                (range.first == range.last ? "" : "-" + std::to_string(range.last));
    }
    return slots.size() <= kSlotRangesShownMax
               ? text
               : text + " and " + std::to_string(slots.size() - kSlotRangesShownMax) + " more";
}

std::string requirement_text(const ExplainedStep& step) {
    const std::string who = quoted(step.subject);
    return who +
           (step.numbers.is_missing ? " is not published"
                                    : " answers " + printable(step.requirement.answered)) +
           ", wanted " + printable(step.requirement.wanted);
}

std::string rule_text(const ExplainedStep& step) {
    return "rules[" + std::to_string(step.numbers.number) + "]" +
           (step.subject.empty() ? "" : " " + quoted(step.subject)) + " matches and serves " +
           printable(step.serves);
}

std::string layer_text(const ExplainedStep& step) {
    return "slot " + std::to_string(step.numbers.bucket) + " of layer " + quoted(step.subject) +
           " is " + (step.numbers.is_met ? "the flag's: " : "not the flag's: ") +
           slots_text(step.slots);
}

}  // namespace

std::string outcome_text(const ExplainedStep& step, const Explanation& explanation) {
    const TraceStep& numbers = step.numbers;
    switch (numbers.rule) {
        case DecisionRule::kStatus:
            return explanation.status;
        case DecisionRule::kExpiry:
            return numbers.has_decided ? "has expired" : "has not expired";
        case DecisionRule::kExclude:
            return numbers.has_decided ? "the unit is listed" : "the unit is not listed";
        case DecisionRule::kInclude:
            // Listed, but not decided: an ab_test flag, whose variant is still to be found.
            return numbers.has_decided || explanation.answer.reason == Reason::kIncluded
                       ? "the unit is listed"
                       : "the unit is not listed";
        case DecisionRule::kRequires:
            return requirement_text(step);
        case DecisionRule::kAudience:
            return numbers.has_decided ? "outside the audience" : "in the audience";
        case DecisionRule::kRules:
            return rule_text(step);
        case DecisionRule::kLayer:
            return layer_text(step);
        case DecisionRule::kEnabled:
            return "on for everybody";
        case DecisionRule::kUnit:
            return step.unit.empty() ? "no unit in the context"
                                     : step.attribute + " = " + step.unit;
        case DecisionRule::kRollout:
            return numbers.is_enabled ? "inside the rollout" : "outside the rollout";
        case DecisionRule::kVariant:
            return step.variant.empty() ? "no variant" : step.variant;
    }
    return "";
}

std::string experiment_text(const Explanation& explanation) {
    if (!explanation.experiment) {
        return "none is active";
    }
    const std::string name = quoted(explanation.experiment->name) + ", phase " +
                             std::to_string(explanation.experiment->phase) + ": ";
    if (explanation.in_experiment()) {
        return name + "the unit takes part";
    }
    return name + (explanation.answer.variant != 0
                       ? "the unit got its variant by hand and does not count"
                       : "the unit takes no part");
}

std::string place_text(const ExplainedQuestion& question) {
    return question.rule ? "rules[" + std::to_string(*question.rule) + "]" : "audience";
}

}  // namespace burgee::cli
