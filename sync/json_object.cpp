#include "sync/json_object.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

#include "shm/suggestion.hpp"
#include "sync/flag_text.hpp"

namespace burgee::sync {
namespace {

constexpr std::string_view kBeyond = "1.0e300";  // larger than any number a check takes

bool is_digit(char letter) {
    return letter >= '0' && letter <= '9';
}

/// The bytes of the JSON string that starts at the quote text[at].
std::size_t string_size(std::string_view text, std::size_t at) {
    std::size_t end = at + 1;
    while (end < text.size() && text[end] != '"') {
        end += text[end] == '\\' ? 2U : 1U;
    }
    return std::min(end + 1, text.size()) - at;
}

bool fits_64_bits(std::string_view integer) {
    const auto parses = [&](auto value) {
        return std::from_chars(integer.data(), integer.data() + integer.size(), value).ec ==
               std::errc();
    };
    return parses(std::int64_t{}) || parses(std::uint64_t{});
}

/// `text` with every integer beyond 64 bits replaced. Cost: linear.
std::string with_readable_numbers(std::string_view text) {
    std::string readable;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t size = 1;
        if (text[at] == '"') {
            size = string_size(text, at);
        } else if (is_digit(text[at]) || text[at] == '-') {
            while (at + size < text.size() && is_digit(text[at + size])) {
                ++size;
            }
            const char next = at + size < text.size() ? text[at + size] : ' ';
            const bool is_integer = next != '.' && next != 'e' && next != 'E';
            const bool is_after_fraction =
                at > 0 && (text[at - 1] == '.' || text[at - 1] == 'e' || text[at - 1] == 'E' ||
                           text[at - 1] == '+' || text[at - 1] == '-');
            if (is_integer && !is_after_fraction && size > 1 &&
                !fits_64_bits(text.substr(at, size))) {
                readable += kBeyond;
                at += size;
                continue;
            }
        }
        readable += text.substr(at, size);
        at += size;
    }
    return readable;
}

}  // namespace

simdjson::error_code parse_json(simdjson::dom::parser& parser, const std::string& text,
                                simdjson::dom::element& document) {
    const simdjson::error_code error = parser.parse(text).get(document);
    return error == simdjson::NUMBER_ERROR ? parser.parse(with_readable_numbers(text)).get(document)
                                           : error;
}

bool is_present(const simdjson::dom::object& object, std::string_view key,
                simdjson::dom::element& value) {
    return object[key].get(value) == simdjson::SUCCESS && !value.is_null();
}

std::string place_of(const std::string& place, std::string_view key) {
    return place + "." + shown_text(key);
}

std::string place_of(const std::string& place, std::size_t index) {
    return place + "[" + std::to_string(index) + "]";
}

void refuse_unknown_keys(const simdjson::dom::object& object,
                         std::span<const std::string_view> known, const std::string& place,
                         FlagProblems& problems) {
    for (const auto& [key, value] : object) {
        if (std::find(known.begin(), known.end(), key) == known.end()) {
            problems.refuse(
                place_of(place, key),
                "is not known: remove it or correct its spelling" + meant(key, known, problems));
        }
    }
}

std::string meant(std::string_view word, std::span<const std::string_view> known,
                  const FlagProblems& problems) {
    return problems.has_room()
               ? did_you_mean(word, std::vector<std::string>(known.begin(), known.end()))
               : "";
}

}  // namespace burgee::sync
