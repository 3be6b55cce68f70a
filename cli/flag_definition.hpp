#pragma once

// The options that describe a flag (`flag create`, `flag set`), and the row they make.

#include <optional>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "sync/flag_store.hpp"

namespace burgee::cli {

/// What the command line said about a flag; not given means unchanged.
struct FlagOptions {
    std::string name;
    std::string why;
    std::optional<std::string> status;
    std::optional<double> rollout;
    std::optional<std::string> description;
    std::optional<std::string> metadata;  ///< JSON or @FILE
    std::optional<std::string> expires;   ///< RFC 3339, "never"
    std::optional<std::string> segments;  ///< JSON or @FILE
    std::optional<std::string> variants;  ///< JSON or @FILE
    std::vector<std::string> variant;     ///< NAME=WEIGHT[:JSON], one each
    std::vector<std::string> include;     ///< unit ids; replaces the list; "" alone empties it
    std::vector<std::string> exclude;     ///< likewise
    std::optional<std::string> salt;
};

/// What a flag's status may be, as the database calls it.
const std::vector<std::string>& status_names();

/// The arguments that fill `options`, which must outlive them.
std::vector<Argument> flag_arguments(FlagOptions& options);

/// The row of a new flag. Its segments always name the bucketing, so that a later change of the
/// database's default moves nobody. Throws Failure kUsage for what is no flag at all; what a flag
/// may hold is decided when it is stored.
sync::FlagRow new_flag(const FlagOptions& options);

/// The change that the options ask of the flag as it stands. Throws Failure kUsage when they ask
/// for nothing.
sync::FlagEdit edit_of(const FlagOptions& options, const sync::FlagRow& present);

/// What was given although a flag of this status does not look at it, one sentence each.
std::vector<std::string> idle_options(const FlagOptions& options, const std::string& status);

/// "control=50:{"model":"gpt-3.5"}" ... as the JSON array of the column `variants`.
/// Throws Failure kUsage naming the text that is not NAME=WEIGHT[:JSON], or whose weight is no
/// number from 0 to 100.
std::string variants_json(const std::vector<std::string>& variants);

}  // namespace burgee::cli
