// burgee explain: every step from the question to the answer, on the live snapshot, through the
// very evaluator that services use.

#include <memory>
#include <optional>

#include <burgee/checksum.hpp>
#include <burgee/evaluate.hpp>
#include <burgee/reason.hpp>

#include "cli/command.hpp"
#include "cli/context_options.hpp"
#include "cli/hexadecimal.hpp"
#include "cli/publication.hpp"
#include "cli/snapshot_file.hpp"
#include "cli/snapshot_flag.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "shm/json_text.hpp"

namespace burgee::cli {
namespace {

struct Options {
    std::string flag;
    std::string file;
    ContextOptions context;
};

/// A step with texts of its own: those of a TraceStep end with the call.
struct Step {
    TraceStep numbers;
    std::string attribute;
    std::string unit;
    std::string salt;
    std::string variant;
};

struct CollectSteps {
    static constexpr bool kEnabled = true;
    std::vector<Step> steps;

    void record(const TraceStep& step) {
        steps.push_back({step, std::string(step.attribute), std::string(step.unit),
                         std::string(step.salt), std::string(step.variant)});
    }
    void record(const ConstraintStep& /*step*/) {}
};

struct Explanation {
    std::string flag;
    std::string status;
    std::uint64_t revision = 0;
    std::uint64_t generation = 0;
    std::vector<Step> steps;
    Answer answer;
    std::string variant;
    std::string config_json;
    std::optional<std::string> experiment;  ///< the flag's active one
};

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

std::string range_text(const Step& step) {
    return "[" + std::to_string(step.numbers.range_begin) + ", " +
           std::to_string(step.numbers.range_end) + ")";
}

/// What the rule found, in words.
std::string outcome(const Step& step, const Explanation& explanation) {
    const TraceStep& numbers = step.numbers;
    switch (numbers.rule) {
        case DecisionRule::kStatus:
            return explanation.status;
        case DecisionRule::kExpiry:
            return numbers.has_decided ? "has expired" : "has not expired";
        case DecisionRule::kExclude:
        case DecisionRule::kInclude:
            return numbers.has_decided ||
                           (numbers.rule == DecisionRule::kInclude && numbers.is_enabled)
                       ? "the unit is listed"
                       : "the unit is not listed";
        case DecisionRule::kRequires:
            return numbers.is_met ? "answers as required" : "does not answer as required";
        case DecisionRule::kAudience:
            return numbers.has_decided ? "outside the audience" : "in the audience";
        case DecisionRule::kRules:
            return "rule " + std::to_string(numbers.number) + " matches";
        case DecisionRule::kLayer:
            return numbers.is_met ? "the slot is the flag's" : "the slot is not the flag's";
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

Explanation explain(const SnapshotView& view, const FlagRecord& flag, const Context& context) {
    CollectSteps trace;
    Explanation explanation;
    explanation.answer = evaluate(view, flag, context, trace);
    explanation.flag = std::string(view.name(flag));
    explanation.status = std::string(to_string(static_cast<Status>(flag.status)));
    explanation.revision = flag.revision;
    explanation.generation = view.header().generation;
    explanation.steps = std::move(trace.steps);
    if (const ExperimentRecord* experiment = experiment_of(view, flag)) {
        explanation.experiment = view.text(experiment->name_offset, experiment->name_size);
    }
    const VariantRecord* variant =
        explanation.answer.variant == 0 ? nullptr : view.variant(explanation.answer.variant - 1);
    if (variant != nullptr) {
        explanation.variant = std::string(view.name(*variant));
        explanation.config_json = std::string(view.text(variant->json_offset, variant->json_size));
    }
    return explanation;
}

void write_step(JsonWriter& json, const Step& step, const Explanation& explanation) {
    const TraceStep& numbers = step.numbers;
    json.begin_object().member("rule", to_string(numbers.rule));
    json.member("outcome", outcome(step, explanation));
    json.member("decides", numbers.has_decided);
    json.member("unit", step.unit).member("attribute", step.attribute);
    if (numbers.draw != Draw::kNone) {
        json.member("draw", draw_name(numbers.draw));
        json.member("seed", hexadecimal(numbers.seed));
        json.member("hash", hexadecimal(numbers.hash)).member("salt", step.salt);
        json.member("bucket", std::uint64_t{numbers.bucket});
        json.member("bucket_count", std::uint64_t{numbers.bucket_count});
        json.member("range_begin", std::uint64_t{numbers.range_begin});
        json.member("range_end", std::uint64_t{numbers.range_end});
    }
    json.end_object();
}

std::string explanation_json(const Explanation& explanation) {
    JsonWriter json;
    json.begin_object().member("flag", explanation.flag);
    json.member("status", explanation.status).member("revision", explanation.revision);
    json.member("generation", explanation.generation).key("steps").begin_array();
    for (const Step& step : explanation.steps) {
        write_step(json, step, explanation);
    }
    json.end_array().member("enabled", explanation.answer.is_enabled);
    json.member("reason", to_string(explanation.answer.reason));
    json.key("variant");
    explanation.variant.empty() ? json.null() : json.value(explanation.variant);
    json.key("config").raw(explanation.config_json.empty() ? "{}" : explanation.config_json);
    json.member("experiment", explanation.experiment);
    json.member("in_experiment", explanation.experiment && explanation.answer.in_experiment);
    json.member("is_randomised", explanation.answer.in_experiment);
    return json.end_object().take();
}

std::string explanation_text(const Explanation& explanation) {
    Table table({{"RULE"},
                 {"FOUND"},
                 {"BUCKET", Column::Align::kRight},
                 {"RANGE"},
                 {"BY"},
                 {"HASH"},
                 {"SEED OR SALT"},
                 {"DECIDES"}});
    for (const Step& step : explanation.steps) {
        const TraceStep& numbers = step.numbers;
        const bool is_drawn = numbers.draw != Draw::kNone;
        const bool is_xxh3 = numbers.draw == Draw::kXxh3;
        table.add_row(
            {std::string(to_string(numbers.rule)), outcome(step, explanation),
             is_drawn ? std::to_string(numbers.bucket) : "", is_drawn ? range_text(step) : "",
             draw_name(numbers.draw), is_xxh3 ? hexadecimal(numbers.hash) : "",
             is_xxh3 ? hexadecimal(numbers.seed) : step.salt, numbers.has_decided ? "yes" : ""});
    }
    std::string text = "flag    " + printable(explanation.flag) + ", revision " +
                       std::to_string(explanation.revision) + ", generation " +
                       std::to_string(explanation.generation) + "\n";
    text += "answer  " + std::string(explanation.answer.is_enabled ? "on" : "off") + ", reason " +
            std::string(to_string(explanation.answer.reason));
    if (!explanation.variant.empty()) {
        text += ", variant " + printable(explanation.variant) + ", config " +
                printable(explanation.config_json);
    }
    return text + "\n\n" + table.text();
}

ExitCode explain_from(const SnapshotView& view, const Options& options, Terminal& terminal) {
    const FlagRecord* flag = view.find(hash64(std::string_view(options.flag)));
    if (flag == nullptr) {
        throw flag_not_found(view, options.flag);
    }
    const Explanation explanation = explain(view, *flag, make_context(options.context));
    if (terminal.is_json()) {
        terminal.print_line(explanation_json(explanation));
    } else if (terminal.is_name()) {
        terminal.print_line(to_string(explanation.answer.reason));
    } else {
        terminal.print(explanation_text(explanation));
    }
    return ExitCode::kOk;
}

ExitCode run(const Options& options, Terminal& terminal) {
    if (!options.file.empty()) {
        const SnapshotFile file(options.file);
        return explain_from(file.view(), options, terminal);
    }
    const Publication publication(terminal.options().directory);
    const Snapshot snapshot = publication.snapshot();
    return explain_from(snapshot.view(), options, terminal);
}

}  // namespace

std::vector<Command> explain_commands() {
    const auto options = std::make_shared<Options>();
    std::vector<Argument> arguments{{"FLAG", &options->flag, "the flag's name", true},
                                    {"--file",
                                     &options->file,
                                     "a snapshot file (default: the one that is announced)",
                                     false,
                                     {},
                                     {},
                                     true}};
    for (Argument& argument : context_arguments(options->context)) {
        arguments.push_back(std::move(argument));
    }
    return {{"",
             "explain",
             "Shows which rule decided an answer, and by which bucket",
             {"burgee explain model_comparison --user user123",
              "burgee explain search.enhanced --session s-9 -a plan=pro -o json"},
             std::move(arguments),
             [options](Terminal& terminal) { return run(*options, terminal); }}};
}

}  // namespace burgee::cli
