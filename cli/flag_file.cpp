#include "cli/flag_file.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include <burgee/date_time.hpp>

#include "cli/exit_code.hpp"
#include "cli/json_parts.hpp"
#include "cli/table.hpp"
#include "shm/suggestion.hpp"
#include "sync/flag_check.hpp"
#include "sync/flag_text.hpp"
#include "sync/json_check.hpp"
#include "sync/segment_rows.hpp"

namespace burgee::cli {
namespace {

constexpr std::size_t kFileSizeMax = 256U << 20U;  // all flags of a large house; chosen by feel

/// What `flag show -o json` prints; what the database itself sets is not looked at.
const std::vector<std::string> kFlagKeys{
    "name",     "description", "status",     "segments",   "rollout_percentage",
    "variants", "metadata",    "expires_at", "created_at", "updated_at",
    "revision", "is_refused",  "is_expired"};

std::string read_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text;
    std::array<char, 65'536> part;  // bytes a read; chosen by feel
    while (file && text.size() <= kFileSizeMax) {
        file.read(part.data(), part.size());
        text.append(part.data(), static_cast<std::size_t>(file.gcount()));
    }
    if (!file.is_open() || file.bad()) {
        throw Failure(ExitCode::kNotFound, printable(path) + " cannot be read");
    }
    if (text.size() > kFileSizeMax) {
        throw Failure(ExitCode::kUsage, printable(path) + " has more than 256 MiB: split it");
    }
    return text;
}

/// A member as sync's check takes a column: nothing for null, a string's text, else JSON.
std::optional<std::string> column(const std::string& object, const char* key) {
    const auto value = json_member(object, key);
    return !value || *value == "null" ? std::nullopt : std::optional(json_plain(*value));
}

/// JSON as it stands, or `otherwise`.
std::string json_column(const std::string& object, const char* key, const char* otherwise) {
    const auto value = json_member(object, key);
    return !value || *value == "null" ? otherwise : *value;
}

class FlagFile {
public:
    explicit FlagFile(std::int64_t now_unix_ms) {
        changes_.is_full = true;
        changes_.database_unix_ms = now_unix_ms;
    }

    void take_flag(const std::string& json) {
        sync::RawFlag row;
        row.name = column(json, "name");
        row.status = column(json, "status");
        row.rollout_percentage = column(json, "rollout_percentage").value_or("0");
        row.segments = json_column(json, "segments", "{}");
        row.variants = json_column(json, "variants", "[]");
        row.metadata = json_column(json, "metadata", "{}");
        row.revision = 1;
        const std::string shown = sync::shown_name(row.name.value_or(""));
        bool is_refused = !take_expiry(json, shown, row);
        remark_on_keys(json, shown);
        if (row.name && !names_.insert(*row.name).second) {
            refuse(shown, "name", "stands in the file twice: remove one of them");
            is_refused = true;
        }
        sync::FlagVerdict verdict = sync::check_flag(row, {});
        for (FlagProblem& problem : verdict.problems) {
            // Whose slots are whose stands in the database alone.
            if (problem.is_refused || problem.field != "segments.layer") {
                changes_.problems.push_back(std::move(problem));
            }
        }
        if (verdict.flag && !is_refused) {
            changes_.changed.push_back(*std::move(verdict.flag));
        } else {
            changes_.refused.push_back(row.name.value_or(""));
        }
    }

    void take_segment(const std::string& json) {
        sync::RawSegment row{column(json, "name"), json_member(json, "constraints"), 1};
        sync::check_segments({row}, changes_);
    }

    /// Lets every segment that a flag names be there.
    void assume_segments() {
        std::set<std::string> named;
        for (const FlagDefinition& flag : changes_.changed) {
            collect(flag.audience, named);
            for (const Rule& rule : flag.rules) {
                collect(rule.constraints, named);
            }
        }
        for (const std::string& name : named) {
            changes_.segments.push_back({name, 1, {}});
            changes_.problems.push_back(
                {sync::shown_segment(name), "name", "is not in the file: not looked at", false});
        }
    }

    FlagChanges take() { return std::move(changes_); }

private:
    bool take_expiry(const std::string& json, const std::string& shown, sync::RawFlag& row) {
        const auto text = column(json, "expires_at");
        std::int64_t unix_ms = 0;
        if (text && !parse_rfc3339(*text, unix_ms)) {
            refuse(shown, "expires_at",
                   "\"" + sync::shown_text(*text) +
                       "\" is no time: write one such as 2027-01-31T12:00:00Z, or null");
            return false;
        }
        row.expires_unix_ms = text ? std::optional(unix_ms) : std::nullopt;
        return true;
    }

    void remark_on_keys(const std::string& json, const std::string& shown) {
        for (const JsonMember& member : json_members(json).value_or(std::vector<JsonMember>{})) {
            if (std::ranges::find(kFlagKeys, member.key) == kFlagKeys.end()) {
                changes_.problems.push_back(
                    {shown, sync::shown_text(member.key),
                     "is no field of a flag and is ignored" + did_you_mean(member.key, kFlagKeys),
                     false});
            }
        }
    }

    void refuse(const std::string& shown, std::string field, std::string message) {
        changes_.problems.push_back({shown, std::move(field), std::move(message), true});
    }

    static void collect(const std::vector<Condition>& conditions, std::set<std::string>& named) {
        for (const Condition& condition : conditions) {
            if (condition.kind == Condition::Kind::kSegment) {
                named.insert(condition.segment);
            }
            collect(condition.children, named);
        }
    }

    FlagChanges changes_;
    std::set<std::string> names_;
};

/// The elements of an array of objects; throws Failure kUsage for anything else.
std::vector<std::string> objects_of(const std::string& json, const std::string& path,
                                    const char* what) {
    auto elements = json_elements(json);
    const bool are_objects =
        elements && std::ranges::all_of(*elements, [](const std::string& element) {
            return element.starts_with("{");
        });
    if (!are_objects) {
        throw Failure(ExitCode::kUsage, printable(path) + " holds no array of " + what +
                                            ": write [{\"name\": ...}, ...]");
    }
    return *std::move(elements);
}

}  // namespace

FlagChanges read_flag_file(const std::string& path, std::int64_t now_unix_ms) {
    std::string text = read_text(path);
    text.erase(text.find_last_not_of(" \t\r\n") + 1);
    text.erase(0, std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    const bool is_array = text.starts_with("[");
    if (const auto complaint = sync::json_complaint(
            text, is_array ? sync::JsonShape::kArray : sync::JsonShape::kObject)) {
        throw Failure(ExitCode::kUsage, printable(path) + " " + *complaint);
    }
    FlagFile file(now_unix_ms);
    const auto flags = is_array ? std::optional(text) : json_member(text, "flags");
    for (const std::string& flag :
         flags ? objects_of(*flags, path, "flags") : std::vector<std::string>{text}) {
        file.take_flag(flag);
    }
    const auto segments = is_array ? std::nullopt : json_member(text, "segments");
    if (flags && segments) {
        for (const std::string& segment : objects_of(*segments, path, "segments")) {
            file.take_segment(segment);
        }
    } else {
        file.assume_segments();
    }
    return file.take();
}

}  // namespace burgee::cli
