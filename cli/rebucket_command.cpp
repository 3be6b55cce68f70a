// burgee flag rebucket: moves a flag from the buckets of the former system to those of burgee.

#include <array>
#include <cstdio>
#include <memory>

#include "cli/command.hpp"
#include "cli/database.hpp"
#include "cli/flag_lookup.hpp"
#include "cli/plan_basis.hpp"
#include "cli/plan_matrix.hpp"
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

/// Which shares answer what before and after, layers and expiry counted in.
struct Shares {
    explicit Shares(const Rebucketing& done)
        : matrix(plan_matrix(done.flag_before, done.flag_after, done.database_unix_ms)),
          unknown(unknown_parts(done.flag_before, done.flag_after)),
          is_of_all(is_of_all_units(done.flag_before, done.flag_after)),
          is_random(done.flag_before.strategy == Strategy::kRandom) {}

    /// A draw at random has no sides to change.
    double changed() const { return is_random ? 0 : matrix.moved(); }

    SideMatrix matrix;
    std::vector<std::string> unknown;
    bool is_of_all = true;
    bool is_random = false;
};

std::string split_text(const SideMatrix& matrix,
                       double (SideMatrix::*share_of)(std::size_t) const) {
    std::string text;
    for (std::size_t side = 0; side < matrix.sides().size(); ++side) {
        text += (text.empty() ? "" : ", ") + matrix.sides()[side] + " " +
                percent_text((matrix.*share_of)(side));
    }
    return text;
}

void write_split(JsonWriter& json, const SideMatrix& matrix,
                 double (SideMatrix::*share_of)(std::size_t) const) {
    json.begin_object().key("off").value((matrix.*share_of)(0)).key("on").begin_object();
    for (std::size_t side = 1; side < matrix.sides().size(); ++side) {
        json.key(matrix.sides()[side]).value((matrix.*share_of)(side));
    }
    json.end_object().end_object();
}

std::string report_json(const Options& options, const Rebucketing& done) {
    const Shares shares(done);
    JsonWriter json;
    json.begin_object().key("flag").value(options.name);
    json.key("is_dry_run").value(options.is_dry_run);
    json.member("changed_share", shares.changed());
    json.member("changed_share_is_exact", shares.unknown.empty());
    json.member("changed_share_is_of_all_units", shares.is_of_all);
    json.key("unknown").begin_array();
    for (const std::string& sentence : shares.unknown) {
        json.value(sentence);
    }
    json.end_array().key("before");
    write_split(json, shares.matrix, &SideMatrix::before);
    json.key("after");
    write_split(json, shares.matrix, &SideMatrix::after);
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
    const Shares shares(done);
    text += "before    " + printable(split_text(shares.matrix, &SideMatrix::before)) + "\n";
    text += "after     " + printable(split_text(shares.matrix, &SideMatrix::after)) + "\n";
    text += "changes   " + percent_text(shares.changed()) +
            (shares.is_of_all ? " of all units" : " of the units that reach the draw") +
            (shares.is_random ? " (type random: no unit keeps an answer)\n"
                              : " (exact: their places before and after are independent)\n");
    for (const std::string& sentence : shares.unknown) {
        text += "not known " + printable(sentence) + "\n";
    }
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
