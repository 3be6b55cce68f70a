// burgee eval and burgee is-enabled: asks a flag as a service would, through the client; with
// --jsonl a whole stream of questions.

#include <memory>

#include <burgee/reason.hpp>

#include "cli/command.hpp"
#include "cli/context_options.hpp"
#include "cli/eval_stream.hpp"
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
    ContextOptions context;
    bool is_stream = false;
    std::string file;  ///< a snapshot's
};

bool has_context(const ContextOptions& context) {
    return context.user || context.session || !context.attributes.empty();
}

std::string evaluation_json(const Evaluation& answer, const std::string& flag) {
    JsonWriter json;
    json.begin_object().member("flag", flag).member("enabled", answer.enabled());
    json.member("reason", to_string(answer.reason())).key("variant");
    const std::string_view variant = answer.variant();
    variant.empty() ? json.null() : json.value(variant);
    const Config config = answer.config();
    json.key("config").raw(config.json().empty() ? "{}" : config.json());
    const Experiment experiment = answer.experiment();
    json.key("experiment");
    experiment.exists() ? json.value(experiment.name) : json.null();
    // The client's in_experiment() is about chance alone; whoever reads this key expects somebody
    // who counts.
    json.member("in_experiment", experiment.exists() && answer.in_experiment());
    json.member("is_randomised", answer.in_experiment());
    json.member("revision", answer.revision()).member("generation", answer.generation());
    return json.end_object().take();
}

std::string evaluation_text(const Evaluation& answer) {
    std::string text = std::string(answer.enabled() ? "on" : "off") + "  reason " +
                       std::string(to_string(answer.reason()));
    const std::string_view variant = answer.variant();
    if (!variant.empty()) {
        const Config config = answer.config();
        text += "  variant " + printable(variant) + "  config " + printable(config.json());
    }
    const Experiment experiment = answer.experiment();
    if (experiment.exists()) {
        text += "  experiment " + printable(experiment.name);
    }
    return text;
}

/// The answer, from a snapshot that has the flag.
Evaluation evaluate_flag(const Snapshot& snapshot, const Options& options) {
    Evaluation answer = snapshot.evaluate(options.flag, make_context(options.context));
    if (answer.reason() == Reason::kFlagNotFound) {
        throw flag_not_found(snapshot.view(), options.flag);
    }
    return answer;
}

/// Answers from the snapshot file, or from what is published at each moment.
ExitCode eval_stream(const Options& options, Terminal& terminal) {
    if (has_context(options.context)) {
        throw Failure(ExitCode::kUsage, "with --jsonl every line brings its own context");
    }
    const std::string questions = options.flag.empty() ? "-" : options.flag;
    if (!options.file.empty()) {
        const SnapshotFile file(options.file);
        return answer_stream(
            questions, [&file]() -> const SnapshotView& { return file.view(); }, terminal);
    }
    const Publication publication(terminal.options().directory);
    Snapshot snapshot;
    return answer_stream(
        questions,
        [&]() -> const SnapshotView& {
            snapshot = publication.snapshot();
            return snapshot.view();
        },
        terminal);
}

ExitCode eval(const Options& options, Terminal& terminal) {
    if (options.is_stream) {
        return eval_stream(options, terminal);
    }
    if (options.flag.empty()) {
        throw Failure(ExitCode::kUsage, "give the flag's name, or --jsonl for a stream of them");
    }
    if (!options.file.empty()) {
        throw Failure(ExitCode::kUsage,
                      "--file goes with --jsonl; burgee explain --file asks a snapshot file once");
    }
    const Publication publication(terminal.options().directory);
    const Snapshot snapshot = publication.snapshot();
    const Evaluation answer = evaluate_flag(snapshot, options);
    if (terminal.is_json()) {
        terminal.print_line(evaluation_json(answer, options.flag));
    } else if (terminal.is_name()) {
        const std::string_view variant = answer.variant();
        terminal.print_line(!variant.empty()   ? printable(variant)
                            : answer.enabled() ? "on"
                                               : "off");
    } else {
        terminal.print_line(evaluation_text(answer));
    }
    return ExitCode::kOk;
}

ExitCode is_enabled(const Options& options, Terminal& terminal) {
    const Publication publication(terminal.options().directory);
    const Snapshot snapshot = publication.snapshot();
    const bool enabled = evaluate_flag(snapshot, options).enabled();
    return enabled ? ExitCode::kOk : ExitCode::kFailed;
}

}  // namespace

std::vector<Command> eval_commands() {
    const auto options = std::make_shared<Options>();
    std::vector<Argument> arguments{{"FLAG", &options->flag, "the flag's name", true}};
    for (Argument& argument : context_arguments(options->context)) {
        arguments.push_back(std::move(argument));
    }
    std::vector<Argument> eval_arguments = arguments;
    eval_arguments.front().help = "the flag's name; with --jsonl the file of questions, or -";
    eval_arguments.front().is_required = false;
    eval_arguments.push_back({"--jsonl", &options->is_stream,
                              "answers lines of {\"flag\": ..., \"context\": {...}}, a line each"});
    eval_arguments.push_back({"--file",
                              &options->file,
                              "with --jsonl: a snapshot file (default: the one that is announced)",
                              false,
                              {},
                              {},
                              true});
    return {
        {"",
         "eval",
         "Asks a flag as a service would",
         {"burgee eval model_comparison --user ada",
          "burgee eval --jsonl questions.jsonl > answers.jsonl"},
         std::move(eval_arguments),
         [options](Terminal& terminal) { return eval(*options, terminal); }},
        {"",
         "is-enabled",
         "Says by its exit code whether a flag is on: 0 yes, 1 no, 2 and above an error",
         {"burgee is-enabled search.enhanced --user ada && echo yes",
          "if burgee is-enabled backups.nightly; then ./backup; fi"},
         arguments,
         [options](Terminal& terminal) { return is_enabled(*options, terminal); }},
    };
}

}  // namespace burgee::cli
