#pragma once

// What every command needs from its surroundings: the global options, and where results and talk
// go. Results go to stdout, so that a pipe gets nothing else; advice and errors go to stderr.

#include <optional>
#include <string>
#include <string_view>

namespace burgee::cli {

enum class Format {
    kTable,  ///< aligned columns for people
    kJson,   ///< one JSON document
    kWide,   ///< the table with every column
    kName,   ///< names only, one a line, for xargs
};

/// Options that every command takes, anywhere on the command line.
struct GlobalOptions {
    std::string dsn;                        ///< empty: libpq's PG* environment decides
    std::string directory = "/run/burgee";  ///< where burgeed publishes
    Format format = Format::kTable;
};

enum class Colour { kGood, kBad, kDim };

/// Thread safety: one thread at a time.
class Terminal {
public:
    explicit Terminal(GlobalOptions options);

    [[nodiscard]] const GlobalOptions& options() const noexcept { return options_; }
    [[nodiscard]] bool is_json() const noexcept { return options_.format == Format::kJson; }
    [[nodiscard]] bool is_wide() const noexcept { return options_.format == Format::kWide; }
    [[nodiscard]] bool is_name() const noexcept { return options_.format == Format::kName; }

    /// A result: to stdout as it is. Throws Failure kFailed when stdout refuses (a full disk).
    void print(std::string_view text) const;

    /// The same and a newline.
    void print_line(std::string_view text) const;

    /// Talk: a line to stderr, not in JSON or name format, where scripts are reading.
    void advise(std::string_view text) const;

    /// Whether stdout wants colours.
    [[nodiscard]] bool is_coloured() const noexcept { return is_coloured_; }

    /// `text` in a colour if stdout is a terminal and NO_COLOR is unset (https://no-color.org).
    [[nodiscard]] std::string coloured(std::string_view text, Colour colour) const;

private:
    GlobalOptions options_;
    bool is_coloured_;
};

/// The JSON text given on the command line: `text` itself, the content of FILE for "@FILE", or
/// stdin for "@-". Throws Failure kNotFound when the file cannot be read, kUsage when it is larger
/// than 1 MiB.
std::string text_or_file(const std::string& text);

}  // namespace burgee::cli
