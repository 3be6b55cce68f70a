// burgee explain: every step from the question to the answer, on the live snapshot, through the
// very evaluator that services use; neither daemon nor database is asked.

#include <memory>

#include <burgee/checksum.hpp>
#include <burgee/reason.hpp>

#include "cli/command.hpp"
#include "cli/context_options.hpp"
#include "cli/explanation.hpp"
#include "cli/explanation_view.hpp"
#include "cli/publication.hpp"
#include "cli/snapshot_file.hpp"
#include "cli/snapshot_flag.hpp"
#include "cli/terminal.hpp"

namespace burgee::cli {
namespace {

struct Options {
    std::string flag;
    std::string file;
    ContextOptions context;
};

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
             "Shows every step to an answer: rules, constraints, buckets",
             {"burgee explain model_comparison --user user123",
              "burgee explain search.enhanced --session s-9 -a plan=pro -o json"},
             std::move(arguments),
             [options](Terminal& terminal) { return run(*options, terminal); }}};
}

}  // namespace burgee::cli
