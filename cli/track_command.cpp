// burgee track: sends one event as a service would and waits until it is durable on this host.

#include <chrono>
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
#include "sync/json_check.hpp"

namespace burgee::cli {
namespace {

// A daemon that is well answers within milliseconds; a person waits no longer than this.
constexpr auto kFlushDeadline = std::chrono::seconds(5);

struct Options {
    std::string metric;
    std::optional<double> value;
    std::string flag;
    std::string experiment;
    std::string variant;
    std::string metadata;
    ContextOptions context;
};

/// What is measured by counting; a negative count would take back somebody else's.
bool is_count(const std::string& metric) {
    return metric == "impression" || metric == "conversion" || metric == "error";
}

/// The metadata itself or from its file. Throws Failure kUsage unless an event can carry it.
std::string checked_metadata(const std::string& given) {
    if (given.empty()) {
        return "";
    }
    std::string metadata = text_or_file(given);
    const std::string where = metadata == given ? "--metadata " : "--metadata " + given + " ";
    if (const auto complaint = sync::json_complaint(metadata, sync::JsonShape::kObject)) {
        throw Failure(ExitCode::kUsage, printable(where + *complaint));
    }
    metadata.erase(metadata.find_last_not_of(" \t\r\n") + 1);  // a file ends with a newline
    if (metadata.size() > kMetadataSizeMax) {
        throw Failure(ExitCode::kUsage, printable(where) + "has " +
                                            std::to_string(metadata.size()) +
                                            " bytes: an event carries at most " +
                                            std::to_string(kMetadataSizeMax) + " (1 KiB)");
    }
    return metadata;
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
    if (refused(DropReason::kTooBig)) {
        return "a text is longer than " + std::to_string(kEventTextSizeMax) + " bytes";
    }
    return "the client refused it as invalid or had no room for it";
}

/// Throws Failure kFailed, saying why, when an event about `answer` would belong to no experiment.
void check_answer(const Evaluation& answer, const std::string& flag) {
    const Experiment experiment = answer.experiment();
    if (!experiment.exists()) {
        throw Failure(ExitCode::kFailed,
                      "flag \"" + printable(flag) +
                          "\" has no active experiment on this host: burgee experiment list");
    }
    if (answer.reason() == Reason::kTargetingKeyMissing) {
        throw Failure(ExitCode::kFailed,
                      "the event names nobody: give --user or --session, or the "
                      "attribute by which the flag is bucketed");
    }
    if (answer.variant().empty()) {
        throw Failure(ExitCode::kFailed, "this unit takes no part in experiment \"" +
                                             printable(experiment.name) + "\" (off, reason " +
                                             std::string(to_string(answer.reason())) +
                                             "): burgee explain " + printable(flag));
    }
}

bool offer(Client& client, const Publication& publication, const Options& options,
           const std::string& metadata) {
    const Context context = make_context(options.context);
    const double value = options.value.value_or(1);
    const Snapshot snapshot = publication.snapshot();
    if (!options.experiment.empty()) {
        const PublishedVariant met =
            find_variant(snapshot.view(), options.experiment, options.variant);
        return client.track(ExperimentRef(met.experiment_id, options.variant), options.metric,
                            value, context, metadata);
    }
    const Evaluation answer = snapshot.evaluate(options.flag, context);
    if (answer.reason() == Reason::kFlagNotFound) {
        throw flag_not_found(snapshot.view(), options.flag);
    }
    check_answer(answer, options.flag);
    return client.track(answer, options.metric, value, context, metadata);
}

void check(const Options& options) {
    const bool by_id = !options.experiment.empty() && !options.variant.empty();
    const bool by_flag = !options.flag.empty();
    if (by_id == by_flag || options.experiment.empty() != options.variant.empty()) {
        throw Failure(ExitCode::kUsage,
                      "say whose event it is: either --flag, or --experiment and --variant");
    }
    if (options.metric.empty()) {
        throw Failure(ExitCode::kUsage,
                      "METRIC is empty: impression, conversion, error or another");
    }
    if (options.value.value_or(1) < 0 && is_count(options.metric)) {
        throw Failure(ExitCode::kUsage, "the value is " + json_number(*options.value) + ", but " +
                                            options.metric +
                                            " is counted: give 0 or more, or use a metric of your "
                                            "own for what may be negative");
    }
}

ExitCode run(const Options& options, Terminal& terminal) {
    check(options);
    const std::string metadata = checked_metadata(options.metadata);
    Publication publication(terminal.options().directory);
    Client& client = publication.client();
    if (!offer(client, publication, options, metadata)) {
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
        json.begin_object().member("metric", options.metric).member("acknowledged", true);
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
        {"--experiment", &options->experiment,
         "instead of --flag: an active experiment, by name or id"},
        {"--variant", &options->variant, "with --experiment: the variant that was met"},
        {"--metadata", &options->metadata, "a JSON object of at most 1 KiB, or @FILE"}};
    for (Argument& argument : context_arguments(options->context)) {
        arguments.push_back(std::move(argument));
    }
    return {{"",
             "track",
             "Sends one event and waits until it is durable on this host",
             {"burgee track conversion --flag model_comparison --user ada",
              "burgee track quality_score 0.85 --experiment models --variant treatment --user ada"},
             std::move(arguments),
             [options](Terminal& terminal) { return run(*options, terminal); }}};
}

}  // namespace burgee::cli
