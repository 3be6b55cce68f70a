#include "shm/json_text.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "shm/assertion.hpp"

namespace burgee {
namespace {

/// Bytes of the valid UTF-8 sequence that starts `text`, or 0. Overlong forms, surrogates and
/// anything beyond U+10FFFF are invalid (RFC 3629, section 4).
std::size_t utf8_sequence_size(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto continues = [&](std::size_t i, unsigned low, unsigned high) {
        return i < text.size() && byte(i) >= low && byte(i) <= high;
    };
    const unsigned first = byte(0);
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        return continues(1, 0x80, 0xBF) ? 2 : 0;
    }
    if (first >= 0xE0 && first <= 0xEF) {
        const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
        const unsigned high = first == 0xED ? 0x9F : 0xBF;
        return continues(1, low, high) && continues(2, 0x80, 0xBF) ? 3 : 0;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        const unsigned low = first == 0xF0 ? 0x90 : 0x80;
        const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
        const bool is_whole =
            continues(1, low, high) && continues(2, 0x80, 0xBF) && continues(3, 0x80, 0xBF);
        return is_whole ? 4 : 0;
    }
    return 0;
}

void append_control(std::string& out, unsigned char byte) {
    constexpr std::string_view kHex = "0123456789abcdef";
    switch (byte) {
        case '\n':
            out += "\\n";
            return;
        case '\t':
            out += "\\t";
            return;
        case '\r':
            out += "\\r";
            return;
        default:
            out += "\\u00";
            out += kHex[byte >> 4U];
            out += kHex[byte & 15U];
    }
}

}  // namespace

std::string json_quoted(std::string_view text) {
    std::string out;
    out.reserve(text.size() + 2);
    out += '"';
    while (!text.empty()) {
        const auto byte = static_cast<unsigned char>(text.front());
        std::size_t size = utf8_sequence_size(text);
        if (size == 0) {
            out += "\xEF\xBF\xBD";
            size = 1;
        } else if (byte == '"' || byte == '\\') {
            out += '\\';
            out += text.front();
        } else if (byte < 0x20 || byte == 0x7F) {
            append_control(out, byte);
        } else {
            out.append(text.substr(0, size));
        }
        text.remove_prefix(size);
    }
    out += '"';
    return out;
}

std::string json_number(double value) {
    if (!std::isfinite(value)) {
        return "null";
    }
    std::array<char, 32> digits{};
    const auto [end, error] = std::to_chars(digits.begin(), digits.end(), value);
    BURGEE_ASSERT(error == std::errc{});
    return {digits.begin(), end};
}

void JsonWriter::new_line() {
    if (style_ == Style::kPretty) {
        text_ += '\n';
        text_.append(2 * levels_.size(), ' ');
    }
}

void JsonWriter::before_value() {
    if (has_key_) {
        has_key_ = false;
        return;
    }
    if (levels_.empty()) {
        BURGEE_ASSERT(text_.empty() && "one document, one value");
        return;
    }
    BURGEE_ASSERT(levels_.back().close == ']' && "a member of an object needs a key");
    if (!std::exchange(levels_.back().is_empty, false)) {
        text_ += ',';
    }
    new_line();
}

void JsonWriter::open(char bracket, char close) {
    before_value();
    text_ += bracket;
    levels_.push_back({close, true});
}

void JsonWriter::close(char bracket) {
    BURGEE_ASSERT(!levels_.empty() && levels_.back().close == bracket && !has_key_);
    const bool is_empty = levels_.back().is_empty;
    levels_.pop_back();
    if (!is_empty) {
        new_line();
    }
    text_ += bracket;
}

JsonWriter& JsonWriter::begin_object() {
    open('{', '}');
    return *this;
}

JsonWriter& JsonWriter::end_object() {
    close('}');
    return *this;
}

JsonWriter& JsonWriter::begin_array() {
    open('[', ']');
    return *this;
}

JsonWriter& JsonWriter::end_array() {
    close(']');
    return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
    BURGEE_ASSERT(!levels_.empty() && levels_.back().close == '}' && !has_key_);
    if (!std::exchange(levels_.back().is_empty, false)) {
        text_ += ',';
    }
    new_line();
    text_ += json_quoted(name);
    text_ += style_ == Style::kPretty ? ": " : ":";
    has_key_ = true;
    return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
    before_value();
    text_ += json_quoted(text);
    return *this;
}

JsonWriter& JsonWriter::value(double number) {
    before_value();
    text_ += json_number(number);
    return *this;
}

JsonWriter& JsonWriter::value(std::int64_t number) {
    before_value();
    text_ += std::to_string(number);
    return *this;
}

JsonWriter& JsonWriter::value(std::uint64_t number) {
    before_value();
    text_ += std::to_string(number);
    return *this;
}

JsonWriter& JsonWriter::value(bool truth) {
    before_value();
    text_ += truth ? "true" : "false";
    return *this;
}

JsonWriter& JsonWriter::null() {
    before_value();
    text_ += "null";
    return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
    before_value();
    text_ += json;
    return *this;
}

std::string JsonWriter::take() {
    BURGEE_ASSERT(levels_.empty() && !has_key_);
    return std::exchange(text_, {});
}

}  // namespace burgee
