// burgee flag rebucket: moves a flag from the buckets of the former system to those of burgee.

#include <array>
#include <cstdio>
#include <memory>

#include "cli/command.hpp"
#include "cli/database.hpp"
#include "cli/flag_lookup.hpp"
#include "cli/publishability.hpp"
#include "cli/table.hpp"
#include "shm/json_text.hpp"
#include "sync/flag_store.hpp"
#include "sync/rebucket.hpp"

namespace burgee::cli {
namespace {

using sync::Rebucketing;

struct Options {
    std::string name;
    std::string why;
    bool is_dry_run = false;
};

std::string percent_text(double share) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.2f %%", share * 100);
    return text.data();
}

std::string split_text(const Rebucketing& done, const sync::FlagSplit& split) {
    std::string text = "off " + percent_text(split.off);
    for (std::size_t side = 0; side < done.sides.size(); ++side) {
        text += ", " + done.sides[side] + " " + percent_text(split.on[side]);
    }
    return text;
}

void write_split(JsonWriter& json, const Rebucketing& done, const sync::FlagSplit& split) {
    json.begin_object().key("off").value(split.off).key("on").begin_object();
    for (std::size_t side = 0; side < done.sides.size(); ++side) {
        json.key(done.sides[side]).value(split.on[side]);
    }
    json.end_object().end_object();
}

std::string report_json(const Options& options, const Rebucketing& done) {
    JsonWriter json;
    json.begin_object().key("flag").value(options.name);
    json.key("is_dry_run").value(options.is_dry_run);
    json.key("changed_share").value(done.changed_share).key("changed_share_is_exact").value(true);
    json.key("before");
    write_split(json, done, done.before);
    json.key("after");
    write_split(json, done, done.after);
    json.key("segments_before").raw(done.segments_before);
    json.key("segments_after").raw(done.segments_after);
    json.key("dropped_keys").begin_array();
    for (const std::string& key : done.dropped_keys) {
        json.value(key);
    }
    json.end_array().key("experiments").begin_array();
    for (const sync::RebucketedExperiment& experiment : done.experiments) {
        json.begin_object().key("id").value(experiment.id).key("name").value(experiment.name);
        json.key("phase").value(std::uint64_t{experiment.phase}).end_object();
    }
    json.end_array().key("revision");
    options.is_dry_run ? json.null() : json.value(done.revision);
    return json.end_object().take();
}

std::string report_text(const Options& options, const Rebucketing& done) {
    std::string text =
        (options.is_dry_run ? "would rebucket " : "rebucketed ") + printable(options.name) +
        (options.is_dry_run ? "\n" : " (revision " + std::to_string(done.revision) + ")\n");
    text += "before    " + printable(split_text(done, done.before)) + "\n";
    text += "after     " + printable(split_text(done, done.after)) + "\n";
    text += "changes   " + percent_text(done.changed_share) +
            " of all units (exact: their places before and after are independent)\n";
    text += "segments  " + printable(done.segments_before) + " -> " +
            printable(done.segments_after) + "\n";
    for (const std::string& key : done.dropped_keys) {
        text += "dropped   segments." + printable(key) + ", which had no effect\n";
    }
    for (const sync::RebucketedExperiment& experiment : done.experiments) {
        text += "phase     " + std::to_string(experiment.phase) + " of experiment " +
                printable(experiment.name) + (options.is_dry_run ? " would begin\n" : " begins\n");
    }
    return text;
}

ExitCode run(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    const auto rebucket = [&](sync::RebucketMode mode) {
        return take_flag(session, sync::rebucket(session, options.name, options.why, mode),
                         options.name);
    };
    Rebucketing done = rebucket(sync::RebucketMode::kDryRun);
    sync::FlagRow row =
        take_flag(session, sync::FlagStore(session).show(options.name), options.name);
    row.segments_json = done.segments_after;
    require_publishable(session, row);
    if (!options.is_dry_run) {
        done = rebucket(sync::RebucketMode::kApply);
    }
    if (terminal.is_json()) {
        terminal.print_line(report_json(options, done));
    } else if (terminal.is_name()) {
        terminal.print_line(printable(options.name));
    } else {
        terminal.print(report_text(options, done));
    }
    terminal.advise(options.is_dry_run
                        ? "nothing was changed"
                        : "the Python system goes on with the old buckets of this flag: move its "
                          "services to burgee first");
    return ExitCode::kOk;
}

}  // namespace

std::vector<Command> rebucket_commands() {
    const auto options = std::make_shared<Options>();
    return {{"flag",
             "rebucket",
             "Moves a flag from the buckets of the Python system to its own; units change sides",
             {"burgee flag rebucket model_comparison --dry-run",
              "burgee flag rebucket model_comparison --why 'treatment got nobody'"},
             {{"NAME", &options->name, "the flag's name", true},
              {"--why", &options->why, "the reason, kept in the history"},
              {"--dry-run", &options->is_dry_run, "says who would change sides"}},
             [options](Terminal& terminal) { return run(*options, terminal); }}};
}

}  // namespace burgee::cli
