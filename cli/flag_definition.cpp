// Turns words into the JSON columns of a flag, and refuses what is wrong by itself. Whether the
// parts make a flag is checked by sync when the row is stored: one judge, the same for every way
// in.

#include "cli/flag_definition.hpp"

#include <charconv>
#include <cmath>
#include <string_view>

#include "cli/json_parts.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "shm/json_text.hpp"
#include "sync/flag_text.hpp"
#include "sync/json_check.hpp"

namespace burgee::cli {
namespace {

/// An empty text is no unit: alone it makes the list empty.
std::string json_list(const std::vector<std::string>& texts) {
    JsonWriter json(JsonWriter::Style::kCompact);
    json.begin_array();
    for (const std::string& text : texts) {
        if (!text.empty()) {
            json.value(text);
        }
    }
    return json.end_array().take();
}

/// `segments` with what --include, --exclude and --salt say.
std::string with_lists(std::string segments, const FlagOptions& options) {
    if (!options.include.empty()) {
        segments = json_with(segments, "include", json_list(options.include));
    }
    if (!options.exclude.empty()) {
        segments = json_with(segments, "exclude", json_list(options.exclude));
    }
    if (options.salt) {
        segments = json_with(segments, "salt", json_quoted(*options.salt));
    }
    return segments;
}

/// The JSON that an option gave, itself or in a file. Throws Failure kUsage unless PostgreSQL can
/// store it in the option's column.
std::string given_json(const char* option, const std::string& given, sync::JsonShape shape) {
    std::string json = text_or_file(given);
    if (const auto complaint = sync::json_complaint(json, shape)) {
        throw Failure(ExitCode::kUsage, std::string(option) +
                                            (json == given ? " " : " " + printable(given) + " ") +
                                            *complaint);
    }
    return json;
}

std::optional<std::string> chosen_variants(const FlagOptions& options) {
    if (options.variants && !options.variant.empty()) {
        throw Failure(ExitCode::kUsage, "give either --variants or --variant, not both");
    }
    if (options.variants) {
        return given_json("--variants", *options.variants, sync::JsonShape::kArray);
    }
    if (!options.variant.empty()) {
        return variants_json(options.variant);
    }
    return std::nullopt;
}

std::optional<std::string> optional_object(const char* option,
                                           const std::optional<std::string>& given) {
    return given ? std::optional(given_json(option, *given, sync::JsonShape::kObject))
                 : std::nullopt;
}

void append_variant(JsonWriter& json, const std::string& text) {
    const Failure refusal(ExitCode::kUsage, "--variant " + printable(text) +
                                                " is not NAME=WEIGHT[:JSON], for example "
                                                "treatment=50:{\"model\":\"gpt-4\"}");
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
        throw refusal;
    }
    const std::size_t colon = text.find(':', equals);
    const char* weight_begin = text.data() + equals + 1;
    const char* weight_end = text.data() + (colon == std::string::npos ? text.size() : colon);
    double weight = 0;
    const auto [end, error] = std::from_chars(weight_begin, weight_end, weight);
    if (error != std::errc{} || end != weight_end) {
        throw refusal;
    }
    if (!(weight >= 0 && weight <= 100)) {  // NaN fails both comparisons
        throw Failure(ExitCode::kUsage,
                      "--variant " + printable(text) + ": the weight is " +
                          (std::isfinite(weight) ? "out of range" : "not a number") +
                          ": give the percentage of units, 0 to 100");
    }
    const std::string config = colon == std::string::npos ? "{}" : text.substr(colon + 1);
    if (const auto complaint = sync::json_complaint(config, sync::JsonShape::kObject)) {
        throw Failure(ExitCode::kUsage, "--variant " + printable(text.substr(0, equals)) +
                                            ": the configuration " + *complaint);
    }
    json.begin_object().key("name").value(text.substr(0, equals)).key("weight").value(weight);
    json.key("config_overrides").raw(config).key("metadata").raw("{}").end_object();
}

}  // namespace

const std::vector<std::string>& status_names() {
    static const std::vector<std::string> names{"disabled", "enabled", "gradual_rollout", "ab_test",
                                                "canary"};
    return names;
}

