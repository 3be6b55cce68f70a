#include "sync/finding.hpp"

#include <algorithm>

namespace burgee::sync {
namespace {

bool is_plain(char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '.' || letter == '_' || letter == '-' ||
           letter == '/' || letter == ':';
}

}  // namespace

std::string_view to_string(Severity severity) {
    switch (severity) {
        case Severity::kOk:
            return "ok";
        case Severity::kWarn:
            return "warn";
        case Severity::kFail:
            return "FAIL";
    }
    return "FAIL";
}

bool is_well(const Findings& findings) {
    return std::none_of(findings.begin(), findings.end(),
                        [](const Finding& finding) { return finding.severity == Severity::kFail; });
}

std::string shell_word(std::string_view text) {
    if (!text.empty() && text.front() != '-' && std::all_of(text.begin(), text.end(), is_plain)) {
        return std::string(text);
    }
    std::string quoted = "'";
    for (const char letter : text) {
        quoted += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
    }
    return quoted + "'";
}

}  // namespace burgee::sync
