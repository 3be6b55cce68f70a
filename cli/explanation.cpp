// Notes the steps while the evaluator runs, with as little work as possible, and puts names to them
// afterwards.
//
// Invariant: whatever bytes the snapshot holds, nothing outside it is read, and work and memory are
// bounded by kQuestionsKeptMax and the reader's constants.

#include "cli/explanation.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <burgee/reason.hpp>

#include "cli/explained_constant.hpp"
#include "cli/hexadecimal.hpp"
#include "cli/snapshot_flag.hpp"
#include "shm/json_text.hpp"

namespace burgee::cli {
namespace {

/// A ConstraintStep whose instruction is its own: that of the step ends with the call.
struct NotedQuestion {
    Instruction instruction;
    std::uint64_t place;
    const Attribute* attribute;    // of the context
    const SegmentRecord* segment;  // of the snapshot
    std::uint32_t depth;
    bool is_mistyped;
    bool holds;
};

class StepNotes {
public:
    static constexpr bool kEnabled = true;

    void record(const TraceStep& step) {
        ExplainedStep noted;
        noted.numbers = step;
        noted.attribute = step.attribute;
        noted.unit = step.unit;
        noted.salt = step.salt;
        noted.variant = step.variant;
        noted.subject = step.subject;
        steps.push_back(std::move(noted));
    }

    /// A segment is handed over after what it asked, and noted before it.
    void record(const ConstraintStep& step) {
        ++question_count;
        if (!has_room_for(step)) {
            return;
        }
        auto at = questions.end();
        while (step.segment != nullptr && at != questions.begin() &&
               std::prev(at)->depth > step.segment_depth) {
            --at;
        }
        questions.insert(at, {*step.instruction, step.place, step.attribute, step.segment,
                              step.segment_depth, step.is_mistyped, step.holds});
    }

    std::vector<ExplainedStep> steps;
    std::vector<NotedQuestion> questions;
    std::uint64_t question_count = 0;

private:
    /// Once full, only the segments around the last question that was kept are let in, so that it
    /// does not stand below a stranger: at most kSegmentDepthMax of them.
    bool has_room_for(const ConstraintStep& step) {
        if (questions.size() < kQuestionsKeptMax) {
            open_depth_ = step.segment_depth;
            return true;
        }
        if (step.segment == nullptr || step.segment_depth >= open_depth_) {
            return false;
        }
        open_depth_ = step.segment_depth;
        return true;
    }

    std::uint32_t open_depth_ = 0;  // of the last question, or of the segment around it
};

/// The names behind the keys of a flag or a segment.
struct AttributeNames {
    const AttributeRecord* records = nullptr;
    std::uint32_t count = 0;

    /// Null when it is not there. A hostile order misleads the search, no more.
    const AttributeRecord* find(std::uint64_t key) const {
        std::uint32_t begin = 0;
        for (std::uint32_t left = records == nullptr ? 0 : count; left > 1;) {
            const std::uint32_t half = left / 2;
            begin += records[begin + half].key <= key ? half : 0;
            left -= half;
        }
        const bool is_there = records != nullptr && count > 0 && records[begin].key == key;
        return is_there ? records + begin : nullptr;
    }
};

/// Puts names to the noted questions of one flag.
class QuestionNames {
public:
    QuestionNames(const SnapshotView& view, const TargetingRecord& targeting)
        : view_(view),
          audience_end_(targeting.audience_end),
          rules_(view.rules(targeting.rules_first, targeting.rules_count)),
          rules_count_(rules_ == nullptr ? 0 : targeting.rules_count),
          own_names_{view.attributes(targeting.attributes_first, targeting.attributes_count),
                     targeting.attributes_count} {}