std::vector<Argument> flag_arguments(FlagOptions& options) {
    return {
        {"NAME", &options.name, "the flag's name", true},
        {"--status", &options.status, "what it does", false, status_names()},
        {"--rollout",
         &options.rollout,
         "percent of units that take part, 0 to 100",
         false,
         {},
         NumberRange{0, 100}},
        {"--variant", &options.variant, "NAME=WEIGHT[:JSON], once for each variant"},
        {"--variants", &options.variants, "all variants as a JSON array, or @FILE"},
        {"--include", &options.include,
         "a unit that always takes part; repeat for more, '' for none"},
        {"--exclude", &options.exclude,
         "a unit that never takes part; repeat for more, '' for none"},
        {"--salt", &options.salt, "buckets depend on it (default: the flag's name)"},
        {"--segments", &options.segments, "who takes part, as a JSON object, or @FILE"},
        {"--description", &options.description, "one line for people"},
        {"--metadata", &options.metadata, "a JSON object for tools, or @FILE"},
        {"--expires", &options.expires, "a time such as 2027-01-31T12:00:00Z, or never"},
        {"--why", &options.why, "the reason, kept in the history"},
    };
}

sync::FlagRow new_flag(const FlagOptions& options) {
    if (const auto complaint = sync::name_complaint(options.name, kFlagNameSizeMax)) {
        throw Failure(ExitCode::kUsage, "the flag's name " + *complaint);
    }
    sync::FlagRow row;
    row.name = options.name;
    row.description = options.description;
    row.status = options.status.value_or("disabled");
    // A new ab_test without a number is meant for everybody; everything else starts at nobody.
    row.rollout_percentage = options.rollout.value_or(row.status == "ab_test" ? 100 : 0);
    row.segments_json =
        with_lists(optional_object("--segments", options.segments).value_or("{}"), options);
    if (!json_member(row.segments_json, "bucketing")) {
        row.segments_json = json_with(row.segments_json, "bucketing", "\"xxh3\"");
    }
    row.variants_json = chosen_variants(options).value_or("[]");
    row.metadata_json = optional_object("--metadata", options.metadata).value_or("{}");
    if (options.expires && *options.expires != "never" && !options.expires->empty()) {
        row.expires_at = options.expires;
    }
    return row;
}

sync::FlagEdit edit_of(const FlagOptions& options, const sync::FlagRow& present) {
    sync::FlagEdit edit;
    edit.description = options.description;
    edit.status = options.status;
    edit.rollout_percentage = options.rollout;
    edit.metadata_json = optional_object("--metadata", options.metadata);
    edit.expires_at = options.expires;
    edit.variants_json = chosen_variants(options);
    const bool has_lists = !options.include.empty() || !options.exclude.empty() || options.salt;
    if (options.segments || has_lists) {
        edit.segments_json = with_lists(
            optional_object("--segments", options.segments).value_or(present.segments_json),
            options);
    }
    const bool is_empty = !edit.description && !edit.status && !edit.rollout_percentage &&
                          !edit.metadata_json && !edit.expires_at && !edit.variants_json &&
                          !edit.segments_json;
    if (is_empty) {
        throw Failure(ExitCode::kUsage,
                      "nothing to change: give --status, --rollout or another option of "
                      "burgee flag set --help");
    }
    return edit;
}

std::vector<std::string> idle_options(const FlagOptions& options, const std::string& status) {
    std::vector<std::string> sentences;
    if (options.rollout && status == "enabled") {
        sentences.push_back("--rollout " + json_number(*options.rollout) +
                            " means nothing while the status is enabled, which is everybody: give "
                            "--status gradual_rollout for a share");
    }
    const bool has_variants = options.variants || !options.variant.empty();
    // A disabled flag may be prepared for the day on which it is switched on.
    if (has_variants && status != "ab_test" && status != "disabled") {
        sentences.push_back("variants mean nothing while the status is " + status +
                            ": give --status ab_test to serve them");
    }
    return sentences;
}

std::string variants_json(const std::vector<std::string>& variants) {
    JsonWriter json(JsonWriter::Style::kCompact);
    json.begin_array();
    for (const std::string& variant : variants) {
        append_variant(json, variant);
    }
    return json.end_array().take();
}

}  // namespace burgee::cli
