#include "sync/constraint_check.hpp"

#include <algorithm>

#include <burgee/date_time.hpp>
#include <burgee/semver.hpp>

#include "sync/flag_text.hpp"
#include "sync/json_object.hpp"

namespace burgee::sync {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;
using simdjson::dom::object;

/// What an operator compares with.
enum class Operand : std::uint8_t { kNone, kScalars, kTexts, kNumber, kDate, kVersion, kPattern };

struct OperatorRow {
    std::string_view name;
    Operand operand;
};

/// By Operator.
constexpr std::array<OperatorRow, kOperatorCount> kOperators = {{
    {"IN", Operand::kScalars},          {"NOT_IN", Operand::kScalars},
    {"STR_CONTAINS", Operand::kTexts},  {"STR_STARTS_WITH", Operand::kTexts},
    {"STR_ENDS_WITH", Operand::kTexts}, {"NUM_EQ", Operand::kNumber},
    {"NUM_GT", Operand::kNumber},       {"NUM_GTE", Operand::kNumber},
    {"NUM_LT", Operand::kNumber},       {"NUM_LTE", Operand::kNumber},
    {"DATE_AFTER", Operand::kDate},     {"DATE_BEFORE", Operand::kDate},
    {"SEMVER_EQ", Operand::kVersion},   {"SEMVER_GT", Operand::kVersion},
    {"SEMVER_GTE", Operand::kVersion},  {"SEMVER_LT", Operand::kVersion},
    {"SEMVER_LTE", Operand::kVersion},  {"EXISTS", Operand::kNone},
    {"REGEX", Operand::kPattern},
}};
static_assert(kOperators[static_cast<std::size_t>(Operator::kExists)].name == "EXISTS");
static_assert(kOperators[static_cast<std::size_t>(Operator::kRegex)].name == "REGEX");

/// One constraint while it is read; `operand` is its operator's.
struct ConstraintReader {
    const object& json;
    const std::string& place;
    FlagProblems& problems;
    Condition condition = {};
    Operand operand = Operand::kNone;

    std::string name() const { return std::string(to_string(condition.operation)); }
    void refuse(std::string_view key, std::string message) const {
        problems.refuse(place_of(place, key), std::move(message));
    }
};

std::string upper(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), [](char letter) {
        return letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
    });
    return result;
}

/// ASCII letters only, as the client compares.
std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](char letter) {
        return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
    });
    return text;
}

/// Every operator's name, for a message.
std::string all_operators() {
    std::string list;
    for (const OperatorRow& row : kOperators) {
        list += (list.empty() ? "" : ", ") + std::string(row.name);
    }
    return list;
}

void read_attribute(ConstraintReader& reader) {
    element value;
    std::string_view name;
    if (!is_present(reader.json, "attribute", value)) {
        reader.refuse("attribute", "is missing: name the attribute of the context to look at");
    } else if (value.get(name) != simdjson::SUCCESS) {
        reader.refuse("attribute", "is not a text: name the attribute of the context to look at");
    } else if (const auto complaint = name_complaint(name, kAttributeNameSizeMax)) {
        reader.refuse("attribute", *complaint);
    }
    reader.condition.attribute = name;
}

/// True when the operator is known.
bool read_operator(ConstraintReader& reader) {
    element value;
    std::string_view name;
    if (!is_present(reader.json, "operator", value) || value.get(name) != simdjson::SUCCESS) {
        reader.refuse("operator", "is missing or not a text: write one of " + all_operators());
        return false;
    }
    for (std::size_t index = 0; index < kOperators.size(); ++index) {
        if (kOperators[index].name == name) {
            reader.condition.operation = static_cast<Operator>(index);
            reader.operand = kOperators[index].operand;
            return true;
        }
    }
    std::array<std::string_view, kOperatorCount> names;
    std::ranges::transform(kOperators, names.begin(), &OperatorRow::name);
    const std::string suggestion = meant(upper(name), names, reader.problems);
    reader.refuse("operator",
                  "\"" + shown_text(name) + "\" is no operator" +
                      (suggestion.empty() ? ": write one of " + all_operators() : suggestion));
    return false;
}

