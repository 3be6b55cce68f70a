// Builds the grammar from the commands' own descriptions, lets CLI11 read the words, and turns its
// complaints into one line that names the mistake, the likely intention and where to read more.

#include "cli/arguments.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>
#include <memory>
#include <utility>

#include "cli/table.hpp"
#include "cli/version.hpp"
#include "shm/assertion.hpp"
#include "shm/json_text.hpp"
#include "shm/suggestion.hpp"
#include "sync/flag_text.hpp"

namespace burgee::cli {
namespace {

const std::vector<std::string> kFormatNames{"table", "json", "wide", "name"};
const std::vector<std::string> kGlobalOptionsWithValue{"--dsn", "--directory", "-o", "--output"};

using Examples = std::array<std::string, 2>;

/// A noun's own line and examples in the help.
struct Noun {
    std::string summary;
    Examples examples;
};

Noun noun_named(const std::string& noun) {
    if (noun == "flag") {
        return {"Create, change, switch off and inspect flags",
                {"burgee flag list",
                 "burgee flag set search.enhanced --rollout 50 --why 'no complaints'"}};
    }
    if (noun == "experiment") {
        return {"Plan, pause and complete experiments",
                {"burgee experiment list --status active",
                 "burgee experiment create --flag model_comparison --name models"}};
    }
    if (noun == "segment") {
        return {"Define audiences that many flags can name",
                {"burgee segment list",
                 "burgee segment put beta --constraints '[{\"attribute\": \"beta\", \"operator\": "
                 "\"EXISTS\"}]'"}};
    }
    if (noun == "layer") {
        return {"Give flags slots of their own, so that no unit is in two of them",
                {"burgee layer show checkout",
                 "burgee layer assign checkout --flag new_cart --percentage 25"}};
    }
    if (noun == "spool") {
        return {"Look into a host's durable queue of events",
                {"burgee spool verify", "burgee spool dump -o json"}};
    }
    BURGEE_ASSERT(noun == "db");
    return {"Prepare the database", {"burgee db migrate --dry-run", "burgee db migrate"}};
}

/// CLI11's help, but for the examples: they stand in a command's own help and not in the lists.
class HelpWithExamples : public CLI::Formatter {
public:
    void add(const CLI::App* app, const Examples& examples) { examples_[app] = examples; }

    std::string make_description(const CLI::App* app) const override {
        const auto found = examples_.find(app);
        return found == examples_.end() ? CLI::Formatter::make_description(app)
                                        : app->get_description() + "\n\nExamples:\n  " +
                                              found->second[0] + "\n  " + found->second[1] + "\n\n";
    }

private:
    std::map<const CLI::App*, Examples> examples_;
};

Format format_named(const std::string& name) {
    const auto found = std::find(kFormatNames.begin(), kFormatNames.end(), name);
    BURGEE_ASSERT(found != kFormatNames.end());
    return static_cast<Format>(found - kFormatNames.begin());
}

/// What is wrong with `text` as a number of the argument; "" when nothing is. Throughout this file
/// an empty text is CLI11's way of saying that a value passes.
template <typename Number>
std::string number_complaint(const std::string& text, const std::optional<NumberRange>& range) {
    Number number{};
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    const bool is_read = error == std::errc{} && stop == end;
    if (!is_read || !std::isfinite(static_cast<double>(number))) {
        return "\"" + text + "\" is not a " +
               (std::is_integral_v<Number> ? "whole number" : "number");
    }
    if (!range) {
        return "";
    }
    const auto value = static_cast<double>(number);
    const bool is_inside = range->is_least_excluded ? value > range->least : value >= range->least;
    if (is_inside && value <= range->most) {
        return "";
    }
    return text + " is out of range: give " +
           (range->is_least_excluded ? "more than " : "at least ") + json_number(range->least) +
           " and at most " + json_number(range->most);
}

std::string listed(const std::vector<std::string>& words) {
    std::string all;
    for (const std::string& word : words) {
        all += (all.empty() ? "" : ", ") + word;
    }
    return all;
}

std::string choice_complaint(const std::string& text, const std::vector<std::string>& choices) {
    return std::find(choices.begin(), choices.end(), text) != choices.end()
               ? ""
               : "\"" + text + "\" is not one of " + listed(choices) + did_you_mean(text, choices);
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
        const std::string help = argument_.choices.empty()
                                     ? argument_.help
                                     : argument_.help + ": " + listed(argument_.choices);
        CLI::Option* option = app_.add_option(argument_.name, *target, help);
        option->required(argument_.is_required);
        if constexpr (std::is_same_v<Value, std::vector<std::string>>) {
            // One value each time an option is given; a position takes all words that are left.
            option->expected(argument_.name.starts_with("-") ? 1 : -1)->take_all();
        }
        if constexpr (std::is_same_v<Value, std::optional<double>>) {
            option->check([range = argument_.range](const std::string& text) {
                return number_complaint<double>(text, range);
            });
        } else if constexpr (std::is_same_v<Value, std::optional<std::int64_t>>) {
            option->check([range = argument_.range](const std::string& text) {
                return number_complaint<std::int64_t>(text, range);
            });
        } else {
            add_text_checks(*option);
        }
        return option;
    }

private:
    void add_text_checks(CLI::Option& option) const {
        if (!argument_.is_path) {
            option.check([](const std::string& text) {
                return sync::is_strict_utf8(text)
                           ? ""
                           : "\"" + sync::shown_text(text) +
                                 "\" is not UTF-8: type it in a UTF-8 terminal";
            });
        }
        if (!argument_.choices.empty()) {
            option.check([choices = argument_.choices](const std::string& text) {
                return choice_complaint(text, choices);
            });
        }
    }

