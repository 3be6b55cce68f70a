// burgee track: sends one event as a service would and waits until it is durable on this host.

#include <charconv>
#include <chrono>
#include <cmath>
#include <memory>

#include <burgee/experiment_ref.hpp>
#include <burgee/reason.hpp>

#include "cli/command.hpp"
#include "cli/context_options.hpp"
#include "cli/publication.hpp"
#include "cli/snapshot_flag.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "shm/json_text.hpp"

namespace burgee::cli {
namespace {

// A daemon that is well answers within milliseconds; a person waits no longer than this.
constexpr auto kFlushDeadline = std::chrono::seconds(5);

struct Options {
    std::string metric;
    std::string value = "1";
    std::string flag;
    std::string experiment;
    std::string variant;
    std::string metadata;
    ContextOptions context;
};

double value_of(const std::string& text) {
    double value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stop != end || !std::isfinite(value)) {
        throw Failure(ExitCode::kUsage, "\"" + printable(text) + "\" is not a finite number");
    }
    return value;
}

/// Why the client refused the event it was just offered.
std::string refusal(const EventCounters& counters) {
    const auto refused = [&counters](DropReason reason) {
        std::uint64_t sum = 0;
        for (const std::uint64_t count : counters.refused[static_cast<std::size_t>(reason)]) {
            sum += count;
        }
        return sum > 0;
    };
    if (refused(DropReason::kNoExperiment)) {
        return "the flag has no active experiment, or the unit takes no part in it";
    }
    if (refused(DropReason::kTooBig)) {
        return "a text is too long (metadata: " + std::to_string(kMetadataSizeMax) + " bytes)";
    }
    return "the metric is empty, or the metadata is no JSON object";
}

bool offer(Client& client, const Publication& publication, const Options& options) {
    const Context context = make_context(options.context);
    const double value = value_of(options.value);
    if (!options.experiment.empty()) {
        const ExperimentRef experiment(std::string_view(options.experiment), options.variant);
        if (!experiment.is_valid()) {
            throw Failure(ExitCode::kUsage, "\"" + printable(options.experiment) +
                                                "\" is no experiment id: burgee experiment list "
                                                "-o wide shows them");
        }
        return client.track(experiment, options.metric, value, context, options.metadata);
    }
    const Snapshot snapshot = publication.snapshot();
    const Evaluation answer = snapshot.evaluate(options.flag, context);
    if (answer.reason() == Reason::kFlagNotFound) {
        throw flag_not_found(snapshot.view(), options.flag);
    }
    return client.track(answer, options.metric, value, context, options.metadata);
}

void check(const Options& options) {
    const bool by_id = !options.experiment.empty() && !options.variant.empty();
    const bool by_flag = !options.flag.empty();
    if (by_id == by_flag || options.experiment.empty() != options.variant.empty()) {
        throw Failure(ExitCode::kUsage,
                      "say whose event it is: either --flag, or --experiment and --variant");
    }
}

ExitCode run(const Options& options, Terminal& terminal) {
    check(options);
    Publication publication(terminal.options().directory);
    Client& client = publication.client();
    if (!offer(client, publication, options)) {
        throw Failure(ExitCode::kFailed, "the event was not taken: " + refusal(client.counters()));
    }
    client.flush(kFlushDeadline);
    const EventCounters counters = client.counters();
    if (total(counters.lost) > 0) {
        throw Failure(ExitCode::kFailed, "burgeed refused the event: see its log");
    }
    if (counters.acknowledged == 0) {
        throw Failure(ExitCode::kUnreachable,
                      "burgeed did not acknowledge the event within 5 s in " +
                          printable(terminal.options().directory) + ": is it running?");
    }
    if (terminal.is_json()) {
        JsonWriter json;
        json.begin_object().key("metric").value(options.metric).key("acknowledged").value(true);
        terminal.print_line(json.end_object().take());
    } else {
        terminal.print_line("durable on this host");
    }
    return ExitCode::kOk;
}

}  // namespace

std::vector<Command> track_commands() {
    const auto options = std::make_shared<Options>();
    std::vector<Argument> arguments{
        {"METRIC", &options->metric, "impression, conversion, error or a name of your own", true},
        {"VALUE", &options->value, "a number (default 1)"},
        {"--flag", &options->flag, "the flag whose answer it is about"},
        {"--experiment", &options->experiment, "instead of --flag: the experiment's id"},
        {"--variant", &options->variant, "with --experiment: the variant that was met"},
        {"--metadata", &options->metadata, "a JSON object of at most 1 KiB"}};
    for (Argument& argument : context_arguments(options->context)) {
        arguments.push_back(std::move(argument));
    }
    return {{"",
             "track",
             "Sends one event and waits until it is durable on this host",
             {"burgee track conversion --flag model_comparison --user ada",
              "burgee track quality_score 0.85 --flag model_comparison --user ada"},
             std::move(arguments),
             [options](Terminal& terminal) { return run(*options, terminal); }}};
}

}  // namespace burgee::cli