bool read_truth(const ConstraintReader& reader, std::string_view key) {
    element value;
    bool truth = false;
    if (is_present(reader.json, key, value) && value.get(truth) != simdjson::SUCCESS) {
        reader.refuse(key, "is not a truth: write true or false");
    }
    return truth;
}

/// One entry of `values`, or the one `value`, as text.
void read_text(ConstraintReader& reader, const element& value, const std::string& place) {
    std::string text;
    std::string_view view;
    std::int64_t integer = 0;
    std::uint64_t large = 0;
    bool truth = false;
    const bool takes_scalars = reader.operand == Operand::kScalars;
    if (value.get(view) == simdjson::SUCCESS) {
        text = view;
    } else if (takes_scalars && value.get(truth) == simdjson::SUCCESS) {
        text = truth ? "true" : "false";
    } else if (takes_scalars && value.get(integer) == simdjson::SUCCESS) {
        text = std::to_string(integer);  // 42 and "42" are the same
    } else if (takes_scalars && value.get(large) == simdjson::SUCCESS) {
        text = std::to_string(large);
    } else if (takes_scalars && value.type() == element_type::DOUBLE) {
        reader.problems.refuse(
            place, "is not an integer of 64 bits and would never match: " + reader.name() +
                       " compares text, NUM_EQ compares numbers");
        return;
    } else {
        reader.problems.refuse(
            place, takes_scalars
                       ? "is not a text, an integer, true or false: correct it"
                       : "is not a text, which " + reader.name() + " needs: write it in quotes");
        return;
    }
    if (text.size() > kValueSizeMax) {
        reader.problems.refuse(place, "has " + std::to_string(text.size()) + " bytes: at most " +
                                          std::to_string(kValueSizeMax) + " are possible");
        return;
    }
    if (text.empty() && !takes_scalars) {
        reader.problems.warn(place, "is empty, and every text matches that: remove it");
    }
    reader.condition.values.push_back(std::move(text));
}

void read_texts(ConstraintReader& reader) {
    const std::size_t count_max =
        reader.operand == Operand::kScalars ? kInValueCountMax : kTextValueCountMax;
    element values;
    element value;
    simdjson::dom::array array;
    const bool has_values = is_present(reader.json, "values", values);
    const bool has_value = is_present(reader.json, "value", value);
    if (has_values && has_value) {
        reader.refuse("value", "cannot stand beside \"values\": keep one of them");
    } else if (has_value && value.type() == element_type::ARRAY) {
        reader.refuse("value", "is an array: write it under \"values\"");
    } else if (has_value) {
        read_text(reader, value, place_of(reader.place, "value"));
    } else if (!has_values) {
        reader.refuse("values", "is missing: give " + reader.name() + " the values to look for");
    } else if (values.get(array) != simdjson::SUCCESS) {
        reader.refuse("values", "is not an array: write [\"...\", ...]");
    } else if (std::size_t count = 0; array.size() == 0) {
        reader.refuse("values", "is empty: give 1 to " + std::to_string(count_max) + " values");
    } else {
        const std::string place = place_of(reader.place, "values");
        for (const element& item : array) {  // array.size() stops counting at 2^24 - 1
            if (++count > count_max) {
                reader.refuse("values", "has more than " + std::to_string(count_max) +
                                            " values, the most that are possible for " +
                                            reader.name());
                return;
            }
            read_text(reader, item, place_of(place, count - 1));
        }
    }
}

void read_number(ConstraintReader& reader, const element& value) {
    constexpr double kEnd = 18446744073709551616.0;    // 2^64
    constexpr double kFirst = -9223372036854775808.0;  // -2^63
    if (value.type() == element_type::INT64) {
        reader.condition.number = value.get_int64().value_unsafe();
    } else if (value.type() == element_type::UINT64) {
        reader.condition.number = value.get_uint64().value_unsafe();
    } else if (value.type() == element_type::STRING) {
        reader.refuse("value", "is a text, and " + reader.name() +
                                   " compares numbers: write it without quotes");
    } else if (value.type() != element_type::DOUBLE) {
        reader.refuse("value", "is not a number, which " + reader.name() + " needs");
    } else if (const double number = value.get_double().value_unsafe();
               !(number >= kFirst && number < kEnd)) {
        reader.refuse("value", "is a number beyond 64 bits: it must lie in -2^63 to 2^64 - 1");
    } else {
        reader.condition.number = number + 0.0;  // -0 is 0
    }
}