    CLI::App& app_;
    const Argument& argument_;
};

void add_command(CLI::App& parent, const Command& command, const Command** chosen,
                 HelpWithExamples& help) {
    CLI::App* app = parent.add_subcommand(command.verb, command.summary);
    help.add(app, command.examples);
    app->footer("Every command takes -o, --dsn and --directory: burgee --help");
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

/// The nouns and commands that may stand first, or the verbs of `noun`, each once.
std::vector<std::string> words_after(const std::string& noun,
                                     const std::vector<Command>& commands) {
    std::vector<std::string> next;
    for (const Command& command : commands) {
        const bool is_of_noun = !noun.empty() && command.noun == noun;
        const std::string& word = is_of_noun || command.noun.empty() ? command.verb : command.noun;
        if ((noun.empty() || is_of_noun) &&
            std::find(next.begin(), next.end(), word) == next.end()) {
            next.push_back(word);
        }
    }
    return next;
}

/// Refuses an unknown noun or verb before CLI11 does, because we can say which one was meant.
void check_command_words(const std::vector<std::string>& words,
                         const std::vector<Command>& commands) {
    const std::string first = plain_word(words, 0);
    const std::string second = plain_word(words, 1);
    const std::vector<std::string> firsts = words_after("", commands);
    const std::vector<std::string> verbs =
        first.empty() ? std::vector<std::string>{} : words_after(first, commands);
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
            for (std::size_t begin = argument.name.find("--"); begin != std::string::npos;) {
                const std::size_t end = argument.name.find(',', begin);
                names.push_back(argument.name.substr(begin, end - begin));
                begin = argument.name.find("--", end);
            }
        }
    }
    return names;
}

/// CLI11's complaint in our words where its own are those of a library.
std::string complaint_of(const CLI::ParseError& error, const std::vector<std::string>& words,
                         const std::vector<Command>& commands) {
    std::string text = error.what();
    std::replace(text.begin(), text.end(), '\n', ' ');
    if (text == "A subcommand is required") {
        const std::string noun = plain_word(words, 0);
        return "burgee " + (noun.empty() ? "" : noun + " ") + "does nothing alone: add one of " +
               listed(words_after(noun, commands));
    }
    const std::size_t missing = text.find(": 1 required ");
    return missing == std::string::npos ? text : text.substr(0, missing) + " needs a value";
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
        if (name == "--config") {
            hint =
                "; burgee reads no configuration file, which may hold a password of burgeed's: "
                "give --dsn and --directory, or BURGEE_DATABASE_DSN and BURGEE_SHM_DIRECTORY";
        }
        const bool is_known = std::find(names.begin(), names.end(), name) != names.end();
        if (hint.empty() && word.starts_with("--") && !is_known) {
            hint = did_you_mean(name, names);
        }
    }
    throw Failure(ExitCode::kUsage,
                  printable(complaint_of(error, words, commands)) + hint + " (see " + help + ")");
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
        ->check([](const std::string& text) { return choice_complaint(text, kFormatNames); });
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

    CLI::App app("Feature flags and experiments from shared memory.", "burgee");
    const auto help = std::make_shared<HelpWithExamples>();
    app.formatter(help);  // what is added below inherits it
    help->add(&app, {"burgee flag create search.enhanced --status gradual_rollout --rollout 25",
                     "burgee eval search.enhanced --user ada"});
    add_global_options(app, invocation.options, format);
    std::map<std::string, CLI::App*> nouns;
    for (const Command& command : commands) {
        CLI::App* parent = &app;
        if (!command.noun.empty()) {
            CLI::App*& noun = nouns[command.noun];
            if (noun == nullptr) {
                const Noun described = noun_named(command.noun);
                noun = app.add_subcommand(command.noun, described.summary);
                help->add(noun, described.examples);
                noun->require_subcommand(1);
            }
            parent = noun;
        }
        add_command(*parent, command, &chosen, *help);
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
    BURGEE_ASSERT(chosen != nullptr);
    invocation.options.format = format_named(format);
    invocation.run = chosen->run;
    return invocation;
}

}  // namespace burgee::cli
