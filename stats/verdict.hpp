#pragma once

// From numbers to advice: the decision rules, in their order, and the sentence that names the rule.
// Works on plain facts so that every rule can be tested by itself.
//
// Rules, the first that speaks decides:
//   1. more than 30 exposed units in every variant
//   2. units split as the weights say (sample ratio p >= 0.001)
//   3. fewer than 1 % of units met two variants
//   4. errors not significantly worse
//   5. a success metric significantly better or worse, by Holm-adjusted p-values; before the
//   planned
//      end only the always-valid p-value counts

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace burgee::stats {

/// Share of units in two variants from which on the split itself is in doubt.
inline constexpr double kCrossoverShareMax = 0.01;

enum class Verdict {
    kInsufficientData,     ///< rule 1
    kSampleRatioMismatch,  ///< rule 2
    kTooManyCrossovers,    ///< rule 3
    kUndefined,            ///< no success metric can be tested, e.g. nobody converted anywhere
    kTreatmentBetter,
    kTreatmentWorse,
    kMixed,           ///< better on one success metric, worse on another
    kKeepRunning,     ///< not decided, and the planned end has not come
    kNotSignificant,  ///< not decided at the end
};

/// The verdict as in JSON, e.g. "treatment_better".
const char* verdict_name(Verdict verdict);

/// A metric that decides, and the direction that is wanted.
struct MetricGoal {
    std::string name;
    bool is_lower_better = false;
};

/// The goal for a metric of this name: lower is better for "error" and "response_time_ms".
MetricGoal default_goal(std::string name);

/// One comparison as the rules see it.
struct Evidence {
    std::string variant;
    MetricGoal metric;
    double difference = 0;                 ///< treatment minus control
    std::optional<double> lift;            ///< a fraction
    std::optional<double> p_fixed;         ///< Holm-adjusted within the success metrics
    std::optional<double> p_always_valid;  ///< likewise
};

struct VariantUnits {
    std::string name;
    std::uint64_t exposed_units = 0;
};

struct VerdictFacts {
    std::vector<VariantUnits> variants;
    std::optional<double> sample_ratio_p;
    double crossover_share = 0;
    std::vector<Evidence> success;    ///< success metrics x treatments
    std::vector<Evidence> guardrail;  ///< the error rate x treatments
    bool is_final = false;
    bool was_stopped_early = false;   ///< not final, and nothing more will come
    std::int64_t remaining_days = 0;  ///< whole days until the planned end, rounded up; 0 if none
    double alpha = 0.05;
};

struct Judgement {
    Verdict verdict = Verdict::kInsufficientData;
    std::string recommendation;          ///< one or two sentences; names the rule
    std::string rule;                    ///< the rule alone, e.g. "more than 30 units a variant"
    std::optional<std::string> variant;  ///< the treatment it is about, if about one
};

/// Applies the rules. Thread safety: pure.
Judgement judge(const VerdictFacts& facts);

}  // namespace burgee::stats
