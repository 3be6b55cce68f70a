// burgee flag export: flags, segments and layers as one canonical JSON document.

#include <algorithm>
#include <memory>

#include "cli/command.hpp"
#include "cli/database.hpp"
#include "cli/table.hpp"
#include "shm/suggestion.hpp"
#include "sync/flag_document_rows.hpp"

namespace burgee::cli {
namespace {

using sync::FlagDocument;
using sync::FlagEntry;

struct Options {
    std::vector<std::string> names;
    bool is_all = false;
};

void require_flags(const FlagDocument& all, const std::vector<std::string>& names) {
    std::vector<std::string> known;
    for (const FlagEntry& flag : all.flags) {
        known.push_back(flag.name);
    }
    for (const std::string& name : names) {
        if (std::find(known.begin(), known.end(), name) == known.end()) {
            throw Failure(ExitCode::kNotFound, "there is no flag \"" + printable(name) + "\"" +
                                                   did_you_mean(name, known));
        }
    }
}

/// A flag that says nothing of its bucketing takes the database's default, which a document does
/// not carry.
void advise_about_bucketing(const FlagDocument& document, const Terminal& terminal) {
    std::size_t count = 0;
    std::string first;
    for (const FlagEntry& flag : document.flags) {
        if (flag.segments.find("bucketing") == nullptr) {
            first = count++ == 0 ? flag.name : first;
        }
    }
    if (count > 0) {
        terminal.advise("warning: " + printable(first) +
                        (count == 1 ? "" : " and " + std::to_string(count - 1) + " more") +
                        " of these flags name no segments.bucketing and follow this database's "
                        "default: one with another default would give their units other buckets");
    }
}

ExitCode run(const Options& options, Terminal& terminal) {
    if (options.is_all != options.names.empty()) {
        throw Failure(ExitCode::kUsage, "give either names of flags or --all");
    }
    sync::PgSession session(database_options(terminal));
    FlagDocument document = take(sync::read_document(session));
    if (!options.is_all) {
        require_flags(document, options.names);
        document = sync::selection_of(document, options.names);
    }
    terminal.print(sync::document_text(document));
    advise_about_bucketing(document, terminal);
    return ExitCode::kOk;
}

}  // namespace

std::vector<Command> export_commands() {
    const auto options = std::make_shared<Options>();
    return {{"flag",
             "export",
             "Prints flags, and the segments and layers they use, as one document for apply",
             {"burgee flag export --all > flags.json",
              "burgee flag export search.enhanced model_comparison"},
             {{"NAME", &options->names, "a flag's name; repeat for more"},
              {"--all", &options->is_all, "every flag, segment and layer"}},
             [options](Terminal& terminal) { return run(*options, terminal); }}};
}

}  // namespace burgee::cli
