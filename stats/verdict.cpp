#include "stats/verdict.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "stats/compare_rates.hpp"
#include "stats/number_text.hpp"
#include "stats/sample_ratio.hpp"

namespace burgee::stats {
namespace {

constexpr const char* kUnitsRule = "more than 30 units a variant";
constexpr const char* kRatioRule = "units split as the weights say (sample ratio p >= 0.001)";
constexpr const char* kCrossoverRule = "fewer than 1% of units in two variants";
constexpr const char* kGuardrailRule = "errors not significantly worse";

enum class Direction { kUntested, kUndecided, kBetter, kWorse };

std::optional<double> deciding_p(const VerdictFacts& facts, const Evidence& evidence) {
    return facts.is_final ? evidence.p_fixed : evidence.p_always_valid;
}

Direction direction_of(const VerdictFacts& facts, const Evidence& evidence) {
    if (!evidence.p_fixed) {
        return Direction::kUntested;
    }
    const std::optional<double> p_value = deciding_p(facts, evidence);
    if (!p_value || *p_value >= facts.alpha || evidence.difference == 0) {
        return Direction::kUndecided;
    }
    const bool is_lower = evidence.difference < 0;
    return is_lower == evidence.metric.is_lower_better ? Direction::kBetter : Direction::kWorse;
}

/// "conversion +25.0%", or the absolute difference where a percentage is undefined.
std::string effect_text(const Evidence& evidence) {
    return evidence.metric.name + " " +
           (evidence.lift ? signed_percent_text(*evidence.lift)
                          : "differs by " + signed_quantity_text(evidence.difference));
}

/// The p-value that decides, which kind it is, and on which side of alpha it lies.
std::string p_text(const VerdictFacts& facts, const Evidence& evidence, bool is_adjusted) {
    std::string kind = is_adjusted ? "Holm-adjusted " : "";
    kind += facts.is_final ? "p " : "always-valid p ";
    const std::optional<double> p_value = deciding_p(facts, evidence);
    if (!p_value) {
        return kind + "not available yet";
    }
    return kind + p_value_text(*p_value) + (*p_value < facts.alpha ? " < " : " >= ") +
           quantity_text(facts.alpha);
}

std::string decided_rule(const VerdictFacts& facts) {
    return facts.is_final ? "at the planned end: p below alpha"
                          : "before the planned end: always-valid p below alpha";
}

/// Ends every verdict that came past the first three rules.
std::string rules_met_text(const VerdictFacts& facts) {
    std::string text = std::string(" Rules met: ") + kUnitsRule;
    if (facts.sample_ratio_p) {
        text += ", sample ratio p " + p_value_text(*facts.sample_ratio_p) + " >= 0.001";
    }
    return text + ", crossovers " + percent_text(facts.crossover_share) + " < 1%.";
}

std::optional<Judgement> too_few_units(const VerdictFacts& facts) {
    std::string missing;
    for (const VariantUnits& variant : facts.variants) {
        if (variant.exposed_units < kUnitsMin) {
            missing += (missing.empty() ? "" : ", ") + variant.name + " has " +
                       count_text(variant.exposed_units) + " units, " +
                       count_text(kUnitsMin - variant.exposed_units) + " more needed";
        }
    }
    if (missing.empty()) {
        return std::nullopt;
    }
    return Judgement{Verdict::kInsufficientData,
                     "Do not decide: " + missing + " (rule: " + kUnitsRule + ").", kUnitsRule,
                     std::nullopt};
}

std::optional<Judgement> broken_split(const VerdictFacts& facts) {
    if (facts.sample_ratio_p && *facts.sample_ratio_p < kSampleRatioAlpha) {
        return Judgement{Verdict::kSampleRatioMismatch,
                         "Do not decide: units are not split as the weights say, so assignment or "
                         "tracking is broken (sample ratio p " +
                             p_value_text(*facts.sample_ratio_p) + " < 0.001).",
                         kRatioRule, std::nullopt};
    }
    if (facts.crossover_share >= kCrossoverShareMax) {
        return Judgement{Verdict::kTooManyCrossovers,
                         "Do not decide: " + percent_text(facts.crossover_share) +
                             " of the units met more than one variant (rule: " + kCrossoverRule +
                             ").",
                         kCrossoverRule, std::nullopt};
    }
    return std::nullopt;
}

std::optional<Judgement> broken_guardrail(const VerdictFacts& facts) {
    for (const Evidence& evidence : facts.guardrail) {
        if (direction_of(facts, evidence) == Direction::kWorse) {
            return Judgement{Verdict::kTreatmentWorse,
                             "Roll back " + evidence.variant + ": guardrail " +
                                 effect_text(evidence) + " (" + p_text(facts, evidence, false) +
                                 ")." + rules_met_text(facts),
                             kGuardrailRule, evidence.variant};
        }
    }
    return std::nullopt;
}

/// How the success metrics speak about one treatment.
struct Tally {
    const Evidence* better = nullptr;
    const Evidence* worse = nullptr;
};

Judgement decided(const VerdictFacts& facts, const Tally& tally) {
    const bool is_adjusted = facts.success.size() > 1;
    const Evidence& spoken = tally.better != nullptr ? *tally.better : *tally.worse;
    Judgement judgement;
    judgement.rule = decided_rule(facts);
    judgement.variant = spoken.variant;
    const std::string about = effect_text(spoken) + " (" + p_text(facts, spoken, is_adjusted) + ")";
    if (tally.better != nullptr && tally.worse != nullptr) {
        judgement.verdict = Verdict::kMixed;
        judgement.recommendation = "Weigh it up: " + spoken.variant + " is better on " + about +
                                   " and worse on " + effect_text(*tally.worse) + " (" +
                                   p_text(facts, *tally.worse, is_adjusted) + ").";
    } else if (tally.better != nullptr) {
        judgement.verdict = Verdict::kTreatmentBetter;
        judgement.recommendation = "Ship " + spoken.variant + ": better on " + about + ".";
    } else {
        judgement.verdict = Verdict::kTreatmentWorse;
        judgement.recommendation = "Roll back " + spoken.variant + ": worse on " + about + ".";
    }
    judgement.recommendation += rules_met_text(facts);
    return judgement;
}

/// The strongest voice for each direction about the variant that `about` is on.
Tally tally_for(const VerdictFacts& facts, const std::string& variant) {
    Tally tally;
    for (const Evidence& evidence : facts.success) {
        if (evidence.variant != variant) {
            continue;
        }
        const Direction direction = direction_of(facts, evidence);
        if (direction == Direction::kBetter && tally.better == nullptr) {
            tally.better = &evidence;
        } else if (direction == Direction::kWorse && tally.worse == nullptr) {
            tally.worse = &evidence;
        }
    }
    return tally;
}

/// True if `left` is the better news: fewer losses, then the larger relative gain.
bool is_better_news(const Tally& left, const Tally& right) {
    const auto rank = [](const Tally& tally) {
        return (tally.better != nullptr ? 2 : 0) - (tally.worse != nullptr ? 1 : 0);
    };
    if (rank(left) != rank(right) || left.better == nullptr) {
        return rank(left) > rank(right);
    }
    const auto gain = [](const Evidence& evidence) {
        return std::abs(evidence.lift.value_or(evidence.difference));
    };
    return gain(*left.better) > gain(*right.better);
}

Judgement undecided(const VerdictFacts& facts) {
    const auto decisive = std::ranges::find_if(
        facts.success, [](const Evidence& evidence) { return evidence.p_fixed.has_value(); });
    Judgement judgement;
    if (decisive == facts.success.end()) {
        judgement.verdict = Verdict::kUndefined;
        judgement.rule = "a success metric that varies";
        judgement.recommendation =
            "Nothing to decide: no success metric can be tested, because it has no data, or all "
            "units have the same value." +
            rules_met_text(facts);
        return judgement;
    }
    const std::string p_value = p_text(facts, *decisive, facts.success.size() > 1);
    judgement.rule = decided_rule(facts);
    if (facts.is_final || facts.was_stopped_early) {
        judgement.verdict = Verdict::kNotSignificant;
        judgement.recommendation = "Inconclusive: " + decisive->metric.name +
                                   " does not differ significantly (" + p_value + ").";
    } else {
        judgement.verdict = Verdict::kKeepRunning;
        judgement.recommendation =
            "Keep running: " + decisive->metric.name + " is not decided (" + p_value + "). " +
            (facts.remaining_days > 0
                 ? "The fixed-horizon p-value counts only at the planned end, in " +
                       std::to_string(facts.remaining_days) + " d."
                 : "Without a planned end only the always-valid p-value counts.");
    }
    judgement.recommendation += rules_met_text(facts);
    return judgement;
}

}  // namespace

const char* verdict_name(Verdict verdict) {
    switch (verdict) {
        case Verdict::kInsufficientData:
            return "insufficient_data";
        case Verdict::kSampleRatioMismatch:
            return "sample_ratio_mismatch";
        case Verdict::kTooManyCrossovers:
            return "too_many_crossovers";
        case Verdict::kUndefined:
            return "undefined";
        case Verdict::kTreatmentBetter:
            return "treatment_better";
        case Verdict::kTreatmentWorse:
            return "treatment_worse";
        case Verdict::kMixed:
            return "mixed";
        case Verdict::kKeepRunning:
            return "keep_running";
        case Verdict::kNotSignificant:
            return "not_significant";
    }
    return "undefined";
}

MetricGoal default_goal(std::string name) {
    const bool is_lower_better = name == "error" || name == "response_time_ms";
    return {std::move(name), is_lower_better};
}

Judgement judge(const VerdictFacts& facts) {
    for (const auto rule : {too_few_units, broken_split, broken_guardrail}) {
        if (std::optional<Judgement> judgement = rule(facts)) {
            return *std::move(judgement);
        }
    }
    Tally best;
    for (const Evidence& evidence : facts.success) {
        const Tally tally = tally_for(facts, evidence.variant);
        const bool speaks = tally.better != nullptr || tally.worse != nullptr;
        const bool is_first = best.better == nullptr && best.worse == nullptr;
        if (speaks && (is_first || is_better_news(tally, best))) {
            best = tally;
        }
    }
    const bool is_decided = best.better != nullptr || best.worse != nullptr;
    return is_decided ? decided(facts, best) : undecided(facts);
}

}  // namespace burgee::stats
