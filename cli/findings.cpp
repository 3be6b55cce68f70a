#include "cli/findings.hpp"

#include "cli/table.hpp"

namespace burgee::cli {
namespace {

constexpr std::size_t kSeverityWidth = 6;  // "warn", "FAIL" and two spaces

Colour colour_of(sync::Severity severity) {
    return severity == sync::Severity::kFail ? Colour::kBad
           : severity == sync::Severity::kOk ? Colour::kGood
                                             : Colour::kDim;
}

}  // namespace

std::string findings_text(const sync::Findings& findings, const Terminal& terminal) {
    std::string text;
    for (const sync::Finding& finding : findings) {
        const std::string severity(to_string(finding.severity));
        text += terminal.coloured(severity, colour_of(finding.severity));
        text += std::string(kSeverityWidth - severity.size(), ' ');
        text += printable(finding.subject + ": " + finding.message);
        text += finding.command.empty() ? "" : "  (" + printable(finding.command) + ")";
        text += '\n';
    }
    return text;
}

void write_findings(JsonWriter& json, const sync::Findings& findings) {
    json.begin_array();
    for (const sync::Finding& finding : findings) {
        json.begin_object().key("severity").value(to_string(finding.severity));
        json.key("subject").value(finding.subject).key("message").value(finding.message);
        json.key("command");
        finding.command.empty() ? json.null() : json.value(finding.command);
        json.end_object();
    }
    json.end_array();
}

}  // namespace burgee::cli