    /// Precondition: called in the order of the questions.
    ExplainedQuestion named(const NotedQuestion& noted) {
        if (noted.depth == 0) {
            take_place(noted.place);
        }
        ExplainedQuestion question;
        question.rule = rule_;
        question.depth = noted.depth;
        question.is_segment = noted.segment != nullptr;
        question.holds = noted.holds;
        question.is_mistyped = noted.is_mistyped;
        const Instruction& asked = noted.instruction;
        const bool is_negated = (asked.traits & kTraitInverted) != 0;
        question.is_inverted = is_negated != is_operator(asked, Operator::kNotIn);
        question.is_case_insensitive = (asked.traits & kTraitCaseInsensitive) != 0;
        if (noted.segment != nullptr) {
            question.constant_kind = ConstantKind::kText;
            question.constant = view_.text(noted.segment->name_offset, noted.segment->name_size);
            enter(*noted.segment, noted.depth);
            return question;
        }
        question.operator_name = operator_name(asked);
        if (asked.attribute != 0) {
            question.attribute = attribute_name(noted);
            question.is_missing = noted.attribute == nullptr;
        }
        take_constant(view_, asked, question);
        if (noted.attribute != nullptr) {
            take_value(*noted.attribute, question);
        }
        return question;
    }

private:
    /// Places only grow, because programs only go forward.
    void take_place(std::uint64_t place) {
        if (place < audience_end_) {
            rule_.reset();
            return;
        }
        std::uint32_t number = rule_.value_or(0);
        while (number + 1 < rules_count_ && rules_[number].program_end <= place) {
            ++number;
        }
        rule_ = number;
    }

    void enter(const SegmentRecord& segment, std::uint32_t depth) {
        if (depth < segment_names_.size()) {
            segment_names_[depth] = {
                view_.attributes(segment.attributes_first, segment.attributes_count),
                segment.attributes_count};
        }
    }

    std::string attribute_name(const NotedQuestion& noted) const {
        const AttributeNames& names = noted.depth == 0 || noted.depth > segment_names_.size()
                                          ? own_names_
                                          : segment_names_[noted.depth - 1];
        if (const AttributeRecord* record = names.find(noted.instruction.attribute)) {
            return std::string(view_.text(record->name_offset, record->name_size));
        }
        return noted.attribute != nullptr
                   ? std::string(noted.attribute->name())
                   : "(key " + hexadecimal(noted.instruction.attribute) + ")";
    }

    const SnapshotView& view_;
    std::uint32_t audience_end_;
    const RuleRecord* rules_;
    std::uint32_t rules_count_;
    AttributeNames own_names_;
    std::array<AttributeNames, kSegmentDepthMax> segment_names_{};
    std::optional<std::uint32_t> rule_;
};

std::string variant_name(const SnapshotView& view, std::uint64_t number) {
    const VariantRecord* variant = view.variant(number);
    return variant == nullptr ? "" : std::string(view.name(*variant));
}

/// "on", "variant blue" and why.
std::string answer_text(const SnapshotView& view, const Answer& answer) {
    const std::string what = answer.variant != 0
                                 ? "variant " + variant_name(view, answer.variant - 1)
                             : answer.is_enabled ? "on"
                                                 : "off";
    return what + " (" + std::string(to_string(answer.reason)) + ")";
}

std::string serves_text(const SnapshotView& view, const FlagRecord& flag, const RuleRecord& rule) {
    constexpr double kPercent = 100;
    const double bucket_count =
        (flag.traits & kTraitLegacy) != 0 ? kLegacyBucketCount : kBucketCount;
    switch (static_cast<ServeKind>(rule.serve)) {
        case ServeKind::kOn:
            return "on";
        case ServeKind::kRollout:
            return json_number(rule.gate_end * kPercent / bucket_count) + "%";
        case ServeKind::kVariant:
            return "variant " +
                   variant_name(view, std::uint64_t{flag.variants_first} + rule.variant);
        case ServeKind::kOff:
            break;
    }
    return "off";
}

/// Adds to the steps what only the targeting record knows.
class StepDetails {
public:
    StepDetails(const SnapshotView& view, const FlagRecord& flag, const TargetingRecord& targeting)
        : view_(view), flag_(flag), targeting_(targeting) {}

