// Lays out rows: widths first, then padding, so that one pass over the cells suffices for each.

#include "cli/table.hpp"

#include <algorithm>
#include <utility>

#include "shm/assertion.hpp"

namespace burgee::cli {
namespace {

void append_cell(std::string& line, std::string_view cell, std::size_t width, Column::Align align) {
    const std::size_t padding = width - display_width(cell);
    if (align == Column::Align::kRight) {
        line.append(padding, ' ');
    }
    line += cell;
    if (align == Column::Align::kLeft) {
        line.append(padding, ' ');
    }
}

}  // namespace

std::size_t display_width(std::string_view text) {
    // Every byte except UTF-8 continuation bytes (10xxxxxx) begins a code point.
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
        return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
    }));
}

std::string printable(std::string_view text) {
    std::string safe(text);
    std::replace_if(
        safe.begin(), safe.end(),
        [](char byte) {
            const auto code = static_cast<unsigned char>(byte);
            return code < 0x20U || code == 0x7FU;
        },
        '?');
    return safe;
}

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
    BURGEE_ASSERT(!columns_.empty());
}

void Table::add_row(std::vector<std::string> cells) {
    BURGEE_ASSERT(cells.size() == columns_.size());
    for (std::string& cell : cells) {
        cell = cell.empty() ? "-" : printable(cell);
    }
    rows_.push_back(std::move(cells));
}

std::string Table::text() const {
    std::vector<std::size_t> widths;
    for (std::size_t index = 0; index < columns_.size(); ++index) {
        std::size_t width = display_width(columns_[index].title);
        for (const auto& row : rows_) {
            width = std::max(width, display_width(row[index]));
        }
        widths.push_back(width);
    }
    std::string all;
    const auto append_line = [&](const auto& cell_at) {
        std::string line;
        for (std::size_t index = 0; index < columns_.size(); ++index) {
            line += index == 0 ? "" : "  ";
            append_cell(line, cell_at(index), widths[index], columns_[index].align);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        all += line + "\n";
    };
    append_line([&](std::size_t index) -> const std::string& { return columns_[index].title; });
    for (const auto& row : rows_) {
        append_line([&](std::size_t index) -> const std::string& { return row[index]; });
    }
    return all;
}

}  // namespace burgee::cli