void read_date(ConstraintReader& reader, const element& value) {
    std::string_view text;
    std::int64_t unix_ms = 0;
    const bool is_good = value.get(text) == simdjson::SUCCESS
                             ? parse_rfc3339(text, unix_ms)
                             : value.get(unix_ms) == simdjson::SUCCESS;
    if (!is_good) {
        reader.refuse("value",
                      (text.empty() ? "" : "\"" + shown_text(text) + "\" ") +
                          std::string("is no date: write \"2026-01-31T12:00:00Z\" (RFC 3339, with "
                                      "its offset) or integer milliseconds since 1970"));
    }
    reader.condition.number = unix_ms;
}

void read_version(ConstraintReader& reader, const element& value) {
    std::string_view text;
    Semver version;
    if (value.get(text) != simdjson::SUCCESS || !parse_semver(text, version)) {
        reader.refuse("value", (text.empty() ? "" : "\"" + shown_text(text) + "\" ") +
                                   std::string("is no version: write three numbers, \"1.20.3\" or "
                                               "\"1.20.3-rc.1\" (SemVer 2.0.0)"));
    }
    reader.condition.values.emplace_back(text);
}

void read_pattern(ConstraintReader& reader, const element& value) {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) {
        reader.refuse("value", "is not a text, which REGEX needs: write the pattern in quotes");
    } else if (text.size() > kValueSizeMax) {
        reader.refuse("value", "has " + std::to_string(text.size()) + " bytes: at most " +
                                   std::to_string(kValueSizeMax) + " are possible");
    }
    reader.condition.values.emplace_back(text);
}

void read_operand(ConstraintReader& reader) {
    if (reader.operand == Operand::kScalars || reader.operand == Operand::kTexts) {
        read_texts(reader);
        return;
    }
    element value;
    const bool has_values = is_present(reader.json, "values", value);
    const bool has_value = is_present(reader.json, "value", value);
    if (reader.operand == Operand::kNone) {
        if (has_values || has_value) {
            reader.refuse(has_value ? "value" : "values",
                          "has no meaning: EXISTS only asks whether the attribute is there; "
                          "remove it");
        }
    } else if (has_values) {
        reader.refuse("values", reader.name() + " compares with one value: write \"value\"");
    } else if (!has_value) {
        reader.refuse("value", "is missing: give " + reader.name() + " what to compare with");
    } else if (reader.operand == Operand::kNumber) {
        read_number(reader, value);
    } else if (reader.operand == Operand::kDate) {
        read_date(reader, value);
    } else if (reader.operand == Operand::kVersion) {
        read_version(reader, value);
    } else {
        read_pattern(reader, value);
    }
}

void read_case(ConstraintReader& reader) {
    if (!read_truth(reader, "case_insensitive")) {
        return;
    }
    const bool is_text = reader.operand == Operand::kScalars || reader.operand == Operand::kTexts;
    if (!is_text && reader.operand != Operand::kPattern) {
        reader.problems.warn(place_of(reader.place, "case_insensitive"),
                             "means nothing to " + reader.name() + " and is ignored: remove it");
        return;
    }
    reader.condition.is_case_insensitive = true;
    if (is_text) {  // a pattern stays: \D is not \d
        std::ranges::transform(reader.condition.values, reader.condition.values.begin(), lower);
    }
}

}  // namespace

Condition read_constraint(const object& json, const std::string& place, FlagProblems& problems) {
    ConstraintReader reader{json, place, problems};
    read_attribute(reader);
    reader.condition.is_inverted = read_truth(reader, "inverted");
    if (read_operator(reader)) {
        read_operand(reader);
        read_case(reader);
    }
    return std::move(reader.condition);
}

std::string_view to_string(Operator operation) {
    return kOperators.at(static_cast<std::size_t>(operation)).name;
}

}  // namespace burgee::sync
