// burgee layer list|show|create|assign|release|delete: who owns which of a layer's 10 000 slots, so
// that no unit is in two of its flags.

#include <memory>

#include "cli/command.hpp"
#include "cli/database.hpp"
#include "cli/flag_lookup.hpp"
#include "cli/record_view.hpp"
#include "shm/suggestion.hpp"
#include "sync/layer_store.hpp"

namespace burgee::cli {
namespace {

using sync::LayerOwner;
using sync::LayerRow;
using sync::LayerStore;
using sync::LayerWritten;

constexpr std::size_t kRangesShownMax = 20;  // in a table; -o json has all; chosen by feel

struct Options {
    std::string name;
    std::optional<std::string> description;
    std::string flag;
    std::optional<double> percentage;
    std::optional<std::int64_t> slots;
    std::string why;
    bool is_dry = false;

    [[nodiscard]] sync::WriteMode mode() const {
        return is_dry ? sync::WriteMode::kDryRun : sync::WriteMode::kCommit;
    }
};

/// As take(), but "not found" suggests another layer or flag.
template <class Value>
Value take_layer(sync::PgSession& session, sync::SyncResult<Value> result, const Options& options) {
    if (result.has_error() && result.error().kind == sync::SyncErrorKind::kNotFound) {
        std::vector<std::string> names;
        bool is_there = false;
        if (const auto rows = LayerStore(session).list(); rows.has_value()) {
            for (const LayerRow& row : *rows) {
                names.push_back(row.name);
                is_there = is_there || row.name == options.name;
            }
        }
        throw Failure(
            ExitCode::kNotFound,
            result.error().message + (is_there ? did_you_mean(options.flag, flag_names(session))
                                               : did_you_mean(options.name, names)));
    }
    return take(std::move(result));
}

std::string percent_of_layer(std::uint32_t slot_count) {
    constexpr double kPercent = 100;
    return json_number(slot_count * kPercent / kLayerSlotCount) + "%";
}

std::string slots_text(const std::vector<SlotRange>& slots) {
    std::string text;
    for (std::size_t index = 0; index < slots.size() && index < kRangesShownMax; ++index) {
        const SlotRange& range = slots[index];
        text += (text.empty() ? "" : ", ") + std::to_string(range.first) +
                (range.first == range.last ? "" : "-" + std::to_string(range.last));
    }
    return slots.size() <= kRangesShownMax
               ? text
               : text + " and " + std::to_string(slots.size() - kRangesShownMax) + " more";
}

void write_slots(JsonWriter& json, const std::vector<SlotRange>& slots) {
    json.key("slots").begin_array();
    for (const SlotRange& range : slots) {
        json.begin_object().member("first", int{range.first});
        json.member("last", int{range.last}).end_object();
    }
    json.end_array();
}

void write_row(JsonWriter& json, const LayerRow& row) {
    json.member("name", row.name).member("description", row.description);
    json.member("created_at", row.created_at);
    json.member("used_slots", std::uint64_t{row.used_slots});
    json.member("free_slots", std::uint64_t{kLayerSlotCount - row.used_slots});
}

ExitCode list_layers(const Options& /*options*/, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    const std::vector<LayerRow> rows = take(LayerStore(session).list());
    ListView<LayerRow> view;
    view.columns = {{"NAME"},
                    {"USED", Column::Align::kRight},
                    {"FREE", Column::Align::kRight},
                    {"DESCRIPTION"}};
    view.wide_columns = {{"CREATED"}};
    view.name = [](const LayerRow& row) { return row.name; };
    view.cells = [](const LayerRow& row) {
        return std::vector<std::string>{row.name, percent_of_layer(row.used_slots),
                                        percent_of_layer(kLayerSlotCount - row.used_slots),
                                        row.description.value_or(""), row.created_at};
    };
    view.write = [](JsonWriter& json, const LayerRow& row) {
        json.begin_object();
        write_row(json, row);
        json.end_object();
    };
    print_list(terminal, rows, view);
    if (rows.empty()) {
        terminal.advise("no layers yet; next: burgee layer create NAME");
    }
    return ExitCode::kOk;
}

ExitCode show_layer(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    const sync::LayerView found =
        take_layer(session, LayerStore(session).show(options.name), options);
    const LayerRow& row = found.layer;
    std::vector<Field> fields{{"name", row.name},
                              {"description", row.description.value_or("")},
                              {"created", row.created_at},
                              {"used", percent_of_layer(row.used_slots)},
                              {"free", percent_of_layer(kLayerSlotCount - row.used_slots)}};
    print_record(terminal, row.name, fields, [&](JsonWriter& json) {
        json.begin_object();
        write_row(json, row);
        json.key("owners").begin_array();
        for (const LayerOwner& owner : found.owners) {
            json.begin_object().member("flag", owner.flag);
            json.member("slot_count", std::uint64_t{owner.slot_count});
            write_slots(json, owner.slots);
            json.end_object();
        }
        json.end_array().end_object();
    });
    if (!terminal.is_json() && !terminal.is_name() && !found.owners.empty()) {
        Table table({{"FLAG"}, {"SHARE", Column::Align::kRight}, {"SLOTS"}});
        for (const LayerOwner& owner : found.owners) {
            table.add_row(
                {owner.flag, percent_of_layer(owner.slot_count), slots_text(owner.slots)});
        }
        terminal.print("\n" + table.text());
    }
    return ExitCode::kOk;
}

void advise_if_dry(const Options& options, const Terminal& terminal) {
    if (options.is_dry) {
        terminal.advise("nothing was changed; the same without --dry-run does it");
    }
}

void report_plain(const Terminal& terminal, const Options& options, const std::string& done) {
    if (terminal.is_json()) {
        JsonWriter json;
        json.begin_object().member("layer", options.name).member("action", done);
        json.member("is_dry_run", options.is_dry);
        terminal.print_line(json.end_object().take());
    } else {
        const std::string what = options.is_dry ? "would be " + done + ": " : done + " ";
        terminal.print_line((terminal.is_name() ? "" : what) + printable(options.name));
    }
    advise_if_dry(options, terminal);
}

ExitCode create_layer(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    take(LayerStore(session, options.mode()).create(options.name, options.description));
    report_plain(terminal, options, "created");
    if (!options.is_dry) {
        terminal.advise("next: burgee layer assign " + printable(options.name) +
                        " --flag FLAG --percentage 25");
    }
    return ExitCode::kOk;
}

ExitCode delete_layer(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    take_layer(session, LayerStore(session, options.mode()).remove(options.name), options);
    report_plain(terminal, options, "deleted");
    return ExitCode::kOk;
}

/// How many slots are meant; nothing when neither option is given. Throws Failure kUsage for both,
/// and for a share that is less than a slot.
std::optional<std::uint32_t> slot_count(const Options& options) {
    if (options.percentage && options.slots) {
        throw Failure(ExitCode::kUsage, "give either --percentage or --slots, not both");
    }
    if (options.slots) {
        return static_cast<std::uint32_t>(*options.slots);  // its range is checked when it is read
    }
    if (!options.percentage) {
        return std::nullopt;
    }
    const std::uint32_t count = sync::slots_of_percentage(*options.percentage);
    if (count == 0) {
        throw Failure(ExitCode::kUsage, "--percentage " + json_number(*options.percentage) +
                                            " is less than a slot: 0.01 is the least");
    }
    return count;
}

void report(const Terminal& terminal, const Options& options, const std::string& done,
            const LayerWritten& written) {
    std::uint32_t owned = 0;
    for (const SlotRange& range : written.slots) {
        owned += range.last - range.first + 1U;
    }
    if (terminal.is_json()) {
        JsonWriter json;
        json.begin_object().member("layer", options.name).member("flag", options.flag);
        json.member("action", done).member("is_dry_run", options.is_dry);
        json.member("revision", written.revision);
        json.member("is_changed", written.is_changed);
        json.member("slot_count", std::uint64_t{owned});
        write_slots(json, written.slots);
        json.key("warnings").begin_array();
        for (const FlagProblem& problem : written.warnings) {
            json.value(problem.field + ": " + problem.message);
        }
        terminal.print_line(json.end_array().end_object().take());
    } else if (terminal.is_name()) {
        terminal.print_line(printable(options.flag));
    } else {
        terminal.print_line(
            (options.is_dry ? "would be " : "") + done + ": " + printable(options.flag) +
            (options.is_dry ? " would own " : " owns ") + percent_of_layer(owned) + " of " +
            printable(options.name) +
            (written.slots.empty() ? "" : ", slots " + slots_text(written.slots)) +
            (options.is_dry ? "" : " (revision " + std::to_string(written.revision) + ")"));
    }
    for (const FlagProblem& problem : written.warnings) {
        terminal.advise("warning: " +
                        printable(problem.flag + ": " + problem.field + " " + problem.message));
    }
    advise_if_dry(options, terminal);
}

ExitCode assign_slots(const Options& options, Terminal& terminal) {
    const std::optional<std::uint32_t> count = slot_count(options);
    if (!count) {
        throw Failure(ExitCode::kUsage, "how many? give --percentage or --slots");
    }
    sync::PgSession session(database_options(terminal));
    const LayerWritten written = take_layer(
        session,
        LayerStore(session, options.mode()).assign(options.name, options.flag, *count, options.why),
        options);
    report(terminal, options, "assigned", written);
    return ExitCode::kOk;
}

ExitCode release_slots(const Options& options, Terminal& terminal) {
    const std::optional<std::uint32_t> count = slot_count(options);
    sync::PgSession session(database_options(terminal));
    const LayerWritten written = take_layer(
        session,
        LayerStore(session, options.mode()).release(options.name, options.flag, count, options.why),
        options);
    report(terminal, options, "released", written);
    return ExitCode::kOk;
}

Argument dry_run_argument(Options& options) {
    return {"--dry-run", &options.is_dry, "shows what would change, and changes nothing"};
}

std::vector<Argument> slot_arguments(Options& options) {
    return {{"NAME", &options.name, "the layer's name", true},
            {"--flag", &options.flag, "whose slots", true},
            {"--percentage",
             &options.percentage,
             "share of the layer, in steps of 0.01",
             false,
             {},
             NumberRange{0, 100}},
            {"--slots",
             &options.slots,
             "the same in slots, of 10000",
             false,
             {},
             NumberRange{1, kLayerSlotCount}},
            {"--why", &options.why, "the reason, kept in the history"},
            dry_run_argument(options)};
}

}  // namespace

std::vector<Command> layer_commands() {
    const auto options = std::make_shared<Options>();
    const auto run = [options](auto function) {
        return [options, function](Terminal& terminal) { return function(*options, terminal); };
    };
    const Argument name{"NAME", &options->name, "the layer's name", true};
    return {
        {"layer",
         "list",
         "Lists all layers and how much of each is free",
         {"burgee layer list", "burgee layer list -o json"},
         {},
         run(list_layers)},
        {"layer",
         "show",
         "Shows one layer and which flag owns which slots",
         {"burgee layer show checkout", "burgee layer show checkout -o json"},
         {name},
         run(show_layer)},
        {"layer",
         "create",
         "Creates a layer of 10000 free slots",
         {"burgee layer create checkout",
          "burgee layer create checkout --description 'all tests of the cart'"},
         {name,
          {"--description", &options->description, "one line for people"},
          dry_run_argument(*options)},
         run(create_layer)},
        {"layer",
         "assign",
         "Gives a flag free slots, beside those it owns already",
         {"burgee layer assign checkout --flag new_cart --percentage 25 --why 'first half'",
          "burgee layer assign checkout --flag new_cart --slots 100"},
         slot_arguments(*options),
         run(assign_slots)},
        {"layer",
         "release",
         "Takes slots from a flag: its last ones, or all",
         {"burgee layer release checkout --flag new_cart --why 'test is over'",
          "burgee layer release checkout --flag new_cart --percentage 5"},
         slot_arguments(*options),
         run(release_slots)},
        {"layer",
         "delete",
         "Deletes a layer whose slots are all free",
         {"burgee layer delete checkout", "burgee layer delete checkout -o json"},
         {name, dry_run_argument(*options)},
         run(delete_layer)},
    };
}

}  // namespace burgee::cli
