#include "sync/json_tree.hpp"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <stdexcept>

#include "sync/flag_text.hpp"
#include "sync/json_object.hpp"

namespace burgee::sync {
namespace {

namespace ondemand = simdjson::ondemand;

/// Ends the reading; never leaves this file.
struct Refused : std::runtime_error {
    using std::runtime_error::runtime_error;
};

[[noreturn]] void refuse(const std::string& place, const std::string& what) {
    throw Refused((place.empty() ? "the document" : place) + " " + what);
}

/// "place.key", and at the top "key".
std::string inside(const std::string& place, std::string_view key) {
    return place.empty() ? shown_text(key) : place_of(place, key);
}

/// A number as digits with a point somewhere: 12.50e1 is "1250" with the point behind 3.
struct Decimal {
    bool is_negative = false;
    std::string digits;
    long point = 0;

    /// Takes away zeros that say nothing.
    void trim() {
        const std::size_t first = digits.find_first_not_of('0');
        if (first == std::string::npos) {
            *this = {};
            return;
        }
        digits.erase(0, first);
        point -= static_cast<long>(first);
        digits.erase(digits.find_last_not_of('0') + 1);
    }
};

/// Precondition: `token` is a JSON number.
std::optional<Decimal> decimal_of(std::string_view token) {
    Decimal decimal;
    decimal.is_negative = token.starts_with('-');
    token.remove_prefix(decimal.is_negative ? 1 : 0);
    const std::size_t mantissa_size = std::min(token.find_first_of("eE"), token.size());
    const std::string_view mantissa = token.substr(0, mantissa_size);
    std::string_view exponent_text = token.substr(std::min(mantissa_size + 1, token.size()));
    exponent_text.remove_prefix(exponent_text.starts_with('+') ? 1 : 0);
    long exponent = 0;
    const auto [stop, error] = std::from_chars(
        exponent_text.data(), exponent_text.data() + exponent_text.size(), exponent);
    if (!exponent_text.empty() && error != std::errc{}) {
        return std::nullopt;  // more digits than a long holds
    }
    const std::size_t whole_size = std::min(mantissa.find('.'), mantissa.size());
    decimal.digits = mantissa.substr(0, whole_size);
    decimal.point = static_cast<long>(whole_size);
    decimal.digits += mantissa.substr(std::min(whole_size + 1, mantissa.size()));
    decimal.trim();
    const bool is_far = exponent < -2L * kNumberDigitsMax || exponent > 2L * kNumberDigitsMax;
    if (is_far && !decimal.digits.empty()) {
        return std::nullopt;
    }
    decimal.point += decimal.digits.empty() ? 0 : exponent;
    return decimal;
}

std::optional<std::string> canonical_number(std::string_view token) {
    const std::optional<Decimal> decimal = decimal_of(token);
    if (!decimal) {
        return std::nullopt;
    }
    const long size = static_cast<long>(decimal->digits.size());
    if (size == 0) {
        return "0";
    }
    if (decimal->point > kNumberDigitsMax || size - decimal->point > kNumberDigitsMax) {
        return std::nullopt;
    }
    std::string text = decimal->is_negative ? "-" : "";
    if (decimal->point <= 0) {
        return text + "0." + std::string(static_cast<std::size_t>(-decimal->point), '0') +
               decimal->digits;
    }
    const auto point = static_cast<std::size_t>(decimal->point);
    if (size <= decimal->point) {
        return text + decimal->digits + std::string(point - decimal->digits.size(), '0');
    }
    return text + decimal->digits.substr(0, point) + "." + decimal->digits.substr(point);
}

std::string text_of(std::string_view text, const std::string& place) {
    if (text.find('\0') != std::string_view::npos) {
        refuse(place, "holds \\u0000, which PostgreSQL cannot store: leave it out");
    }
    return std::string(text);
}

JsonTree read_value(ondemand::value value, const std::string& place);

void read_members(ondemand::object object, const std::string& place, JsonTree& tree) {
    for (auto member : object) {
        const std::string key = text_of(member.unescaped_key(), place);
        tree.members.emplace_back(key, read_value(member.value(), inside(place, key)));
    }
    const auto by_key = [](const auto& one, const auto& other) { return one.first < other.first; };
    std::stable_sort(tree.members.begin(), tree.members.end(), by_key);
    const auto twice = std::adjacent_find(
        tree.members.begin(), tree.members.end(),
        [](const auto& one, const auto& other) { return one.first == other.first; });
    if (twice != tree.members.end()) {
        refuse(inside(place, twice->first), "is given twice: keep one");
    }
}

void read_elements(ondemand::array array, const std::string& place, JsonTree& tree) {
    for (auto element : array) {
        tree.elements.push_back(read_value(element.value(), place_of(place, tree.elements.size())));
    }
}

void read_number(std::string_view raw, const std::string& place, JsonTree& tree) {
    const std::size_t end = raw.find_last_not_of(" \t\r\n");
    const std::optional<std::string> number = canonical_number(raw.substr(0, end + 1));
    if (!number) {
        refuse(place, "is a number of more than " + std::to_string(kNumberDigitsMax) +
                          " digits: write it as a string");
    }
    tree.text = *number;
}

JsonTree read_value(ondemand::value value, const std::string& place) {
    JsonTree tree;
    switch (value.type().value()) {
        case ondemand::json_type::object:
            tree.kind = JsonTree::Kind::kObject;
            read_members(value.get_object(), place, tree);
            break;
        case ondemand::json_type::array:
            tree.kind = JsonTree::Kind::kArray;
            read_elements(value.get_array(), place, tree);
            break;
        case ondemand::json_type::string:
            tree.kind = JsonTree::Kind::kString;
            tree.text = text_of(value.get_string(), place);
            break;
        case ondemand::json_type::boolean:
            tree.kind = JsonTree::Kind::kBoolean;
            tree.truth = value.get_bool();
            break;
        case ondemand::json_type::number:
            tree.kind = JsonTree::Kind::kNumber;
            read_number(value.raw_json_token(), place, tree);
            break;
        case ondemand::json_type::null:
            break;
    }
    return tree;
}

/// Why `text` is no JSON at all; the reading below relies on well-formed text.
std::optional<std::string> malformed(const std::string& text) {
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    const simdjson::error_code error = parse_json(parser, text, document);
    // A number that no double holds is JSON all the same.
    if (error == simdjson::SUCCESS) {
        return document.is_object() || document.is_array()
                   ? std::nullopt
                   : std::optional<std::string>("the document is neither object nor array");
    }
    return std::string("is not JSON (") + simdjson::error_message(error) + ")";
}

}  // namespace

const JsonTree* JsonTree::find(std::string_view key) const {
    const auto found = std::find_if(members.begin(), members.end(),
                                    [&](const auto& member) { return member.first == key; });
    return found == members.end() ? nullptr : &found->second;
}

std::variant<JsonTree, std::string> read_json_tree(std::string_view text) {
    const std::string copy(text);
    if (const auto complaint = malformed(copy)) {
        return *complaint;
    }
    try {
        simdjson::padded_string padded(text);
        ondemand::parser parser;
        ondemand::document document = parser.iterate(padded);
        return read_value(document.get_value(), "");
    } catch (const Refused& refused) {
        return std::string(refused.what());
    } catch (const simdjson::simdjson_error& error) {
        return std::string("is not JSON (") + error.what() + ")";
    }
}

void write_json_tree(JsonWriter& json, const JsonTree& tree) {
    switch (tree.kind) {
        case JsonTree::Kind::kNull:
            json.null();
            return;
        case JsonTree::Kind::kBoolean:
            json.value(tree.truth);
            return;
        case JsonTree::Kind::kNumber:
            json.raw(tree.text);
            return;
        case JsonTree::Kind::kString:
            json.value(tree.text);
            return;
        case JsonTree::Kind::kArray:
            json.begin_array();
            for (const JsonTree& element : tree.elements) {
                write_json_tree(json, element);
            }
            json.end_array();
            return;
        case JsonTree::Kind::kObject:
            json.begin_object();
            for (const auto& [key, value] : tree.members) {
                json.key(key);
                write_json_tree(json, value);
            }
            json.end_object();
            return;
    }
}

std::string compact_text(const JsonTree& tree) {
    JsonWriter json(JsonWriter::Style::kCompact);
    write_json_tree(json, tree);
    return json.take();
}

}  // namespace burgee::sync
