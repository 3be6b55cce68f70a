// is_storable_json_object() of event_check.hpp: a small checker of RFC 8259 with PostgreSQL's own
// limits, because a parser that is more lenient than jsonb would let a batch fail at upload.

#include <cctype>
#include <cstddef>
#include <string_view>

#include "daemon/event_check.hpp"

namespace burgee::daemon {
namespace {

bool is_digit(char each) {
    return each >= '0' && each <= '9';
}

class JsonChecker {
public:
    explicit JsonChecker(std::string_view text) : text_(text) {}

    bool is_object() {
        skip_space();
        if (peek() != '{' || !value(0)) {
            return false;
        }
        skip_space();
        return at_ == text_.size();
    }

private:
    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    bool take(char expected) {
        const bool is_there = peek() == expected && at_ < text_.size();
        at_ += is_there ? 1U : 0U;
        return is_there;
    }
    bool take_word(std::string_view word) {
        const bool is_there = text_.substr(at_).starts_with(word);
        at_ += is_there ? word.size() : 0;
        return is_there;
    }
    void skip_space() {
        while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') {
            ++at_;
        }
    }

    bool value(int depth) {
        skip_space();
        switch (peek()) {
            case '{':
                return depth < kMetadataDepthMax && members('}', true, depth);
            case '[':
                return depth < kMetadataDepthMax && members(']', false, depth);
            case '"':
                return string();
            case 't':
                return take_word("true");
            case 'f':
                return take_word("false");
            case 'n':
                return take_word("null");
            default:
                return number();
        }
    }

    bool members(char close, bool has_keys, int depth) {
        ++at_;
        skip_space();
        if (take(close)) {
            return true;
        }
        do {
            skip_space();
            if (has_keys) {
                if (!string()) {
                    return false;
                }
                skip_space();
                if (!take(':')) {
                    return false;
                }
            }
            if (!value(depth + 1)) {
                return false;
            }
            skip_space();
        } while (take(','));
        return take(close);
    }

    bool string() {
        if (!take('"')) {
            return false;
        }
        while (at_ < text_.size()) {
            const char each = text_[at_++];
            if (each == '"') {
                return true;
            }
            if (static_cast<unsigned char>(each) < 0x20 || (each == '\\' && !escape())) {
                return false;
            }
        }
        return false;
    }

    bool escape() {
        const char kind = peek();
        if (kind != 'u') {
            ++at_;
            return kind != '\0' &&
                   std::string_view("\"\\/bfnrt").find(kind) != std::string_view::npos;
        }
        ++at_;
        const int unit = hex_digits();
        if (unit <= 0 || (unit >= 0xDC00 && unit <= 0xDFFF)) {
            return false;  // \u0000 has no place in a text, a low surrogate needs its high one
        }
        if (unit < 0xD800 || unit > 0xDBFF) {
            return true;
        }
        if (!take_word("\\u")) {
            return false;
        }
        const int low = hex_digits();
        return low >= 0xDC00 && low <= 0xDFFF;
    }

    /// @return the number that four hexadecimal digits name, or -1.
    int hex_digits() {
        int number = 0;
        for (int count = 0; count < 4; ++count, ++at_) {
            const char each = peek();
            if (std::isxdigit(static_cast<unsigned char>(each)) == 0) {
                return -1;
            }
            const int digit = is_digit(each) ? each - '0' : (each | 0x20) - 'a' + 10;
            number = number * 16 + digit;
        }
        return number;
    }

    bool digits() {
        const std::size_t begin = at_;
        while (is_digit(peek())) {
            ++at_;
        }
        return at_ > begin;
    }

    bool number() {
        take('-');
        if (!take('0') && !digits()) {
            return false;
        }
        if (take('.') && !digits()) {
            return false;
        }
        return !(take('e') || take('E')) || exponent();
    }

    bool exponent() {
        if (!take('-')) {
            take('+');
        }
        int size = 0;
        const std::size_t begin = at_;
        for (; is_digit(peek()); ++at_) {
            size = size > kMetadataExponentMax ? size : size * 10 + (peek() - '0');
        }
        return at_ > begin && size <= kMetadataExponentMax;
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace

bool is_storable_json_object(std::string_view text) {
    return is_storable_text(text) && JsonChecker(text).is_object();
}

}  // namespace burgee::daemon
