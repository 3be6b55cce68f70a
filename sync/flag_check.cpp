#include "sync/flag_check.hpp"

#include <charconv>
#include <cmath>
#include <utility>

#include "sync/flag_problems.hpp"
#include "sync/flag_text.hpp"
#include "sync/segments_check.hpp"
#include "sync/targeting_check.hpp"
#include "sync/variant_check.hpp"

namespace burgee::sync {
namespace {

constexpr double kCanaryRolloutUsualMax =
    5;  // percent; above it a canary is hardly for a named few

std::optional<Status> status_of(const std::string& text) {
    if (text == "disabled") {
        return Status::kDisabled;
    }
    if (text == "enabled") {
        return Status::kEnabled;
    }
    if (text == "gradual_rollout") {
        return Status::kGradualRollout;
    }
    if (text == "canary") {
        return Status::kCanary;
    }
    return text == "ab_test" ? std::optional(Status::kAbTest) : std::nullopt;
}

void read_status(const RawFlag& row, FlagDefinition& flag, FlagProblems& problems) {
    if (!row.status) {
        problems.refuse("status",
                        "is NULL: set disabled, enabled, gradual_rollout, ab_test or canary");
    } else if (const auto status = status_of(*row.status)) {
        flag.status = *status;
    } else {
        problems.refuse(
            "status",
            "\"" + shown_text(*row.status) +
                "\" is not known: set disabled, enabled, gradual_rollout, ab_test or canary");
    }
}

void read_rollout(const RawFlag& row, FlagDefinition& flag, FlagProblems& problems) {
    const bool is_needed = flag.status != Status::kDisabled && flag.status != Status::kEnabled;
    if (!row.rollout_percentage) {
        problems.report(is_needed, "rollout_percentage",
                        is_needed ? "is NULL: set a number, 0 to 100"
                                  : "is NULL and read as 0: set a number, 0 to 100");
        return;
    }
    const std::string& text = *row.rollout_percentage;
    double rollout = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), rollout);
    const bool is_number = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
    if (!is_number || !(rollout >= 0 && rollout <= 100)) {  // NaN fails both comparisons
        problems.refuse("rollout_percentage",
                        "is " + shown_text(text) + ": set a number, 0 to 100");
    } else {
        flag.rollout_percentage = rollout + 0.0;  // -0 is 0
        if (flag.status == Status::kCanary && rollout > kCanaryRolloutUsualMax) {
            problems.warn("rollout_percentage",
                          "is " + shown_text(text) +
                              " in a canary, which is meant for few: use gradual_rollout");
        }
    }
}

/// Nobody asks a disabled flag whom it is meant for. Without the answer nothing in it, from a
/// pattern to a circle of requirements, can keep the builder from publishing that it is off.
void forget_targeting(FlagDefinition& flag) {
    flag.audience.clear();
    flag.rules.clear();
    flag.requirements.clear();
    flag.layer.reset();
}

/// What needs more than `segments` to be judged.
void check_targeting(const RawFlag& row, const FlagSettings& settings, FlagDefinition& flag,
                     FlagProblems& problems) {
    if (!problems.is_refused()) {  // else variants may be missing that are there
        check_served_variants(flag, problems);
    }
    take_layer_slots(row, flag, problems);
    if (flag.status == Status::kCanary && !settings.is_canary_off && flag.audience.empty() &&
        flag.include.empty()) {
        problems.warn("segments.audience",
                      "is not there, and no include either: a canary is meant for a named few; "
                      "name them");
    }
}

/// Columns that no answer depends on: worth a word, never worth a flag.
void remark_on_the_rest(const RawFlag& row, FlagProblems& problems) {
    if (!row.metadata) {
        problems.warn("metadata", "is NULL and read as {}: set an object");
    } else if (row.metadata->empty() || row.metadata->front() != '{') {
        problems.warn("metadata", "is not a JSON object and is ignored: set {}");
    }
    if (!row.has_created_at) {
        problems.warn("created_at", "is NULL: nobody can tell when the flag was made");
    }
    if (!row.has_updated_at) {
        problems.warn("updated_at", "is NULL: nobody can tell when the row was changed");
    }
}

}  // namespace

FlagVerdict check_flag(const RawFlag& row, const FlagSettings& settings) {
    FlagProblems problems(shown_name(row.name.value_or("")));
    FlagDefinition flag;
    flag.revision = row.revision;
    flag.expires_unix_ms = row.expires_unix_ms;
    if (!row.name) {
        problems.refuse("name", "is NULL: give the flag a name");
    } else if (const auto complaint = name_complaint(*row.name, kFlagNameSizeMax)) {
        problems.refuse("name", *complaint);
    } else {
        flag.name = *row.name;
    }
    read_status(row, flag, problems);
    // No answer of a disabled flag depends on the rest of its row, and nothing may keep a flag from
    // being switched off: not even a row that could not be switched on.
    const bool is_switched_off = !problems.is_refused() && flag.status == Status::kDisabled;
    if (is_switched_off) {
        problems.tolerate();
    }
    read_rollout(row, flag, problems);
    if (!row.segments) {
        problems.warn("segments", "is NULL and read as {}: set an object");
    }
    read_segments(row.segments.value_or("{}"), settings, flag, problems);
    if (!row.variants) {
        problems.warn("variants", "is NULL and read as []: set an array");
    }
    const VariantRules rules{flag.status == Status::kAbTest,
                             flag.bucketing == Bucketing::kLegacyMd5};
    flag.variants = read_variants(row.variants.value_or("[]"), rules, problems);
    if (is_switched_off) {
        forget_targeting(flag);
    } else {
        check_targeting(row, settings, flag, problems);
    }
    remark_on_the_rest(row, problems);
    if (settings.is_canary_off && flag.status == Status::kCanary) {
        flag.status = Status::kDisabled;
        problems.warn("status", "canary answers as disabled here (setting legacy_canary is off)");
    }
    FlagVerdict verdict;
    if (!problems.is_refused()) {
        verdict.flag = std::move(flag);
    } else if (is_switched_off) {
        FlagDefinition off;
        off.name = off.salt = flag.name;
        off.revision = flag.revision;
        off.expires_unix_ms = flag.expires_unix_ms;
        verdict.flag = std::move(off);
    }
    verdict.problems = problems.take();
    return verdict;
}

bool is_random_with_experiment(const FlagDefinition& flag,
                               const std::vector<ExperimentDefinition>& experiments) {
    return flag.status != Status::kDisabled && flag.strategy == Strategy::kRandom &&
           std::any_of(experiments.begin(), experiments.end(),
                       [&](const ExperimentDefinition& experiment) {
                           return experiment.flag_name == flag.name;
                       });
}

FlagProblem random_with_experiment(const FlagDefinition& flag) {
    return {shown_name(flag.name), "segments.type",
            "is \"random\" in a flag with an active experiment, whose units would change sides: "
            "use hash_based or pause the experiment",
            true};
}

std::string shown_name(std::string_view name) {
    return name.empty() ? "(no name)" : shown_text(name);
}

std::string to_line(const std::vector<FlagProblem>& problems) {
    std::string line;
    for (const FlagProblem& problem : problems) {
        line += line.empty() ? problem.flag + ": " : "; ";
        line += problem.field + " " + problem.message;
    }
    return line;
}

}  // namespace burgee::sync
