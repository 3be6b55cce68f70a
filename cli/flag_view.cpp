#include "cli/flag_view.hpp"

#include "cli/instant.hpp"
#include "cli/json_parts.hpp"

namespace burgee::cli {
namespace {

using sync::FlagRow;
using sync::FlagWritten;

/// "control:50 treatment:50", or "" for a row whose variants nobody can read.
std::string variants_summary(const std::string& variants) {
    std::string summary;
    for (const std::string& variant :
         json_elements(variants).value_or(std::vector<std::string>{})) {
        const std::string name = json_plain(json_member(variant, "name").value_or("?"));
        const std::string weight = json_member(variant, "weight").value_or("?");
        summary += (summary.empty() ? "" : " ") + name + ":" + weight;
    }
    return summary;
}

std::string percent(double value) {
    return json_number(value) + "%";
}

/// The share of units that the status lets in: an enabled flag is on for all of them.
std::string rollout_summary(const FlagRow& row) {
    return row.status == "enabled" ? "100%" : percent(row.rollout_percentage);
}

std::string rollout_field(const FlagRow& row) {
    if (row.status == "enabled" && row.rollout_percentage != 100) {
        return "100% (enabled; " + percent(row.rollout_percentage) +
               " is stored for gradual_rollout, canary or ab_test)";
    }
    return percent(row.rollout_percentage);
}

std::string age_of(const FlagRow& row) {
    return row.changed_seconds_ago ? age_text(*row.changed_seconds_ago) : "";
}

/// What people set, as it is stored.
std::vector<Field> stored_fields(const FlagRow& row) {
    return {{"description", row.description.value_or("")},
            {"status", row.status},
            {"rollout", percent(row.rollout_percentage)},
            {"segments", row.segments_json},
            {"variants", row.variants_json},
            {"metadata", row.metadata_json},
            {"expires", row.expires_at.value_or("never")}};
}

}  // namespace

std::string check_word(const FlagRow& row) {
    if (row.is_refused) {
        return "refused";
    }
    if (row.is_expired) {
        return "expired";
    }
    return row.has_warnings ? "warning" : "ok";
}

ListView<FlagRow> flag_list_view() {
    ListView<FlagRow> view;
    view.columns = {{"NAME"},
                    {"STATUS"},
                    {"ROLLOUT", Column::Align::kRight},
                    {"VARIANTS"},
                    {"CHANGED", Column::Align::kRight},
                    {"CHECK"}};
    view.wide_columns = {{"EXPIRES"}, {"REVISION", Column::Align::kRight}, {"DESCRIPTION"}};
    view.name = [](const FlagRow& row) { return row.name; };
    view.cells = [](const FlagRow& row) {
        return std::vector<std::string>{row.name,
                                        row.status,
                                        rollout_summary(row),
                                        variants_summary(row.variants_json),
                                        age_of(row),
                                        check_word(row),
                                        row.expires_at.value_or(""),
                                        std::to_string(row.revision),
                                        row.description.value_or("")};
    };
    view.write = write_flag;
    return view;
}

std::vector<Field> flag_fields(const FlagRow& row) {
    std::vector<Field> fields = stored_fields(row);
    fields.insert(fields.begin(), {"name", row.name});
    for (Field& field : fields) {
        if (field.name == "rollout") {
            field.value = rollout_field(row);
        } else if (field.name == "expires" && row.is_expired) {
            field.value += " (has passed: off)";
        }
    }
    fields.push_back({"created", row.created_at});
    fields.push_back(
        {"changed", row.updated_at +
                        (row.changed_seconds_ago ? " (" + age_of(row) + " ago)" : std::string())});
    fields.push_back({"revision", std::to_string(row.revision)});
    fields.push_back({"check", check_word(row)});
    return fields;
}

void write_flag(JsonWriter& json, const FlagRow& row) {
    json.begin_object().member("name", row.name).member("description", row.description);
    json.member("status", row.status).member("rollout_percentage", row.rollout_percentage);
    json.key("segments").raw(row.segments_json);
    json.key("variants").raw(row.variants_json);
    json.key("metadata").raw(row.metadata_json);
    json.member("expires_at", row.expires_at);
    json.member("created_at", row.created_at).member("updated_at", row.updated_at);
    json.member("revision", row.revision).member("is_refused", row.is_refused);
    json.member("is_expired", row.is_expired).end_object();
}

void write_consequences(JsonWriter& json, const FlagWritten& written) {
    json.key("experiments_removed").begin_array();
    for (const std::string& experiment : written.experiments_removed) {
        json.value(experiment);
    }
    json.end_array().key("warnings").begin_array();
    for (const FlagProblem& problem : written.warnings) {
        json.value(problem.field + ": " + problem.message);
    }
    json.end_array();
}

void print_dry_run(const Terminal& terminal, const std::string& name, const FlagWritten& written) {
    using Fields = std::vector<Field>;
    const Fields before = written.before ? stored_fields(*written.before) : Fields{};
    const Fields after = written.after ? stored_fields(*written.after) : Fields{};
    const std::vector<Difference> changes = differences(before, after);
    if (terminal.is_json()) {
        JsonWriter json;
        json.begin_object().member("flag", name).member("is_dry_run", true);
        json.member("is_changed", !changes.empty()).key("changes").begin_array();
        for (const Difference& each : changes) {
            json.begin_object().member("field", each.name).member("before", each.before);
            json.member("after", each.after).end_object();
        }
        json.end_array();
        write_consequences(json, written);
        terminal.print_line(json.end_object().take());
        return;
    }
    if (terminal.is_name()) {
        terminal.print_line(printable(name));
        return;
    }
    const char* what = changes.empty()  ? " would stay as it is"
                       : before.empty() ? " would be created"
                       : after.empty()  ? " would be deleted"
                                        : " would change";
    terminal.print_line(printable(name) + what);
    print_differences(terminal, before, after);
    for (const std::string& experiment : written.experiments_removed) {
        terminal.print_line("- experiment   " + printable(experiment));
    }
}

}  // namespace burgee::cli