    void add_to(ExplainedStep& step) const {
        const std::uint32_t number = step.numbers.number;
        if (step.numbers.rule == DecisionRule::kRequires &&
            number < targeting_.requirements_count) {
            const RequirementRecord* all =
                view_.requirements(targeting_.requirements_first, targeting_.requirements_count);
            if (all != nullptr) {
                step.requirement = requirement_of(all[number], step.numbers);
            }
        } else if (step.numbers.rule == DecisionRule::kRules && number < targeting_.rules_count) {
            const RuleRecord* all = view_.rules(targeting_.rules_first, targeting_.rules_count);
            step.serves = all == nullptr ? "" : serves_text(view_, flag_, all[number]);
        } else if (step.numbers.rule == DecisionRule::kLayer) {
            const std::uint32_t count = targeting_.slots_count;
            const SlotRangeRecord* all = view_.slot_ranges(targeting_.slots_first, count);
            if (all != nullptr) {
                step.slots.assign(all, all + std::min(count, kSlotRangeCountMax));
            }
        }
    }

private:
    ExplainedRequirement requirement_of(const RequirementRecord& record,
                                        const TraceStep& numbers) const {
        ExplainedRequirement requirement;
        switch (static_cast<RequirementKind>(record.kind)) {
            case RequirementKind::kOff:
                requirement.wanted = "off";
                break;
            case RequirementKind::kOn:
                requirement.wanted = "on";
                break;
            case RequirementKind::kVariant:
                requirement.wanted = "variant " + std::string(view_.text(record.variant_offset,
                                                                         record.variant_size));
                break;
        }
        if (numbers.has_answer) {
            requirement.answered = answer_text(view_, numbers.answer);
        } else if (!numbers.is_missing) {
            requirement.answered = "nothing (this question had no steps left for it)";
        }
        return requirement;
    }

    const SnapshotView& view_;
    const FlagRecord& flag_;
    const TargetingRecord& targeting_;
};

std::vector<std::string> rule_names(const SnapshotView& view, const TargetingRecord& targeting) {
    std::vector<std::string> names;
    const std::uint32_t count = std::min(targeting.rules_count, kRuleCountMax);
    if (const RuleRecord* rules = view.rules(targeting.rules_first, count)) {
        for (std::uint32_t number = 0; number < count; ++number) {
            names.emplace_back(view.text(rules[number].name_offset, rules[number].name_size));
        }
    }
    return names;
}

}  // namespace

Explanation explain(const SnapshotView& view, const FlagRecord& flag, const Context& context) {
    StepNotes notes;
    Explanation explanation;
    explanation.answer = evaluate(view, flag, context, notes);
    explanation.flag = view.name(flag);
    explanation.status = to_string(static_cast<Status>(flag.status));
    explanation.revision = flag.revision;
    explanation.generation = view.header().generation;
    explanation.steps = std::move(notes.steps);
    explanation.question_count = notes.question_count;
    if (const TargetingRecord* targeting = find_targeting(view, flag)) {
        explanation.rule_names = rule_names(view, *targeting);
        const StepDetails details(view, flag, *targeting);
        for (ExplainedStep& step : explanation.steps) {
            details.add_to(step);
        }
        QuestionNames names(view, *targeting);
        for (const NotedQuestion& noted : notes.questions) {
            explanation.questions.push_back(names.named(noted));
        }
    }
    if (const ExperimentRecord* experiment = experiment_of(view, flag)) {
        explanation.experiment = ExplainedExperiment{
            std::string(view.text(experiment->name_offset, experiment->name_size)),
            experiment->phase};
    }
    if (explanation.answer.variant != 0) {
        if (const VariantRecord* variant = view.variant(explanation.answer.variant - 1)) {
            explanation.variant = view.name(*variant);
            explanation.config_json = view.text(variant->json_offset, variant->json_size);
        }
    }
    return explanation;
}

}  // namespace burgee::cli
