#include "cli/record_view.hpp"

#include <algorithm>

namespace burgee::cli {
namespace {

std::size_t name_width(const std::vector<Field>& fields) {
    std::size_t width = 0;
    for (const Field& field : fields) {
        width = std::max(width, field.name.size());
    }
    return width;
}

std::string value_of(const std::vector<Field>& fields, const std::string& name) {
    const auto found = std::find_if(fields.begin(), fields.end(),
                                    [&name](const Field& field) { return field.name == name; });
    return found == fields.end() ? "" : found->value;
}

}  // namespace

void print_record(const Terminal& terminal, const std::string& name,
                  const std::vector<Field>& fields, const std::function<void(JsonWriter&)>& write) {
    if (terminal.is_json()) {
        JsonWriter json;
        write(json);
        terminal.print_line(json.take());
        return;
    }
    if (terminal.is_name()) {
        terminal.print_line(printable(name));
        return;
    }
    const std::size_t width = name_width(fields) + 2;
    for (const Field& field : fields) {
        std::string line = field.name;
        line.resize(width, ' ');
        terminal.print_line(line + (field.value.empty() ? "-" : printable(field.value)));
    }
}

std::vector<Difference> differences(const std::vector<Field>& before,
                                    const std::vector<Field>& after) {
    std::vector<Difference> all;
    for (const Field& field : after.empty() ? before : after) {
        Difference difference{field.name, value_of(before, field.name),
                              value_of(after, field.name)};
        if (difference.before != difference.after) {
            all.push_back(std::move(difference));
        }
    }
    return all;
}

void print_differences(const Terminal& terminal, const std::vector<Field>& before,
                       const std::vector<Field>& after) {
    const std::size_t width = name_width(after.empty() ? before : after) + 2;
    for (const Difference& difference : differences(before, after)) {
        std::string name = difference.name;
        name.resize(width, ' ');
        if (!difference.before.empty()) {
            terminal.print_line("- " + name + printable(difference.before));
        }
        if (!difference.after.empty()) {
            terminal.print_line("+ " + name + printable(difference.after));
        }
    }
}

}  // namespace burgee::cli
