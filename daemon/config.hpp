#pragma once

// The daemon's settings: one table of what exists, three places where a value may come from.
// Later ones win: built-in default, /etc/burgee/burgee.toml, environment BURGEE_SECTION_KEY.
// Relied on by main(); nothing else in the daemon reads files or the environment.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace burgee::daemon {

/// Everything that can be set. Member comments give unit and range; config.cpp holds the same bounds.
struct Config {
    std::string database_dsn;                         ///< libpq conninfo; empty = PG* environment
    std::chrono::milliseconds poll_interval{1000};    ///< 50 .. 3 600 000, jittered by 10 %
    bool listen = true;                               ///< LISTEN for hints where the server allows
    std::filesystem::path shm_directory = "/run/burgee";
    std::chrono::milliseconds stale_after{60'000};    ///< 1 000 .. 86 400 000
    std::filesystem::path state_directory = "/var/lib/burgee";
    std::uint64_t spool_cap_mib = 4096;               ///< 16 .. 1 048 576
    std::uint64_t spool_segment_mib = 64;             ///< 1 .. 1024
    std::string spool_durability = "synced";          ///< synced, relaxed: acknowledged before the sync
    bool store_raw_events = true;                     ///< rows in ab_test_metrics, not only unit state
    bool upload = true;                               ///< false: events wait in the spool
    std::string log_level = "info";                   ///< err, warning, info, debug
    std::string log_format = "text";                  ///< text, json
};

/// One setting as `--print-config` shows it.
struct ConfigEntry {
    std::string name;   ///< "database.poll_interval_ms"
    std::string value;  ///< as it would stand in the file; passwords masked
    std::string origin; ///< "default", "/etc/burgee/burgee.toml:3:1", "BURGEE_DATABASE_DSN"
};

/// What is wrong with a configuration, where, and what to do: one line.
class ConfigError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct LoadedConfig {
    Config config;
    std::vector<ConfigEntry> entries;
};

/// Reads `file` and the environment.
///
/// @param file       the TOML file; a missing one is an error only if `is_required`.
/// @param environment  pairs as in environ(7), null-terminated.
/// @throws ConfigError on a syntax error, an unknown or mistyped key, a value out of range, a
///         password in a file that others may read, or an unknown BURGEE_ variable of our sections.
LoadedConfig load_config(const std::filesystem::path& file, bool is_required,
                         const char* const* environment);

/// The entries as TOML text with each value's origin as a comment.
std::string print_config(const LoadedConfig& loaded);

}  // namespace burgee::daemon
