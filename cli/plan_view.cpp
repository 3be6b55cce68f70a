#include "cli/plan_view.hpp"

#include <algorithm>
#include <cmath>

#include "cli/table.hpp"
#include "shm/json_text.hpp"

namespace burgee::cli {
namespace {

constexpr std::size_t kNamedShownMax = 10;  // in text; JSON has all

/// Down to a millionth of a percent: the finest share there is, a gate of one bucket times a
/// variant of one percent.
std::string percent_text(double share) {
    const double rounded = std::round(share * 1e8) / 1e6;
    return rounded == 0 && share > 0 ? "<0.000001 %" : json_number(rounded) + " %";
}

std::string moves_text(const SideMatrix& shares) {
    return "  off -> on      " + percent_text(shares.off_to_on()) + "\n  on -> off      " +
           percent_text(shares.on_to_off()) + "\n  side to side   " +
           percent_text(shares.between()) + "\n";
}

std::string matrix_text(const SideMatrix& shares) {
    std::vector<Column> columns{{"BEFORE \\ AFTER"}};
    for (const std::string& side : shares.sides()) {
        columns.push_back({side, Column::Align::kRight});
    }
    columns.push_back({"ALL", Column::Align::kRight});
    Table table(columns);
    for (std::size_t from = 0; from < shares.sides().size(); ++from) {
        std::vector<std::string> cells{shares.sides()[from]};
        for (std::size_t to = 0; to < shares.sides().size(); ++to) {
            cells.push_back(percent_text(shares.at(from, to)));
        }
        cells.push_back(percent_text(shares.before(from)));
        table.add_row(std::move(cells));
    }
    std::vector<std::string> sums{"ALL"};
    for (std::size_t to = 0; to < shares.sides().size(); ++to) {
        sums.push_back(percent_text(shares.after(to)));
    }
    sums.push_back("100 %");
    table.add_row(std::move(sums));
    return table.text();
}

std::string named_text(const PlanReport& report) {
    std::string text = "named units: " + std::to_string(report.named_changes.size()) + " of " +
                       std::to_string(report.named_count) +
                       " in include and exclude would change their answer\n";
    for (std::size_t index = 0; index < report.named_changes.size(); ++index) {
        if (index == kNamedShownMax) {
            return text + "  and " + std::to_string(report.named_changes.size() - kNamedShownMax) +
                   " more\n";
        }
        const NamedUnit& unit = report.named_changes[index];
        text += "  " + printable(unit.unit) + ": " + printable(unit.before.name) + " -> " +
                printable(unit.after.name) + "\n";
    }
    return text;
}

std::string experiments_text(const PlanReport& report) {
    std::string text;
    for (const std::string& name : report.experiments) {
        text += "experiment " + printable(name) + " runs on this flag: ";
        if (report.changes_sides()) {
            text +=
                "units would change sides, and what they did before would count for the wrong "
                "one; a new phase is advisable\n";
        } else if (!report.new_configs.empty()) {
            text += "a variant would become something else under way; a new phase is advisable\n";
        } else if (!report.unknown.empty()) {
            text +=
                "whether units would change sides depends on attributes; measure with "
                "--contexts before deciding against a new phase\n";
        } else {
            text += "no unit would change sides; it goes on in its phase\n";
        }
    }
    return text;
}

void write_matrix(JsonWriter& json, const SideMatrix& shares) {
    json.begin_object().member("changed", shares.moved());
    json.member("off_to_on", shares.off_to_on()).member("on_to_off", shares.on_to_off());
    json.member("side_to_side", shares.between()).key("moves").begin_array();
    for (std::size_t from = 0; from < shares.sides().size(); ++from) {
        for (std::size_t to = 0; to < shares.sides().size(); ++to) {
            if (shares.at(from, to) > 0) {
                json.begin_object().member("from", shares.sides()[from]);
                json.member("to", shares.sides()[to]).member("share", shares.at(from, to));
                json.end_object();
            }
        }
    }
    json.end_array().end_object();
}

void write_sentences(JsonWriter& json, const char* key, const std::vector<std::string>& sentences) {
    json.key(key).begin_array();
    for (const std::string& sentence : sentences) {
        json.value(sentence);
    }
    json.end_array();
}

void write_named(JsonWriter& json, const PlanReport& report) {
    json.key("named_units").begin_object();
    json.member("count", std::uint64_t{report.named_count}).key("changed").begin_array();
    for (const NamedUnit& unit : report.named_changes) {
        json.begin_object().member("unit", unit.unit).member("from", unit.before.name);
        json.member("to", unit.after.name).end_object();
    }
    json.end_array().end_object();
}

}  // namespace

bool PlanReport::changes_sides() const {
    const bool has_named = std::any_of(named_changes.begin(), named_changes.end(),
                                       [](const NamedUnit& unit) { return unit.before.is_on; });
    return shares.changed_sides() > 0 || has_named || (measured && measured->changed_sides() > 0);
}

std::string plan_text(const PlanReport& report) {
    std::string text =
        printable(report.flag) + ": " + percent_text(report.shares.moved()) +
        (report.is_random         ? " of answers would differ\n"
         : report.is_of_everybody ? " of all units would change their answer\n"
                                  : " of the units that reach the draw before and after "
                                    "would change their answer\n");
    text += moves_text(report.shares) + "\n" + matrix_text(report.shares) + "\n";
    for (const std::string& sentence : report.basis) {
        text += sentence + "\n";
    }
    for (const NewConfig& config : report.new_configs) {
        text += "variant " + printable(config.variant) +
                " gets another configuration: " + percent_text(config.share) +
                " keep it and read other values\n";
    }
    text += report.named_count == 0 ? "" : named_text(report);
    for (const std::string& sentence : report.unknown) {
        text += "not known: " + printable(sentence) + "\n";
    }
    if (report.measured) {
        text += "\nmeasured over " + std::to_string(report.context_count) + " contexts of " +
                printable(report.contexts_file) + ": " + percent_text(report.measured->moved()) +
                " would change their answer\n" + moves_text(*report.measured) + "\n" +
                matrix_text(*report.measured) + "\n";
    }
    return text + experiments_text(report);
}

std::string plan_json(const PlanReport& report) {
    JsonWriter json;
    json.begin_object().member("flag", report.flag).key("shares");
    write_matrix(json, report.shares);
    json.member("is_exact", !report.is_random).member("is_of_all_units", report.is_of_everybody);
    json.member("is_random", report.is_random);
    write_sentences(json, "basis", report.basis);
    write_sentences(json, "unknown", report.unknown);
    json.key("new_configs").begin_array();
    for (const NewConfig& config : report.new_configs) {
        json.begin_object().member("variant", config.variant).member("share", config.share);
        json.end_object();
    }
    json.end_array();
    write_named(json, report);
    json.key("measured");
    if (report.measured) {
        json.begin_object().member("contexts", report.context_count).key("shares");
        write_matrix(json, *report.measured);
        json.end_object();
    } else {
        json.null();
    }
    write_sentences(json, "experiments", report.experiments);
    json.member(
        "is_new_phase_advisable",
        !report.experiments.empty() && (report.changes_sides() || !report.new_configs.empty()));
    return json.end_object().take();
}

}  // namespace burgee::cli
