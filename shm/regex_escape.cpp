#include "shm/regex_escape.hpp"

#include "shm/assertion.hpp"

namespace burgee {
namespace {

constexpr std::size_t kHexDigitCountMax = 6;  // of \x{...}: 10FFFF

bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}
bool is_letter(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}
bool is_punctuation(char byte) {
    return byte >= ' ' && byte <= '~' && !is_digit(byte) && !is_letter(byte);
}

int hex_digit(char byte) {
    return is_digit(byte)               ? byte - '0'
           : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
           : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                        : -1;
}

RegexEscape refused(std::string refusal) {
    RegexEscape escape;
    escape.refusal = std::move(refusal);
    return escape;
}

RegexEscape code_point_of(char32_t value, std::size_t size) {
    RegexEscape escape;
    escape.characters = {{value, value}};
    escape.size = size;
    return escape;
}

RegexEscape class_of(CodePointSet set, bool is_negated) {
    RegexEscape escape;
    finish_set(set);
    escape.characters = is_negated ? complement_of(set) : std::move(set);
    escape.is_class = true;
    escape.size = 2;
    return escape;
}

/// \xHH and \x{H...}; `text` starts with the backslash.
RegexEscape read_hex(std::string_view text) {
    const bool is_braced = text.size() > 2 && text[2] == '{';
    std::size_t size = is_braced ? 3 : 2;
    const std::size_t digits_end = size + (is_braced ? kHexDigitCountMax : 2);
    char32_t value = 0;
    std::size_t digit_count = 0;
    for (; size < text.size() && size < digits_end && hex_digit(text[size]) >= 0; ++size) {
        value = value * 16 + static_cast<char32_t>(hex_digit(text[size]));
        ++digit_count;
    }
    const bool is_closed = is_braced ? size < text.size() && text[size] == '}' : digit_count == 2;
    if (digit_count == 0 || !is_closed) {
        return refused(
            "\\x needs two hexadecimal digits, or up to six in braces: write \\x41 or "
            "\\x{20AC}");
    }
    if (value > kCodePointMax || (value >= kSurrogateFirst && value <= kSurrogateLast)) {
        return refused("\\x{...} names no character of Unicode: 0 to 10FFFF without D800 to DFFF");
    }
    return code_point_of(value, size + (is_braced ? 1 : 0));
}

std::string refusal_of(char letter) {
    const std::string escape{'\\', letter};
    switch (letter) {
        case 'b':
        case 'B':
            return escape +
                   " (word border) is not supported: spell out what may stand beside the "
                   "word, such as (^|\\W)";
        case 'A':
            return escape + " is not supported: write ^";
        case 'z':
        case 'Z':
            return escape + " is not supported: write $";
        case 'p':
        case 'P':
            return escape + " (Unicode properties) is not supported: write a class of ranges";
        case 'u':
        case 'U':
            return escape + " is not supported: write \\x{...}";
        case 'k':
            return escape + " is a backreference, which no regex of bounded time has: spell it out";
        case '0':
            return escape + " is not supported: write \\x00";
        default:
            break;
    }
    if (is_digit(letter)) {
        return escape + " is a backreference, which no regex of bounded time has: spell it out";
    }
    return escape + " has no meaning here: leave the backslash out";
}

}  // namespace

RegexEscape read_regex_escape(std::string_view text) {
    BURGEE_ASSERT(!text.empty() && text.front() == '\\');
    if (text.size() < 2) {
        return refused("a backslash ends the pattern: write \\\\ for a backslash");
    }
    const char letter = text[1];
    switch (letter) {
        case 'd':
        case 'D':
            return class_of({{U'0', U'9'}}, letter == 'D');
        case 'w':
        case 'W':
            return class_of({{U'0', U'9'}, {U'A', U'Z'}, {U'_', U'_'}, {U'a', U'z'}},
                            letter == 'W');
        case 's':
        case 'S':
            return class_of({{U'\t', U'\r'}, {U' ', U' '}}, letter == 'S');
        case 't':
            return code_point_of(U'\t', 2);
        case 'n':
            return code_point_of(U'\n', 2);
        case 'r':
            return code_point_of(U'\r', 2);
        case 'f':
            return code_point_of(U'\f', 2);
        case 'v':
            return code_point_of(U'\v', 2);
        case 'x':
            return read_hex(text);
        default:
            break;
    }
    if (is_punctuation(letter)) {
        return code_point_of(static_cast<unsigned char>(letter), 2);
    }
    if (is_digit(letter) || is_letter(letter)) {
        return refused(refusal_of(letter));
    }
    return refused("only ASCII punctuation is escaped: leave the backslash out");
}

}  // namespace burgee
