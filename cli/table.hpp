#pragma once

// Text in aligned columns: upper-case headers, no borders, two spaces between columns, nothing
// behind the last one. Used by every command that lists things.

#include <string>
#include <string_view>
#include <vector>

namespace burgee::cli {

struct Column {
    enum class Align { kLeft, kRight };

    std::string title;
    Align align = Align::kLeft;
};

/// Collects rows and lays them out. Thread safety: one thread at a time. Cost: linear.
class Table {
public:
    explicit Table(std::vector<Column> columns);

    /// Adds one row. An empty cell is shown as "-", so that columns stay countable for awk and
    /// cut. Control characters are shown as "?": a name cannot repaint the terminal.
    /// Precondition, asserted: as many cells as columns.
    void add_row(std::vector<std::string> cells);

    [[nodiscard]] bool is_empty() const noexcept { return rows_.empty(); }

    /// The header and all rows, each ended by a newline.
    [[nodiscard]] std::string text() const;

private:
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

/// Columns that `text` takes on a terminal, one a code point; wide East Asian characters count as
/// one too, which misaligns a row but never breaks it.
std::size_t display_width(std::string_view text);

/// `text` with control characters replaced by "?", safe to print on a terminal.
std::string printable(std::string_view text);

}  // namespace burgee::cli
