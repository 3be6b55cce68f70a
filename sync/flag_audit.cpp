#include "sync/flag_audit.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "sync/flag_split.hpp"

namespace burgee::sync {
namespace {

constexpr double kWeightSumTolerance = 0.01 + 1e-9;  // as the check's: thirds are written 33.33
constexpr double kShareTolerance = 0.01;             // one percentage point; chosen by feel

std::string percent_text(double share) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.4g %%", share * 100);
    return text.data();
}

/// The columns that `burgee flag set` can mend, by the first word of a problem's field.
std::string command_for(const std::string& name, const std::string& field) {
    const std::string flag = shell_word(name);
    const auto is_about = [&](std::string_view column) { return field.starts_with(column); };
    if (is_about("variants")) {
        return "burgee flag set " + flag + " --variants @variants.json";
    }
    if (is_about("segments")) {
        return "burgee flag set " + flag + " --segments @segments.json";
    }
    if (is_about("rollout_percentage")) {
        return "burgee flag set " + flag + " --rollout PERCENT";
    }
    if (is_about("metadata")) {
        return "burgee flag set " + flag + " --metadata @metadata.json";
    }
    return is_about("status") ? "burgee flag set " + flag + " --status STATUS" : "";
}

class FlagAudit {
public:
    FlagAudit(const AuditedFlag& audited, const FlagSettings& settings)
        : audited_(audited),
          settings_(settings),
          name_(audited.row.name.value_or("")),
          verdict_(check_flag(audited.row, settings)) {}

    Findings run() {
        audit_check();
        audit_canary();
        if (verdict_.flag) {
            audit_weights(*verdict_.flag);
            audit_gate(*verdict_.flag);
            audit_expiry(*verdict_.flag);
        }
        audit_experiments();
        return std::move(findings_);
    }

private:
    void add(Severity severity, std::string message, std::string command) {
        findings_.push_back(
            {severity, "flag " + shown_name(name_), std::move(message), std::move(command)});
    }

    bool is_running() const {
        return std::any_of(audited_.experiments.begin(), audited_.experiments.end(),
                           [](const AuditedExperiment& one) { return one.is_open; });
    }

    // What hosts say about the row. A canary that is off has its own words below.
    void audit_check() {
        for (const FlagProblem& problem : verdict_.problems) {
            if (!problem.is_refused && problem.field == "status") {
                continue;
            }
            const bool is_type = problem.field == "segments.type" && !problem.is_refused;
            add(problem.is_refused ? Severity::kFail : Severity::kWarn,
                (problem.is_refused ? "is not published: " : "") + problem.field + " " +
                    problem.message + (is_type ? ": it targets nobody in particular" : ""),
                is_type ? "burgee flag rebucket " + shell_word(name_)
                        : command_for(name_, problem.field));
        }
    }

    void audit_canary() {
        if (audited_.row.status != "canary" || !audited_.is_adopted) {
            return;
        }
        const std::string rollout = audited_.row.rollout_percentage.value_or("0");
        if (settings_.is_canary_off) {
            add(Severity::kWarn,
                "status canary was always off in the former system and stays off here; its " +
                    rollout + " % would be switched on if legacy_canary were on",
                "burgee flag set " + shell_word(name_) + " --status gradual_rollout");
        } else if (rollout != "0") {
            add(Severity::kFail,
                "status canary is always off in the former system; " + rollout +
                    " % are switched on here",
                "burgee flag disable " + shell_word(name_));
        }
    }

    void audit_weights(const FlagDefinition& flag) {
        if (flag.status != Status::kAbTest || flag.bucketing != Bucketing::kLegacyMd5) {
            return;  // of other flags the check has refused them
        }
        double sum = 0;
        for (const VariantDefinition& variant : flag.variants) {
            sum += variant.weight;
        }
        if (std::abs(sum - 100) <= kWeightSumTolerance) {
            return;
        }
        const VariantDefinition& last = flag.variants.back();
        const double given = split_without_gate(flag).on.back();
        add(Severity::kWarn,
            "weights sum to " + percent_text(sum / 100) + ": the last variant, \"" +
                shown_name(last.name) + "\", gets " + percent_text(given) + " instead of " +
                percent_text(last.weight / 100),
            command_for(name_, "variants"));
    }

    // Gate and variant share a bucket in legacy_md5: whoever passes a gate of 50 % has a bucket
    // below 50, and all of those belong to the first variants.
    void audit_gate(const FlagDefinition& flag) {
        if (flag.status != Status::kAbTest || flag.bucketing != Bucketing::kLegacyMd5 ||
            flag.strategy == Strategy::kRandom) {
            return;
        }
        const FlagSplit gated = split_of(flag);
        const FlagSplit wanted = split_without_gate(flag);
        const double inside = 1 - gated.off;
        if (!(inside > 0)) {
            return;
        }
        std::string nobody;
        std::string shares;
        bool is_off = false;
        for (std::size_t number = 0; number < flag.variants.size(); ++number) {
            const std::string name = "\"" + shown_name(flag.variants[number].name) + "\"";
            const double share = gated.on[number] / inside;
            is_off = is_off || std::abs(share - wanted.on[number]) > kShareTolerance;
            if (wanted.on[number] > 0 && gated.on[number] == 0) {
                nobody += (nobody.empty() ? "" : " and ") + name;
            }
            shares += (shares.empty() ? "" : ", ") + name + " " + percent_text(share) + " of " +
                      percent_text(wanted.on[number]);
        }
        if (!is_off) {
            return;
        }
        add(is_running() ? Severity::kFail : Severity::kWarn,
            "ab_test at " + percent_text(inside) + " with legacy bucketing gives " +
                (nobody.empty() ? "other shares than its weights: " : nobody + " nobody: ") +
                shares,
            "burgee flag rebucket " + shell_word(name_));
    }

    void audit_expiry(const FlagDefinition& flag) {
        if (!flag.expires_unix_ms || *flag.expires_unix_ms > audited_.now_unix_ms) {
            return;
        }
        for (const AuditedExperiment& experiment : audited_.experiments) {
            add(Severity::kWarn,
                "has expired and answers off, but the experiment \"" + shown_name(experiment.name) +
                    "\" on it is active and collects nothing",
                "burgee experiment complete " + experiment.id);
        }
    }

    void audit_experiments() {
        const AuditedExperiment* newest = nullptr;
        for (const AuditedExperiment& experiment : audited_.experiments) {
            if (!experiment.is_open) {
                continue;
            }
            if (newest == nullptr) {
                newest = &experiment;
                continue;
            }
            findings_.push_back({Severity::kWarn, "experiment " + shown_name(experiment.name),
                                 "is active beside the newer \"" + shown_name(newest->name) +
                                     "\" of the same flag, which alone counts",
                                 "burgee experiment complete " + experiment.id});
        }
        if (newest != nullptr && verdict_.flag && verdict_.flag->strategy == Strategy::kRandom) {
            add(Severity::kFail,
                "is not published: type random with an active experiment, whose units would "
                "change sides at each question",
                "burgee experiment pause " + newest->id);
        }
    }

    const AuditedFlag& audited_;
    const FlagSettings& settings_;
    std::string name_;
    FlagVerdict verdict_;
    Findings findings_;
};

}  // namespace

Findings audit_flag(const AuditedFlag& flag, const FlagSettings& settings) {
    return FlagAudit(flag, settings).run();
}

}  // namespace burgee::sync
