#include "sync/question_line.hpp"

#include <simdjson.h>

#include "shm/suggestion.hpp"
#include "sync/flag_text.hpp"

namespace burgee::sync {

struct QuestionReader::Parser {
    simdjson::dom::parser parser;
};

namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

std::string complaint_about(simdjson::error_code error) {
    if (error == simdjson::EMPTY) {
        return "the line is empty: write {\"flag\": ..., \"context\": {...}}";
    }
    if (error == simdjson::NUMBER_ERROR) {
        return "holds a malformed number, or one beyond 64 bits: write it as a string";
    }
    return std::string("is not JSON (") + simdjson::error_message(error) + ")";
}

/// The value of an attribute, or nothing when it is of a kind that none has.
std::optional<AttributeValue> attribute_value(const element& value) {
    switch (value.type()) {
        case element_type::STRING:
            return value.get_string().value_unsafe();
        case element_type::BOOL:
            return value.get_bool().value_unsafe();
        case element_type::INT64:
            return value.get_int64().value_unsafe();
        case element_type::UINT64:
            return value.get_uint64().value_unsafe();
        case element_type::DOUBLE:
            return value.get_double().value_unsafe();
        default:
            return std::nullopt;
    }
}

void read_context(const element& value, Question& question) {
    simdjson::dom::object context;
    if (value.get(context) != simdjson::SUCCESS) {
        question.complaint = "context is no object: write {\"user_id\": ...}";
        return;
    }
    for (const auto& [name, attribute] : context) {
        if (attribute.is_null()) {
            continue;  // as if it were not there
        }
        const std::optional<AttributeValue> plain = attribute_value(attribute);
        if (!plain) {
            question.complaint = "context." + shown_text(name) +
                                 " is an array or an object: give a string, number or boolean";
            return;
        }
        question.context.emplace_back(name, *plain);
    }
}

void read_member(std::string_view key, const element& value, Question& question) {
    std::string_view flag;
    if (key == "context") {
        read_context(value, question);
    } else if (key != "flag") {
        question.complaint =
            shown_text(key) + " is not known" + did_you_mean(key, {"flag", "context"});
    } else if (value.get(flag) == simdjson::SUCCESS) {
        question.flag = flag;
    } else {
        question.complaint = "flag is no string: give the flag's name";
    }
}

}  // namespace

QuestionReader::QuestionReader() : parser_(std::make_unique<Parser>()) {}

QuestionReader::~QuestionReader() = default;

Question QuestionReader::read(std::string_view line) {
    Question question;
    element document;
    const simdjson::error_code error =
        parser_->parser.parse(line.data(), line.size()).get(document);
    simdjson::dom::object members;
    if (error != simdjson::SUCCESS) {
        question.complaint = complaint_about(error);
        return question;
    }
    if (document.get(members) != simdjson::SUCCESS) {
        question.complaint = "is no JSON object: write {\"flag\": ..., \"context\": {...}}";
        return question;
    }
    for (const auto& [key, value] : members) {
        if (!question.complaint) {
            read_member(key, value, question);
        }
    }
    return question;
}

}  // namespace burgee::sync
