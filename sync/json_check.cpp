#include "sync/json_check.hpp"

#include <simdjson.h>

#include "sync/flag_text.hpp"

namespace burgee::sync {
namespace {

/// True when a string of the well-formed `json` holds U+0000, which PostgreSQL's text cannot.
bool has_zero_character(std::string_view json) {
    for (std::size_t position = 0; position < json.size(); ++position) {
        if (json[position] != '\\') {
            continue;
        }
        if (json.substr(position + 1, 5) == "u0000") {
            return true;
        }
        ++position;  // the escaped character, which may be a backslash itself
    }
    return false;
}

}  // namespace

std::optional<std::string> json_complaint(std::string_view text, JsonShape shape) {
    const bool is_object = shape == JsonShape::kObject;
    const std::string wanted = is_object ? "a JSON object, such as {\"key\": \"value\"}"
                                         : "a JSON array, such as [{\"name\": \"a\"}]";
    if (!is_strict_utf8(text)) {
        return "is not UTF-8: save it as UTF-8";
    }
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    const simdjson::error_code error = parser.parse(simdjson::padded_string(text)).get(document);
    if (error == simdjson::NUMBER_ERROR) {
        return "holds a malformed number, or one beyond 64 bits: write it as a string";
    }
    const bool has_shape =
        error == simdjson::SUCCESS && (is_object ? document.is_object() : document.is_array());
    if (!has_shape) {
        return "is not " + wanted + ": " + (text.empty() ? "it is empty" : shown_text(text));
    }
    if (has_zero_character(text)) {
        return "holds \\u0000, which PostgreSQL cannot store: leave it out";
    }
    return std::nullopt;
}

}  // namespace burgee::sync
