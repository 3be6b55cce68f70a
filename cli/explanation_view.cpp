#include "cli/explanation_view.hpp"

#include <algorithm>
#include <array>

#include <burgee/reason.hpp>

#include "cli/hexadecimal.hpp"
#include "cli/table.hpp"
#include "shm/json_text.hpp"
#include "sync/flag_text.hpp"
#include "sync/json_check.hpp"

namespace burgee::cli {
namespace {

std::string draw_name(Draw draw) {
    switch (draw) {
        case Draw::kXxh3:
            return "xxh3";
        case Draw::kLegacyMd5:
            return "legacy_md5";
        case Draw::kRandom:
            return "random";
        case Draw::kNone:
            break;
    }
    return "";
}

/// A layer's slot is compared with the flag's slots and has no range of its own.
bool has_range(const ExplainedStep& step) {
    return step.numbers.draw != Draw::kNone && step.numbers.rule != DecisionRule::kLayer;
}

std::string range_text(const ExplainedStep& step) {
    return "[" + std::to_string(step.numbers.range_begin) + ", " +
           std::to_string(step.numbers.range_end) + ")";
}

std::string shown(const std::string& text) {
    return "\"" + sync::shown_text(text) + "\"";
}

std::string constant_text(const ExplainedQuestion& question) {
    const std::string in_any_case = question.is_case_insensitive ? " in any case" : "";
    switch (question.constant_kind) {
        case ConstantKind::kText:
            return shown(question.constant) + in_any_case;
        case ConstantKind::kNumber:
        case ConstantKind::kDate:
            return question.constant;
        case ConstantKind::kSet:
            return "one of " + question.constant + " values" + in_any_case;
        case ConstantKind::kPattern:
            return "a pattern" + in_any_case;
        case ConstantKind::kNone:
            break;
    }
    return "";
}

std::string value_text(const ExplainedQuestion& question) {
    if (question.is_missing) {
        return "missing";
    }
    const std::string value =
        question.value_type == "string" ? shown(question.value) : question.value;
    return question.is_mistyped ? value + " (wrong type)" : value;
}

std::string asked_text(const ExplainedQuestion& question) {
    if (question.is_segment) {
        return question.is_inverted ? "not SEGMENT" : "SEGMENT";
    }
    if (question.operator_name.empty()) {
        return "empty any or all";
    }
    return (question.is_inverted ? "not " : "") + question.operator_name;
}

std::string steps_table(const Explanation& explanation) {
    Table table({{"RULE"},
                 {"FOUND"},
                 {"BUCKET", Column::Align::kRight},
                 {"RANGE"},
                 {"BY"},
                 {"HASH"},
                 {"SEED OR SALT"},
                 {"DECIDES"}});
    for (const ExplainedStep& step : explanation.steps) {
        const TraceStep& numbers = step.numbers;
        const bool is_drawn = numbers.draw != Draw::kNone;
        const bool is_xxh3 = numbers.draw == Draw::kXxh3;
        table.add_row({std::string(to_string(numbers.rule)), outcome_text(step, explanation),
                       is_drawn ? std::to_string(numbers.bucket) : "",
                       has_range(step) ? range_text(step) : "", draw_name(numbers.draw),
                       is_xxh3 ? hexadecimal(numbers.hash) : "",
                       is_xxh3 ? hexadecimal(numbers.seed) : step.salt,
                       numbers.has_decided ? "yes" : ""});
    }
    return table.text();
}

/// What a segment asked stands below it, indented, under its name.
std::string questions_table(const Explanation& explanation) {
    Table table({{"ASKED BY"}, {"ATTRIBUTE"}, {"OPERATOR"}, {"CONSTANT"}, {"VALUE"}, {"HOLDS"}});
    std::array<std::string, kSegmentDepthMax> segments;
    for (const ExplainedQuestion& question : explanation.questions) {
        std::string asked_by = place_text(question);
        if (question.depth > 0 && question.depth <= segments.size()) {
            asked_by = std::string(2UL * question.depth, ' ') + segments[question.depth - 1];
        } else if (question.rule && *question.rule < explanation.rule_names.size()) {
            const std::string& name = explanation.rule_names[*question.rule];
            asked_by += name.empty() ? "" : " " + shown(name);
        }
        if (question.is_segment && question.depth < segments.size()) {
            segments[question.depth] = sync::shown_text(question.constant);
        }
        table.add_row({std::move(asked_by), question.attribute, asked_text(question),
                       constant_text(question), value_text(question),
                       question.holds ? "yes" : "no"});
    }
    return table.text();
}

/// Flags with rules, none of which matched, say so: no step tells it.
std::string rules_text(const Explanation& explanation) {
    const auto has_matched = std::ranges::any_of(explanation.steps, [](const ExplainedStep& step) {
        return step.numbers.rule == DecisionRule::kRules;
    });
    const auto was_asked = std::ranges::any_of(
        explanation.questions,
        [](const ExplainedQuestion& question) { return question.rule.has_value(); });
    return has_matched || !was_asked
               ? ""
               : "rules       none of " + std::to_string(explanation.rule_names.size()) +
                     " matches\n";
}

void write_draw(JsonWriter& json, const ExplainedStep& step) {
    const TraceStep& numbers = step.numbers;
    json.member("draw", draw_name(numbers.draw));
    json.member("seed", hexadecimal(numbers.seed));
    json.member("hash", hexadecimal(numbers.hash)).member("salt", step.salt);
    json.member("bucket", std::uint64_t{numbers.bucket});
    json.member("bucket_count", std::uint64_t{numbers.bucket_count});
    if (has_range(step)) {
        json.member("range_begin", std::uint64_t{numbers.range_begin});
        json.member("range_end", std::uint64_t{numbers.range_end});
    }
}

void write_step(JsonWriter& json, const ExplainedStep& step, const Explanation& explanation) {
    const TraceStep& numbers = step.numbers;
    json.begin_object().member("rule", to_string(numbers.rule));
    json.member("outcome", outcome_text(step, explanation));
    json.member("decides", numbers.has_decided);
    json.member("unit", step.unit).member("attribute", step.attribute);
    if (numbers.rule == DecisionRule::kRequires) {
        json.member("flag", step.subject).member("wanted", step.requirement.wanted);
        json.key("answered");
        numbers.is_missing ? json.null() : json.value(step.requirement.answered);
        json.member("is_missing", numbers.is_missing).member("is_met", numbers.is_met);
    } else if (numbers.rule == DecisionRule::kRules) {
        json.member("number", std::uint64_t{numbers.number}).member("name", step.subject);
        json.member("serves", step.serves);
    } else if (numbers.rule == DecisionRule::kLayer) {
        json.member("layer", step.subject).member("is_met", numbers.is_met);
        json.key("slots").begin_array();
        for (const SlotRangeRecord& range : step.slots) {
            json.begin_object().member("first", int{range.first});
            json.member("last", int{range.last}).end_object();
        }
        json.end_array();
    } else if (numbers.rule == DecisionRule::kVariant) {
        json.member("variant", step.variant);
    }
    if (numbers.draw != Draw::kNone) {
        write_draw(json, step);
    }
    json.end_object();
}

std::string_view kind_name(ConstantKind kind) {
    switch (kind) {
        case ConstantKind::kText:
            return "text";
        case ConstantKind::kNumber:
            return "number";
        case ConstantKind::kDate:
            return "date";
        case ConstantKind::kSet:
            return "set";
        case ConstantKind::kPattern:
            return "pattern";
        case ConstantKind::kNone:
            break;
    }
    return "none";
}

void write_question(JsonWriter& json, const ExplainedQuestion& question,
                    const Explanation& explanation) {
    json.begin_object().member("place", place_text(question));
    json.key("rule");
    question.rule ? json.value(std::uint64_t{*question.rule}) : json.null();
    json.key("rule_name");
    question.rule&&* question.rule < explanation.rule_names.size()
        ? json.value(explanation.rule_names[*question.rule])
        : json.null();
    json.member("depth", std::uint64_t{question.depth});
    if (question.is_segment) {
        json.member("segment", question.constant);
    } else {
        json.member("attribute", question.attribute);
        json.member("operator", question.operator_name);
        json.member("constant_kind", kind_name(question.constant_kind));
        json.key(question.constant_kind == ConstantKind::kSet ? "value_count" : "constant");
        question.constant_kind == ConstantKind::kNumber ||
                question.constant_kind == ConstantKind::kSet
            ? json.raw(question.constant)
        : question.constant_kind == ConstantKind::kText ||
                question.constant_kind == ConstantKind::kDate
            ? json.value(question.constant)
            : json.null();
        json.key("value");
        question.is_missing || question.value_type.empty() ? json.null()
        : question.value_type == "string"                  ? json.value(question.value)
                                                           : json.raw(question.value);
        json.key("value_type");
        question.value_type.empty() ? json.null() : json.value(question.value_type);
        json.member("is_missing", question.is_missing);
        json.member("is_mistyped", question.is_mistyped);
        json.member("is_case_insensitive", question.is_case_insensitive);
    }
    json.member("is_inverted", question.is_inverted);
    json.member("holds", question.holds).end_object();
}

}  // namespace

std::string explanation_text(const Explanation& explanation) {
    std::string text = "flag        " + printable(explanation.flag) + ", revision " +
                       std::to_string(explanation.revision) + ", generation " +
                       std::to_string(explanation.generation) + "\n";
    text += "answer      " + std::string(explanation.answer.is_enabled ? "on" : "off") +
            ", reason " + std::string(to_string(explanation.answer.reason));
    if (!explanation.variant.empty()) {
        text += ", variant " + printable(explanation.variant) + ", config " +
                printable(explanation.config_json);
    }
    text += "\nexperiment  " + experiment_text(explanation) + "\n" + rules_text(explanation) +
            "\n" + steps_table(explanation);
    if (!explanation.questions.empty()) {
        text += "\n" + questions_table(explanation);
    }
    if (explanation.question_count > explanation.questions.size()) {
        text += std::to_string(explanation.question_count - explanation.questions.size()) +
                " more questions were asked\n";
    }
    return text;
}

std::string explanation_json(const Explanation& explanation) {
    JsonWriter json;
    json.begin_object().member("flag", explanation.flag);
    json.member("status", explanation.status).member("revision", explanation.revision);
    json.member("generation", explanation.generation).key("steps").begin_array();
    for (const ExplainedStep& step : explanation.steps) {
        write_step(json, step, explanation);
    }
    json.end_array().key("questions").begin_array();
    for (const ExplainedQuestion& question : explanation.questions) {
        write_question(json, question, explanation);
    }
    json.end_array().member("question_count", explanation.question_count);
    json.member("rule_count", std::uint64_t{explanation.rule_names.size()});
    json.member("enabled", explanation.answer.is_enabled);
    json.member("reason", to_string(explanation.answer.reason));
    json.key("variant");
    explanation.variant.empty() ? json.null() : json.value(explanation.variant);
    json.key("config");
    if (explanation.config_json.empty()) {
        json.raw("{}");
    } else if (sync::json_complaint(explanation.config_json, sync::JsonShape::kObject)) {
        json.value(explanation.config_json);  // of a damaged snapshot: the document stays JSON
    } else {
        json.raw(explanation.config_json);
    }
    json.key("experiment");
    explanation.experiment ? json.value(explanation.experiment->name) : json.null();
    json.key("experiment_phase");
    explanation.experiment ? json.value(std::uint64_t{explanation.experiment->phase}) : json.null();
    json.member("in_experiment", explanation.in_experiment());
    json.member("is_randomised", explanation.answer.in_experiment);
    return json.end_object().take();
}

}  // namespace burgee::cli
