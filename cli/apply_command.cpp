// burgee flag apply: brings the database to what a document of `burgee flag export` says.

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>

#include "cli/apply_view.hpp"
#include "cli/command.hpp"
#include "cli/database.hpp"
#include "cli/publishability.hpp"
#include "cli/table.hpp"

namespace burgee::cli {
namespace {

constexpr std::size_t kDocumentSizeMax = 256U << 20U;  // far beyond 100 000 flags of 1 KiB

struct Options {
    std::string file;
    std::string why;
    bool is_dry_run = false;
    bool is_pruning = false;
};

std::string read_bounded(std::istream& stream, const std::string& name) {
    constexpr std::size_t kBlockSize = 64U << 10U;
    std::string text;
    while (stream && text.size() <= kDocumentSizeMax) {
        const std::size_t size = text.size();
        text.resize(size + kBlockSize);
        stream.read(text.data() + size, static_cast<std::streamsize>(kBlockSize));
        text.resize(size + static_cast<std::size_t>(stream.gcount()));
    }
    if (text.size() > kDocumentSizeMax) {
        throw Failure(ExitCode::kUsage, name + " is larger than 256 MiB: split it");
    }
    return text;
}

std::string document_text(const std::string& path) {
    if (path == "-") {
        return read_bounded(std::cin, "stdin");
    }
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw Failure(ExitCode::kNotFound,
                      "cannot read " + printable(path) + ": " + std::strerror(errno));
    }
    return read_bounded(file, printable(path));
}

sync::FlagDocument document_of(const std::string& path) {
    auto read = sync::read_flag_document(document_text(path));
    if (const auto* complaints = std::get_if<std::vector<std::string>>(&read)) {
        std::string all;
        for (const std::string& complaint : *complaints) {
            all += (all.empty() ? "" : "; ") + complaint;
        }
        throw Failure(ExitCode::kFailed,
                      (path == "-" ? "stdin" : printable(path)) + " is not applied: " + all);
    }
    return std::get<sync::FlagDocument>(std::move(read));
}

ExitCode run(const Options& options, Terminal& terminal) {
    sync::FlagDocument document = document_of(options.file);
    sync::PgSession session(database_options(terminal));
    const sync::ApplyOptions how{
        options.is_dry_run ? sync::WriteMode::kDryRun : sync::WriteMode::kCommit,
        options.is_pruning, options.why};
    const sync::FlagsApplied applied =
        take(sync::apply_flag_document(session, std::move(document), how, publishing_faults));
    if (terminal.is_json()) {
        terminal.print_line(applied_json(applied, options.is_dry_run));
    } else if (terminal.is_name()) {
        for (const sync::EntryChange& flag : applied.flags) {
            if (flag.action != sync::EntryAction::kUnchanged &&
                flag.action != sync::EntryAction::kKept) {
                terminal.print_line(printable(flag.name));
            }
        }
    } else {
        terminal.print(applied_text(applied, options.is_dry_run));
    }
    for (const FlagProblem& problem : applied.warnings) {
        terminal.advise("warning: " +
                        printable(problem.flag + ": " + problem.field + " " + problem.message));
    }
    if (options.is_dry_run) {
        terminal.advise("nothing was changed; the same without --dry-run does it");
    }
    return ExitCode::kOk;
}

}  // namespace

std::vector<Command> apply_commands() {
    const auto options = std::make_shared<Options>();
    return {{"flag",
             "apply",
             "Brings flags, segments and layers to what a document says, all or nothing",
             {"burgee flag apply flags.json --dry-run",
              "burgee flag export --all --dsn service=staging | burgee flag apply - --why 'as "
              "staging'"},
             {{"FILE",
               &options->file,
               "a document of burgee flag export, or - for stdin",
               true,
               {},
               {},
               true},
              {"--dry-run", &options->is_dry_run, "shows what would change, and changes nothing"},
              {"--prune", &options->is_pruning, "also deletes what the document does not name"},
              {"--why", &options->why, "the reason, kept in the history"}},
             [options](Terminal& terminal) { return run(*options, terminal); }}};
}

}  // namespace burgee::cli
