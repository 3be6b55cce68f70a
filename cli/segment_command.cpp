// burgee segment list|show|put|delete: named audiences, which flags and other segments ask for.

#include <memory>

#include "cli/command.hpp"
#include "cli/database.hpp"
#include "cli/json_parts.hpp"
#include "cli/publishability.hpp"
#include "cli/record_view.hpp"
#include "shm/suggestion.hpp"
#include "sync/json_check.hpp"
#include "sync/segment_store.hpp"

namespace burgee::cli {
namespace {

using sync::SegmentRow;
using sync::SegmentStore;
using sync::SegmentUsers;
using sync::SegmentWritten;

struct Options {
    std::string name;
    std::optional<std::string> constraints;  ///< JSON or @FILE
    std::optional<std::string> description;
    std::string why;
    bool is_forced = false;
    bool is_dry = false;
};

/// As take(), but "not found" suggests another segment.
template <class Value>
Value take_segment(sync::PgSession& session, sync::SyncResult<Value> result,
                   const std::string& name) {
    if (result.has_error() && result.error().kind == sync::SyncErrorKind::kNotFound) {
        std::vector<std::string> names;
        if (const auto rows = SegmentStore(session).list(); rows.has_value()) {
            for (const SegmentRow& row : *rows) {
                names.push_back(row.name);
            }
        }
        throw Failure(ExitCode::kNotFound, result.error().message + did_you_mean(name, names));
    }
    return take(std::move(result));
}

std::string listed(const std::vector<std::string>& names) {
    std::string all;
    for (const std::string& name : names) {
        all += (all.empty() ? "" : ", ") + name;
    }
    return all;
}

std::string constraint_count(const SegmentRow& row) {
    const auto constraints = json_elements(row.constraints_json);
    return constraints ? std::to_string(constraints->size()) : "?";
}

void write_row(JsonWriter& json, const SegmentRow& row) {
    json.member("name", row.name).member("description", row.description);
    json.key("constraints").raw(row.constraints_json);
    json.member("updated_at", row.updated_at).member("revision", row.revision);
}

void write_names(JsonWriter& json, const char* key, const std::vector<std::string>& names) {
    json.key(key).begin_array();
    for (const std::string& name : names) {
        json.value(name);
    }
    json.end_array();
}

ExitCode list_segments(const Options& /*options*/, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    const std::vector<SegmentRow> rows = take(SegmentStore(session).list());
    ListView<SegmentRow> view;
    view.columns = {{"NAME"},
                    {"CONSTRAINTS", Column::Align::kRight},
                    {"REVISION", Column::Align::kRight},
                    {"DESCRIPTION"}};
    view.wide_columns = {{"CHANGED"}, {"ALL MUST HOLD"}};
    view.name = [](const SegmentRow& row) { return row.name; };
    view.cells = [](const SegmentRow& row) {
        return std::vector<std::string>{row.name,
                                        constraint_count(row),
                                        std::to_string(row.revision),
                                        row.description.value_or(""),
                                        row.updated_at,
                                        row.constraints_json};
    };
    view.write = [](JsonWriter& json, const SegmentRow& row) {
        json.begin_object();
        write_row(json, row);
        json.end_object();
    };
    print_list(terminal, rows, view);
    if (rows.empty()) {
        terminal.advise("no segments yet; next: burgee segment put NAME --constraints JSON");
    }
    return ExitCode::kOk;
}

ExitCode show_segment(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    SegmentStore store(session);
    const SegmentRow row = take_segment(session, store.get(options.name), options.name);
    const SegmentUsers users = take(store.users(options.name));
    print_record(terminal, row.name,
                 {{"name", row.name},
                  {"description", row.description.value_or("")},
                  {"constraints", row.constraints_json},
                  {"flags", listed(users.flags)},
                  {"segments", listed(users.segments)},
                  {"changed", row.updated_at},
                  {"revision", std::to_string(row.revision)}},
                 [&](JsonWriter& json) {
                     json.begin_object();
                     write_row(json, row);
                     write_names(json, "used_by_flags", users.flags);
                     write_names(json, "used_by_segments", users.segments);
                     json.end_object();
                 });
    return ExitCode::kOk;
}

/// The present row; nothing when there is none.
std::optional<SegmentRow> find_segment(sync::PgSession& session, const std::string& name) {
    auto result = SegmentStore(session).get(name);
    if (result.has_error() && result.error().kind == sync::SyncErrorKind::kNotFound) {
        return std::nullopt;
    }
    return take(std::move(result));
}

/// The row that the options ask for; what is not given stays.
SegmentRow wanted_row(const Options& options, const std::optional<SegmentRow>& present) {
    SegmentRow row;
    row.name = options.name;
    row.description = options.description;
    if (options.constraints) {
        row.constraints_json = text_or_file(*options.constraints);
        const auto complaint = sync::json_complaint(row.constraints_json, sync::JsonShape::kArray);
        if (complaint) {
            throw Failure(ExitCode::kUsage, "--constraints " + *complaint);
        }
    } else if (present && options.description) {
        row.constraints_json = present->constraints_json;
    } else {
        throw Failure(ExitCode::kUsage,
                      present ? "nothing to change: give --constraints or --description"
                              : "a new segment needs --constraints: give a JSON array or @FILE");
    }
    return row;
}

std::vector<Field> stored_fields(const SegmentRow& row) {
    return {{"description", row.description.value_or("")}, {"constraints", row.constraints_json}};
}

void report(const Terminal& terminal, const Options& options, const std::string& done,
            const SegmentWritten& written) {
    if (terminal.is_json()) {
        JsonWriter json;
        json.begin_object().member("segment", options.name).member("action", done);
        json.member("revision", written.revision).member("is_changed", written.is_changed);
        json.key("warnings").begin_array();
        for (const FlagProblem& problem : written.warnings) {
            json.value(problem.field + ": " + problem.message);
        }
        terminal.print_line(json.end_array().end_object().take());
    } else if (terminal.is_name()) {
        terminal.print_line(printable(options.name));
    } else {
        terminal.print_line((written.is_changed ? done : "unchanged, it was like that already:") +
                            " " + printable(options.name) + " (revision " +
                            std::to_string(written.revision) + ")");
    }
    for (const FlagProblem& problem : written.warnings) {
        terminal.advise("warning: " +
                        printable(problem.flag + ": " + problem.field + " " + problem.message));
    }
}

ExitCode report_dry_run(const Terminal& terminal, const Options& options,
                        const std::vector<Field>& before, const std::vector<Field>& after) {
    const std::vector<Difference> changes = differences(before, after);
    if (terminal.is_json()) {
        JsonWriter json;
        json.begin_object().member("segment", options.name).member("is_dry_run", true);
        json.member("is_changed", !changes.empty()).key("changes").begin_array();
        for (const Difference& each : changes) {
            json.begin_object().member("field", each.name).member("before", each.before);
            json.member("after", each.after).end_object();
        }
        terminal.print_line(json.end_array().end_object().take());
    } else if (terminal.is_name()) {
        terminal.print_line(printable(options.name));
    } else {
        const char* what = changes.empty()  ? " would stay as it is"
                           : before.empty() ? " would be created"
                           : after.empty()  ? " would be deleted"
                                            : " would change";
        terminal.print_line(printable(options.name) + what);
        print_differences(terminal, before, after);
    }
    terminal.advise("nothing was changed; the same without --dry-run does it");
    return ExitCode::kOk;
}

ExitCode put_segment(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    const std::optional<SegmentRow> present = find_segment(session, options.name);
    const SegmentRow row = wanted_row(options, present);
    require_publishable(session, row);
    if (options.is_dry) {
        SegmentRow after = row;
        if (present && !after.description) {
            after.description = present->description;
        }
        return report_dry_run(terminal, options,
                              present ? stored_fields(*present) : std::vector<Field>{},
                              stored_fields(after));
    }
    const SegmentWritten written = take(SegmentStore(session).put(row, options.why));
    report(terminal, options, present ? "changed" : "created", written);
    if (!present) {
        terminal.advise("next: name it in a flag: {\"segment\": \"" + printable(options.name) +
                        "\"}");
    }
    return ExitCode::kOk;
}

ExitCode delete_segment(const Options& options, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    SegmentStore store(session);
    const SegmentUsers users = take(store.users(options.name));
    if (options.is_dry) {
        const SegmentRow row = take_segment(session, store.get(options.name), options.name);
        if (!users.empty() && !options.is_forced) {
            throw Failure(ExitCode::kFailed,
                          "segment \"" + printable(options.name) + "\" is used by " +
                              printable(listed(users.flags) + (users.flags.empty() ? "" : " ") +
                                        listed(users.segments)) +
                              ": change them first, or give --force");
        }
        return report_dry_run(terminal, options, stored_fields(row), {});
    }
    const auto removal =
        options.is_forced ? sync::SegmentRemoval::kForced : sync::SegmentRemoval::kUnlessUsed;
    auto result = store.remove(options.name, removal, options.why);
    if (result.has_error() && result.error().kind == sync::SyncErrorKind::kInvalid) {
        throw Failure(ExitCode::kFailed, result.error().message + ", or give --force");
    }
    report(terminal, options, "deleted", take_segment(session, std::move(result), options.name));
    if (!users.empty()) {
        terminal.advise("warning: still named by " +
                        printable(listed(users.flags) + (users.flags.empty() ? "" : " ") +
                                  listed(users.segments)) +
                        "; hosts keep its last form; next: burgee flag problems");
    }
    return ExitCode::kOk;
}

}  // namespace

std::vector<Command> segment_commands() {
    const auto options = std::make_shared<Options>();
    const auto run = [options](auto function) {
        return [options, function](Terminal& terminal) { return function(*options, terminal); };
    };
    const Argument name{"NAME", &options->name, "the segment's name", true};
    const Argument why{"--why", &options->why, "the reason, kept in the history"};
    const Argument dry_run{"--dry-run", &options->is_dry,
                           "shows what would change, and changes nothing"};
    return {
        {"segment",
         "list",
         "Lists all segments",
         {"burgee segment list", "burgee segment list -o wide"},
         {},
         run(list_segments)},
        {"segment",
         "show",
         "Shows one segment, and which flags and segments name it",
         {"burgee segment show beta", "burgee segment show beta -o json"},
         {name},
         run(show_segment)},
        {"segment",
         "put",
         "Creates a segment, or changes what is given and leaves the rest",
         {"burgee segment put beta --constraints @beta.json --why 'second wave'",
          "burgee segment put staff --constraints '[{\"attribute\": \"email\", \"operator\": "
          "\"STR_ENDS_WITH\", \"values\": [\"@example.org\"]}]'"},
         {name,
          {"--constraints", &options->constraints, "a JSON array that must hold whole, or @FILE"},
          {"--description", &options->description, "one line for people"},
          why,
          dry_run},
         run(put_segment)},
        {"segment",
         "delete",
         "Deletes a segment that nothing names any more",
         {"burgee segment delete beta --why 'everybody has it'",
          "burgee segment delete beta --dry-run"},
         {name,
          {"--force", &options->is_forced,
           "also while flags or segments name it: hosts keep its last form for them"},
          why,
          dry_run},
         run(delete_segment)},
    };
}

}  // namespace burgee::cli
