#include "cli/apply_view.hpp"

#include <algorithm>

#include "cli/record_view.hpp"
#include "cli/table.hpp"
#include "shm/json_text.hpp"

namespace burgee::cli {
namespace {

using sync::EntryAction;
using sync::EntryChange;
using sync::EntryFields;
using sync::FlagsApplied;

std::string value_of(const EntryFields& fields, const std::string& name) {
    const auto found = std::find_if(fields.begin(), fields.end(),
                                    [&](const auto& field) { return field.first == name; });
    return found == fields.end() ? "" : found->second;
}

/// Fields that differ: those of `before` in their order, then those that are new.
std::vector<Difference> field_changes(const EntryChange& change) {
    std::vector<Difference> all;
    for (const auto& [name, value] : change.before) {
        all.push_back({name, value, value_of(change.after, name)});
    }
    for (const auto& [name, value] : change.after) {
        if (value_of(change.before, name).empty()) {
            all.push_back({name, "", value});
        }
    }
    std::erase_if(all, [](const Difference& each) { return each.before == each.after; });
    return all;
}

std::string verb(EntryAction action, bool is_dry_run) {
    if (!is_dry_run) {
        return std::string(to_string(action));
    }
    return action == EntryAction::kCreated   ? "would create"
           : action == EntryAction::kDeleted ? "would delete"
                                             : "would change";
}

bool is_change(const EntryChange& change) {
    return change.action != EntryAction::kUnchanged && change.action != EntryAction::kKept;
}

std::string entry_text(const EntryChange& change, const char* kind, bool is_dry_run) {
    std::string text = verb(change.action, is_dry_run) + " " + kind + " " + printable(change.name);
    text += "\n";
    if (change.action == EntryAction::kDeleted) {
        return text;  // the history keeps what it was
    }
    const std::vector<Difference> fields = field_changes(change);
    std::size_t width = 0;
    for (const Difference& field : fields) {
        width = std::max(width, display_width(printable(field.name)));
    }
    for (const Difference& field : fields) {
        std::string name = printable(field.name);
        name.append(width - display_width(name) + 2, ' ');
        text += field.before.empty() ? "" : "  - " + name + printable(field.before) + "\n";
        text += field.after.empty() ? "" : "  + " + name + printable(field.after) + "\n";
    }
    return text;
}

std::size_t count(const std::vector<EntryChange>& changes, EntryAction action) {
    return static_cast<std::size_t>(
        std::count_if(changes.begin(), changes.end(),
                      [&](const EntryChange& change) { return change.action == action; }));
}

/// "12 flags, 1 segment", or nothing.
std::string counted(const FlagsApplied& applied, EntryAction action) {
    std::string text;
    const auto add = [&](std::size_t number, const char* kind) {
        if (number > 0) {
            text += (text.empty() ? "" : ", ") + std::to_string(number) + " " + kind +
                    (number == 1 ? "" : "s");
        }
    };
    add(count(applied.flags, action), "flag");
    add(count(applied.segments, action), "segment");
    add(count(applied.layers, action), "layer");
    return text;
}

void write_entries(JsonWriter& json, const char* key, const std::vector<EntryChange>& changes) {
    json.key(key).begin_array();
    for (const EntryChange& change : changes) {
        json.begin_object().member("name", change.name);
        json.member("action", to_string(change.action)).key("changes").begin_array();
        for (const Difference& field : field_changes(change)) {
            json.begin_object().member("field", field.name).member("before", field.before);
            json.member("after", field.after).end_object();
        }
        json.end_array().end_object();
    }
    json.end_array();
}

}  // namespace

std::string applied_text(const FlagsApplied& applied, bool is_dry_run) {
    std::string text;
    const auto add = [&](const std::vector<EntryChange>& changes, const char* kind) {
        for (const EntryChange& change : changes) {
            text += is_change(change) ? entry_text(change, kind, is_dry_run) : "";
        }
    };
    add(applied.flags, "flag");
    add(applied.segments, "segment");
    add(applied.layers, "layer");
    for (const auto& [flag, experiment] : applied.experiments_removed) {
        text += std::string(is_dry_run ? "would delete" : "deleted") + " experiment " +
                printable(experiment) + " of flag " + printable(flag) + "\n";
    }
    const std::string unchanged = counted(applied, EntryAction::kUnchanged);
    const std::string kept = counted(applied, EntryAction::kKept);
    text += unchanged.empty() ? "" : "unchanged: " + unchanged + "\n";
    text += kept.empty() ? "" : "not in the file and left alone: " + kept + "\n";
    if (!applied.is_changed) {
        text += "the database is as the file says\n";
    } else if (!is_dry_run) {
        text += "applied (revision " + std::to_string(applied.revision) + ")\n";
    }
    return text;
}

std::string applied_json(const FlagsApplied& applied, bool is_dry_run) {
    JsonWriter json;
    json.begin_object().member("is_dry_run", is_dry_run).member("is_changed", applied.is_changed);
    json.member("revision", applied.revision);
    write_entries(json, "flags", applied.flags);
    write_entries(json, "segments", applied.segments);
    write_entries(json, "layers", applied.layers);
    json.key("experiments_removed").begin_array();
    for (const auto& [flag, experiment] : applied.experiments_removed) {
        json.begin_object().member("flag", flag).member("experiment", experiment).end_object();
    }
    json.end_array().key("warnings").begin_array();
    for (const FlagProblem& problem : applied.warnings) {
        json.value(problem.flag + ": " + problem.field + ": " + problem.message);
    }
    return json.end_array().end_object().take();
}

}  // namespace burgee::cli
