#pragma once

// How things are shown, one or many, in each of the formats of -o: JSON, names, fields or columns.
// Every noun brings its fields and its JSON; the frame around them is here.

#include <functional>
#include <string>
#include <vector>

#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "shm/assertion.hpp"
#include "shm/json_text.hpp"

namespace burgee::cli {

struct Field {
    std::string name;
    std::string value;  ///< empty is shown as "-"
};

/// One thing: the object that `write` writes, `name` alone, or a field a line.
void print_record(const Terminal& terminal, const std::string& name,
                  const std::vector<Field>& fields, const std::function<void(JsonWriter&)>& write);

/// One field that differs; an empty side is a value that is not there.
struct Difference {
    std::string name;
    std::string before;
    std::string after;
};

/// What differs between two records of the same kind, by the names of their fields, in the order of
/// `after`, or of `before` when `after` has none.
std::vector<Difference> differences(const std::vector<Field>& before,
                                    const std::vector<Field>& after);

/// The differences as a diff: "- name  value" for what goes, "+ name  value" for what comes.
void print_differences(const Terminal& terminal, const std::vector<Field>& before,
                       const std::vector<Field>& after);

/// How a list of rows is shown.
template <class Row>
struct ListView {
    std::vector<Column> columns;
    std::vector<Column> wide_columns;  ///< behind them with -o wide
    std::function<std::string(const Row&)> name;
    std::function<std::vector<std::string>(const Row&)> cells;  ///< of all columns, wide ones last
    std::function<void(JsonWriter&, const Row&)> write;
};

/// Many things: an array, a name a line, or a row each.
template <class Row>
void print_list(const Terminal& terminal, const std::vector<Row>& rows, const ListView<Row>& view) {
    if (terminal.is_json()) {
        JsonWriter json;
        json.begin_array();
        for (const Row& row : rows) {
            view.write(json, row);
        }
        terminal.print_line(json.end_array().take());
        return;
    }
    if (terminal.is_name()) {
        for (const Row& row : rows) {
            terminal.print_line(printable(view.name(row)));
        }
        return;
    }
    std::vector<Column> columns = view.columns;
    if (terminal.is_wide()) {
        columns.insert(columns.end(), view.wide_columns.begin(), view.wide_columns.end());
    }
    Table table(columns);
    for (const Row& row : rows) {
        std::vector<std::string> cells = view.cells(row);
        BURGEE_ASSERT(cells.size() == view.columns.size() + view.wide_columns.size());
        cells.resize(columns.size());
        table.add_row(std::move(cells));
    }
    terminal.print(table.text());
}

}  // namespace burgee::cli
