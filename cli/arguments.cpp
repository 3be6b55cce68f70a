// Builds the grammar from the commands' own descriptions, lets CLI11 read the words, and turns its
// complaints into one line that names the mistake, the likely intention and where to read more.

#include "cli/arguments.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cassert>
#include <cctype>
#include <cstdlib>
#include <map>
#include <utility>

#include "cli/table.hpp"
#include "cli/version.hpp"
#include "shm/suggestion.hpp"

namespace burgee::cli {
namespace {

const std::vector<std::string> kFormatNames{"table", "json", "wide", "name"};
const std::vector<std::string> kGlobalOptionsWithValue{"--dsn", "--directory", "-o", "--output"};

std::string noun_summary(const std::string& noun) {
    if (noun == "flag") {
        return "Create, change, switch off and inspect flags";
    }
    if (noun == "experiment") {
        return "Plan, pause and complete experiments";
    }
    assert(noun == "db");
    return "Prepare the database";
}

Format format_named(const std::string& name) {
    const auto found = std::find(kFormatNames.begin(), kFormatNames.end(), name);
    assert(found != kFormatNames.end());
    return static_cast<Format>(found - kFormatNames.begin());
}

std::string description(const Command& command) {
    return command.summary + "\n\nExamples:\n  " + command.examples[0] + "\n  " +
           command.examples[1] + "\n";
}

/// CLI11 fills our variables itself; only the type differs from target to target.
class BindArgument {
public:
    BindArgument(CLI::App& app, const Argument& argument) : app_(app), argument_(argument) {}

    CLI::Option* operator()(bool* target) const {
        return app_.add_flag(argument_.name, *target, argument_.help);
    }

