#include "daemon/config.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <optional>
#include <regex>
#include <string_view>

#include <toml++/toml.h>

namespace burgee::daemon {
namespace {

/// One row of the table of settings: how a text from the environment or the file becomes a member.
struct Setting {
    std::string section;
    std::string key;
    toml::node_type type;
    std::function<std::optional<std::string>(Config&, const std::string&)> assign;  // error or none
    std::function<std::string(const Config&)> show;  // as TOML

    std::string name() const { return section + "." + key; }
    std::string variable() const {
        std::string text = "BURGEE_" + section + "_" + key;
        std::transform(text.begin(), text.end(), text.begin(),
                       [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        return text;
    }
};

std::string toml_quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
        }
        out += c;
    }
    return out + "\"";
}

std::string without_password(const std::string& dsn) {
    static const std::regex keyword(R"((password\s*=\s*)('(?:[^'\\]|\\.)*'|\S+))",
                                    std::regex::icase);
    static const std::regex url(R"((://[^:/@\s]*:)[^@/\s]*@)");
    return std::regex_replace(std::regex_replace(dsn, keyword, "$1****"), url, "$1****@");
}

Setting text_setting(std::string section, std::string key, std::string Config::*member,
                     std::vector<std::string> allowed = {}) {
    const bool is_secret = key == "dsn";
    return {std::move(section), std::move(key), toml::node_type::string,
            [member, allowed](Config& config, const std::string& text) -> std::optional<std::string> {
                if (!allowed.empty() &&
                    std::find(allowed.begin(), allowed.end(), text) == allowed.end()) {
                    std::string list;
                    for (const std::string& one : allowed) {
                        list += list.empty() ? one : ", " + one;
                    }
                    return "must be one of: " + list;
                }
                config.*member = text;
                return std::nullopt;
            },
            [member, is_secret](const Config& config) {
                return toml_quoted(is_secret ? without_password(config.*member) : config.*member);
            }};
}

Setting path_setting(std::string section, std::string key, std::filesystem::path Config::*member) {
    return {std::move(section), std::move(key), toml::node_type::string,
            [member](Config& config, const std::string& text) -> std::optional<std::string> {
                if (!std::filesystem::path(text).is_absolute()) {
                    return "must be an absolute path";
                }
                config.*member = text;
                return std::nullopt;
            },
            [member](const Config& config) { return toml_quoted((config.*member).string()); }};
}

Setting bool_setting(std::string section, std::string key, bool Config::*member) {
    return {std::move(section), std::move(key), toml::node_type::boolean,
            [member](Config& config, const std::string& text) -> std::optional<std::string> {
                if (text != "true" && text != "false") {
                    return "must be true or false";
                }
                config.*member = text == "true";
                return std::nullopt;
            },
            [member](const Config& config) { return config.*member ? "true" : "false"; }};
}

std::optional<std::int64_t> integer_of(const std::string& text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return number;
}

struct Range {
    std::int64_t low;
    std::int64_t high;
};

template <typename Member>
Setting integer_setting(std::string section, std::string key, Member member, Range range) {
    using Value = std::remove_reference_t<decltype(std::declval<Config&>().*member)>;
    return {std::move(section), std::move(key), toml::node_type::integer,
            [member, range](Config& config, const std::string& text) -> std::optional<std::string> {
                const auto number = integer_of(text);
                if (!number || *number < range.low || *number > range.high) {
                    return "must be a whole number from " + std::to_string(range.low) + " to " +
                           std::to_string(range.high);
                }
                config.*member = Value(*number);
                return std::nullopt;
            },
            [member](const Config& config) {
                if constexpr (std::is_integral_v<Value>) {
                    return std::to_string(config.*member);
                } else {
                    return std::to_string((config.*member).count());
                }
            }};
}

const std::vector<Setting>& settings() {
    static const std::vector<Setting> kSettings = [] {
        std::vector<Setting> table;
        table.push_back(text_setting("database", "dsn", &Config::database_dsn));
        table.push_back(integer_setting("database", "poll_interval_ms", &Config::poll_interval,
                                        {50, 3'600'000}));
        table.push_back(bool_setting("database", "listen", &Config::listen));
        table.push_back(path_setting("shm", "directory", &Config::shm_directory));
        table.push_back(
            integer_setting("shm", "stale_after_ms", &Config::stale_after, {1'000, 86'400'000}));
        table.push_back(path_setting("spool", "directory", &Config::state_directory));
        table.push_back(
            integer_setting("spool", "cap_mib", &Config::spool_cap_mib, {16, 1'048'576}));
        table.push_back(
            integer_setting("spool", "segment_mib", &Config::spool_segment_mib, {1, 1024}));
        table.push_back(text_setting("spool", "durability", &Config::spool_durability,
                                     {"synced", "relaxed"}));
        table.push_back(bool_setting("events", "upload", &Config::upload));
        table.push_back(bool_setting("events", "store_raw", &Config::store_raw_events));
        table.push_back(text_setting("log", "level", &Config::log_level,
                                     {"err", "warning", "info", "debug"}));
        table.push_back(
            text_setting("log", "format", &Config::log_format, {"text", "json"}));
        return table;
    }();
    return kSettings;
}

std::string nearest_name(std::string_view wanted, const std::vector<std::string>& names) {
    // Length of the common prefix plus suffix: enough to notice a typing slip in a short list.
    std::string best;
    std::size_t best_score = wanted.size() / 2;
    for (const std::string& name : names) {
        const auto front = std::mismatch(name.begin(), name.end(), wanted.begin(), wanted.end());
        const auto back = std::mismatch(name.rbegin(), name.rend(), wanted.rbegin(), wanted.rend());
        const auto score = static_cast<std::size_t>((front.first - name.begin()) +
                                                    (back.first - name.rbegin()));
        if (score > best_score) {
            best_score = score;
            best = name;
        }
    }
    return best.empty() ? "" : "; did you mean '" + best + "'?";
}

std::string place(const std::filesystem::path& file, const toml::source_region& source) {
    return file.string() + ":" + std::to_string(source.begin.line) + ":" +
           std::to_string(source.begin.column);
}

class Loader {
public:
    Loader(const std::filesystem::path& file, bool is_required)
        : file_(file), is_required_(is_required) {
        for (const Setting& setting : settings()) {
            origins_[setting.name()] = "default";
        }
    }

    void read_file() {
        struct stat status {};
        if (::stat(file_.c_str(), &status) != 0) {
            if (is_required_) {
                throw ConfigError(file_.string() + ": cannot be read; name another with --config");
            }
            return;
        }
        toml::table root;
        try {
            root = toml::parse_file(file_.string());
        } catch (const toml::parse_error& error) {
            throw ConfigError(place(file_, error.source()) + ": " +
                              std::string(error.description()));
        }
        for (const auto& [section, node] : root) {
            const toml::table* keys = node.as_table();
            if (keys == nullptr) {
                throw ConfigError(place(file_, node.source()) + ": '" + std::string(section.str()) +
                                  "' must stand in a section such as [database]");
            }
            for (const auto& [key, value] : *keys) {
                read_key(std::string(section.str()), std::string(key.str()), value);
            }
        }
        refuse_open_password(status.st_mode);
    }

    void read_environment(const char* const* environment) {
        for (; environment != nullptr && *environment != nullptr; ++environment) {
            const std::string_view line(*environment);
            const std::size_t equals = line.find('=');
            const std::string name(line.substr(0, equals));
            if (equals == std::string_view::npos || name.rfind("BURGEE_", 0) != 0) {
                continue;
            }
            const auto setting =
                std::find_if(settings().begin(), settings().end(),
                             [&](const Setting& one) { return one.variable() == name; });
            if (setting == settings().end()) {
                refuse_mistyped_variable(name);
                continue;
            }
            assign(*setting, std::string(line.substr(equals + 1)), name);
        }
    }

    LoadedConfig take() {
        LoadedConfig loaded{config_, {}};
        for (const Setting& setting : settings()) {
            loaded.entries.push_back(
                {setting.name(), setting.show(config_), origins_[setting.name()]});
        }
        return loaded;
    }

private:
    void read_key(const std::string& section, const std::string& key, const toml::node& value) {
        const std::string name = section + "." + key;
        const auto setting = std::find_if(settings().begin(), settings().end(),
                                          [&](const Setting& one) { return one.name() == name; });
        if (setting == settings().end()) {
            std::vector<std::string> names;
            for (const Setting& one : settings()) {
                names.push_back(one.name());
            }
            throw ConfigError(place(file_, value.source()) + ": unknown key '" + name + "'" +
                              nearest_name(name, names));
        }
        if (value.type() != setting->type) {
            std::ostringstream wanted;
            wanted << setting->type;
            throw ConfigError(place(file_, value.source()) + ": '" + name + "' must be a " +
                              wanted.str());
        }
        std::string text;
        if (const auto* string = value.as_string()) {
            text = string->get();
        } else if (const auto* integer = value.as_integer()) {
            text = std::to_string(integer->get());
        } else if (const auto* boolean = value.as_boolean()) {
            text = boolean->get() ? "true" : "false";
        }
        assign(*setting, text, place(file_, value.source()));
    }

    void assign(const Setting& setting, const std::string& text, const std::string& origin) {
        if (const auto error = setting.assign(config_, text)) {
            throw ConfigError(origin + ": '" + setting.name() + "' " + *error);
        }
        origins_[setting.name()] = origin;
    }

    /// BURGEE_ variables of other programs (and of the command) are none of our business, but one in
    /// a section of ours is a slip that must not pass silently.
    static void refuse_mistyped_variable(const std::string& name) {
        std::vector<std::string> names;
        bool is_our_section = false;
        for (const Setting& one : settings()) {
            names.push_back(one.variable());
            const std::string prefix = one.variable().substr(0, one.variable().find('_', 7) + 1);
            is_our_section = is_our_section || name.rfind(prefix, 0) == 0;
        }
        if (is_our_section) {
            throw ConfigError("environment: unknown variable '" + name + "'" +
                              nearest_name(name, names));
        }
    }

    void refuse_open_password(mode_t mode) const {
        const bool is_from_file =
            origins_.at("database.dsn").rfind(file_.string() + ":", 0) == 0;
        if (is_from_file && without_password(config_.database_dsn) != config_.database_dsn &&
            (mode & 077U) != 0) {
            throw ConfigError(origins_.at("database.dsn") +
                              ": holds a password but others may read the file; chmod 600 it, or "
                              "use a passfile");
        }
    }

    std::filesystem::path file_;
    bool is_required_;
    Config config_;
    std::map<std::string, std::string> origins_;
};

}  // namespace

LoadedConfig load_config(const std::filesystem::path& file, bool is_required,
                         const char* const* environment) {
    Loader loader(file, is_required);
    loader.read_file();
    loader.read_environment(environment);
    return loader.take();
}

std::string print_config(const LoadedConfig& loaded) {
    std::string text;
    std::string section;
    for (const ConfigEntry& entry : loaded.entries) {
        const std::size_t dot = entry.name.find('.');
        if (entry.name.substr(0, dot) != section) {
            section = entry.name.substr(0, dot);
            text += (text.empty() ? "[" : "\n[") + section + "]\n";
        }
        text += entry.name.substr(dot + 1) + " = " + entry.value + "  # " + entry.origin + "\n";
    }
    return text;
}

}  // namespace burgee::daemon
