// One pass over the text that knows strings and brackets, and nothing else.

#include "cli/json_parts.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>

#include "cli/exit_code.hpp"
#include "shm/json_text.hpp"

namespace burgee::cli {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(kSpace);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

/// Where the string that opens at `position` has its closing quote; the end if it has none.
std::size_t end_of_string(std::string_view text, std::size_t position) {
    for (++position; position < text.size(); ++position) {
        if (text[position] == '\\') {
            ++position;
        } else if (text[position] == '"') {
            return position;
        }
    }
    return text.size();
}

/// The parts of `inside` between separators that stand in no string and no bracket.
std::vector<std::string_view> split(std::string_view inside, char separator, std::size_t part_max) {
    std::vector<std::string_view> parts;
    std::size_t depth = 0;
    std::size_t begin = 0;
    for (std::size_t position = 0; position < inside.size(); ++position) {
        const char letter = inside[position];
        if (letter == '"') {
            position = end_of_string(inside, position);
        } else if (letter == '{' || letter == '[') {
            ++depth;
        } else if (letter == '}' || letter == ']') {
            depth -= depth > 0 ? 1 : 0;
        } else if (letter == separator && depth == 0 && parts.size() + 1 < part_max) {
            parts.push_back(trimmed(inside.substr(begin, position - begin)));
            begin = position + 1;
        }
    }
    const std::string_view last = trimmed(inside.substr(begin));
    if (!last.empty() || !parts.empty()) {
        parts.push_back(last);
    }
    return parts;
}

std::optional<std::string_view> inside_of(std::string_view text, char open, char close) {
    text = trimmed(text);
    if (text.size() < 2 || text.front() != open || text.back() != close) {
        return std::nullopt;
    }
    return text.substr(1, text.size() - 2);
}

std::string_view without_quotes(std::string_view text) {
    return inside_of(text, '"', '"').value_or(text);
}

char escaped_letter(char letter) {
    constexpr std::string_view kLetters = "nrtbf";
    constexpr std::string_view kMeanings = "\n\r\t\b\f";
    const std::size_t position = kLetters.find(letter);
    return position == std::string_view::npos ? letter : kMeanings[position];
}

constexpr std::uint32_t kReplacement = 0xFFFD;

/// The number behind "\uXXXX" at the front of `text`, which loses it; kReplacement for odd digits.
std::uint32_t take_unit(std::string_view& text) {
    constexpr std::size_t kEscapeSize = 6;
    std::uint32_t unit = kReplacement;
    const std::string_view digits = text.substr(2, kEscapeSize - 2);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), unit, 16);
    text.remove_prefix(std::min(text.size(), kEscapeSize));
    const bool is_read = error == std::errc{} && end == digits.data() + digits.size();
    return is_read && digits.size() == kEscapeSize - 2 ? unit : kReplacement;
}

/// The same for a character, which may take two of them. Source: RFC 8259, section 7.
std::uint32_t take_code_point(std::string_view& text) {
    const std::uint32_t first = take_unit(text);
    const bool is_first_half = first >= 0xD800 && first < 0xDC00;
    if (is_first_half && text.starts_with("\\u")) {
        const std::uint32_t second = take_unit(text);
        return second >= 0xDC00 && second < 0xE000
                   ? 0x10000 + ((first - 0xD800) << 10U) + (second - 0xDC00)
                   : kReplacement;
    }
    return first >= 0xD800 && first < 0xE000 ? kReplacement : first;
}

void append_utf8(std::string& text, std::uint32_t code_point) {
    const auto tail = [&](unsigned shift) {
        text += static_cast<char>(0x80U | (code_point >> shift & 0x3FU));
    };
    if (code_point < 0x80) {
        text += static_cast<char>(code_point);
    } else if (code_point < 0x800) {
        text += static_cast<char>(0xC0U | code_point >> 6U);
        tail(0);
    } else if (code_point < 0x10000) {
        text += static_cast<char>(0xE0U | code_point >> 12U);
        tail(6);
        tail(0);
    } else {
        text += static_cast<char>(0xF0U | code_point >> 18U);
        tail(12);
        tail(6);
        tail(0);
    }
}

}  // namespace

std::optional<std::vector<JsonMember>> json_members(std::string_view text) {
    const auto inside = inside_of(text, '{', '}');
    if (!inside) {
        return std::nullopt;
    }
    std::vector<JsonMember> members;
    for (const std::string_view member : split(*inside, ',', std::string_view::npos)) {
        const auto sides = split(member, ':', 2);
        if (sides.size() != 2) {
            return std::nullopt;
        }
        members.push_back({std::string(without_quotes(sides[0])), std::string(sides[1])});
    }
    return members;
}

std::optional<std::vector<std::string>> json_elements(std::string_view text) {
    const auto inside = inside_of(text, '[', ']');
    if (!inside) {
        return std::nullopt;
    }
    const auto parts = split(*inside, ',', std::string_view::npos);
    return std::vector<std::string>(parts.begin(), parts.end());
}

std::optional<std::string> json_member(std::string_view text, std::string_view key) {
    for (const JsonMember& member : json_members(text).value_or(std::vector<JsonMember>{})) {
        if (member.key == key) {
            return member.value;
        }
    }
    return std::nullopt;
}

std::string json_with(std::string_view text, std::string_view key, std::string_view value) {
    auto members = json_members(text);
    if (!members) {
        throw Failure(ExitCode::kUsage, "not a JSON object: " + std::string(text.substr(0, 80)));
    }
    bool is_replaced = false;
    for (JsonMember& member : *members) {
        if (member.key == key) {
            member.value = value;
            is_replaced = true;
        }
    }
    if (!is_replaced) {
        members->push_back({std::string(key), std::string(value)});
    }
    std::string all;
    for (const JsonMember& member : *members) {
        all += (all.empty() ? "\"" : ", \"") + member.key + "\": " + member.value;
    }
    return "{" + all + "}";
}

std::string json_plain(std::string_view value) {
    const auto inside = inside_of(value, '"', '"');
    if (!inside) {
        return std::string(value);
    }
    std::string plain;
    for (std::string_view rest = *inside; !rest.empty();) {
        if (rest.front() != '\\' || rest.size() == 1) {
            plain += rest.front();
            rest.remove_prefix(1);
        } else if (rest[1] == 'u') {
            append_utf8(plain, take_code_point(rest));
        } else {
            plain += escaped_letter(rest[1]);
            rest.remove_prefix(2);
        }
    }
    return plain;
}

}  // namespace burgee::cli