    template <typename Value>
    CLI::Option* operator()(Value* target) const {
        CLI::Option* option = app_.add_option(argument_.name, *target, argument_.help);
        option->required(argument_.is_required);
        if constexpr (std::is_same_v<Value, std::vector<std::string>>) {
            option->expected(1)->take_all();  // one value each time the option is given
        }
        if (!argument_.choices.empty()) {
            option->check(CLI::IsMember(argument_.choices));
        }
        return option;
    }

private:
    CLI::App& app_;
    const Argument& argument_;
};

void add_command(CLI::App& parent, const Command& command, const Command** chosen) {
    CLI::App* app = parent.add_subcommand(command.verb, command.summary);
    app->description(description(command));
    app->callback([&command, chosen] { *chosen = &command; });
    for (const Argument& argument : command.arguments) {
        std::visit(BindArgument(*app, argument), argument.target);
    }
}

/// The word at `position` among those that are neither options nor values of global options.
std::string plain_word(const std::vector<std::string>& words, std::size_t position) {
    for (std::size_t index = 0; index < words.size(); ++index) {
        const std::string& word = words[index];
        const auto& taking = kGlobalOptionsWithValue;
        if (std::find(taking.begin(), taking.end(), word) != taking.end()) {
            ++index;
        } else if (!word.starts_with("-") && position-- == 0) {
            return word;
        }
    }
    return "";
}

bool is_first(const Command& command, const std::string& word) {
    return word == (command.noun.empty() ? command.verb : command.noun);
}

/// Refuses an unknown noun or verb before CLI11 does, because we can say which one was meant.
void check_command_words(const std::vector<std::string>& words,
                         const std::vector<Command>& commands) {
    const std::string first = plain_word(words, 0);
    const std::string second = plain_word(words, 1);
    std::vector<std::string> firsts;
    std::vector<std::string> verbs;
    for (const Command& command : commands) {
        firsts.push_back(command.noun.empty() ? command.verb : command.noun);
        if (!command.noun.empty() && command.noun == first) {
            verbs.push_back(command.verb);
        }
    }
    if (!first.empty() && std::find(firsts.begin(), firsts.end(), first) == firsts.end()) {
        throw Failure(ExitCode::kUsage, "unknown command \"" + printable(first) + "\"" +
                                            did_you_mean(first, firsts) +
                                            " (burgee --help lists them)");
    }
    if (verbs.empty() || second.empty()) {
        return;
    }
    if (std::find(verbs.begin(), verbs.end(), second) == verbs.end()) {
        throw Failure(ExitCode::kUsage, "unknown command \"" + printable(first + " " + second) +
                                            "\"" + did_you_mean(second, verbs) + " (burgee " +
                                            first + " --help lists them)");
    }
}

const Command* command_meant(const std::vector<std::string>& words,
                             const std::vector<Command>& commands) {
    for (const Command& command : commands) {
        const bool has_verb = command.noun.empty() || command.verb == plain_word(words, 1);
        if (is_first(command, plain_word(words, 0)) && has_verb) {
            return &command;
        }
    }
    return nullptr;
}

std::vector<std::string> option_names(const Command* command) {
    std::vector<std::string> names{"--dsn", "--directory", "--output", "--help", "--version"};
    if (command != nullptr) {
        for (const Argument& argument : command->arguments) {
            if (argument.name.starts_with("-")) {
                names.push_back(argument.name.substr(argument.name.rfind(',') + 1));
            }
        }
    }
    return names;
}

[[noreturn]] void fail_usage(const CLI::ParseError& error, const std::vector<std::string>& words,
                             const std::vector<Command>& commands) {
    const Command* command = command_meant(words, commands);
    const std::string help = command == nullptr
                                 ? "burgee --help"
                                 : "burgee " + (command->noun.empty() ? "" : command->noun + " ") +
                                       command->verb + " --help";
    const std::vector<std::string> names = option_names(command);
    std::string hint;
    for (const std::string& word : words) {
        const std::string name = word.substr(0, word.find('='));
        const bool is_known = std::find(names.begin(), names.end(), name) != names.end();
        if (hint.empty() && word.starts_with("--") && !is_known) {
            hint = did_you_mean(name, names);
        }
    }
    std::string text = error.what();
    std::replace(text.begin(), text.end(), '\n', ' ');
    throw Failure(ExitCode::kUsage, printable(text) + hint + " (see " + help + ")");
}

std::string environment(const char* name, const std::string& otherwise) {
    const char* value = std::getenv(name);
    return value == nullptr ? otherwise : value;
}

void add_global_options(CLI::App& app, GlobalOptions& options, std::string& format) {
    app.add_option(
        "--dsn", options.dsn,
        "PostgreSQL connection string (BURGEE_DATABASE_DSN, else libpq's PG* variables)");
    app.add_option("--directory", options.directory,
                   "where burgeed publishes (BURGEE_SHM_DIRECTORY, else /run/burgee)");
    app.add_option("-o,--output", format, "table, json, wide or name")
        ->check(CLI::IsMember(kFormatNames));
    app.set_version_flag("--version", version_line());
    app.require_subcommand(1);
    app.fallthrough();  // global options are welcome behind the command, too
}

}  // namespace

Invocation parse_arguments(const std::vector<std::string>& words, std::vector<Command> commands) {
    check_command_words(words, commands);
    Invocation invocation;
    invocation.options.dsn = environment("BURGEE_DATABASE_DSN", "");
    invocation.options.directory =
        environment("BURGEE_SHM_DIRECTORY", invocation.options.directory);
    std::string format = kFormatNames.front();
    const Command* chosen = nullptr;

    CLI::App app(
        "Feature flags and experiments from shared memory.\n\nExamples:\n"
        "  burgee flag create search.enhanced --status gradual_rollout --rollout 25\n"
        "  burgee eval search.enhanced --user ada\n",
        "burgee");
    add_global_options(app, invocation.options, format);
    std::map<std::string, CLI::App*> nouns;
    for (const Command& command : commands) {
        CLI::App* parent = &app;
        if (!command.noun.empty()) {
            CLI::App*& noun = nouns[command.noun];
            if (noun == nullptr) {
                noun = app.add_subcommand(command.noun, noun_summary(command.noun));
                noun->require_subcommand(1);
            }
            parent = noun;
        }
        add_command(*parent, command, &chosen);
    }
    try {
        std::vector<std::string> reversed(words.rbegin(), words.rend());  // as CLI11 wants them
        app.parse(std::move(reversed));
    } catch (const CLI::CallForHelp&) {
        invocation.printed = app.help();
        return invocation;
    } catch (const CLI::CallForVersion&) {
        invocation.printed = version_line() + "\n";
        return invocation;
    } catch (const CLI::ParseError& error) {
        fail_usage(error, words, commands);
    }
    assert(chosen != nullptr);
    invocation.options.format = format_named(format);
    invocation.run = chosen->run;
    return invocation;
}

}  // namespace burgee::cli
