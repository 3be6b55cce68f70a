#include "sync/flag_text.hpp"

#include <array>
#include <cstdint>
#include <cstdio>

namespace burgee::sync {
namespace {

constexpr std::size_t kShownSizeMax = 80;  // one line of a terminal

struct CodePoint {
    std::uint32_t value = 0;
    std::size_t size_bytes = 0;  // 0: not UTF-8
};

/// The first code point of `text`, which is not empty. Source: RFC 3629, section 4.
CodePoint first_code_point(std::string_view text) {
    struct Form {
        std::uint8_t lead_mask, lead, size_bytes;
        std::uint32_t smallest;
    };
    static constexpr std::array<Form, 4> kForms = {{{0x80, 0x00, 1, 0},
                                                    {0xE0, 0xC0, 2, 0x80},
                                                    {0xF0, 0xE0, 3, 0x800},
                                                    {0xF8, 0xF0, 4, 0x10000}}};
    const auto lead = static_cast<std::uint8_t>(text[0]);
    for (const Form& form : kForms) {
        if ((lead & form.lead_mask) != form.lead) {
            continue;
        }
        if (text.size() < form.size_bytes) {
            return {};
        }
        auto value = static_cast<std::uint32_t>(lead & ~form.lead_mask & 0xFF);
        for (std::size_t index = 1; index < form.size_bytes; ++index) {
            const auto byte = static_cast<std::uint8_t>(text[index]);
            if ((byte & 0xC0) != 0x80) {
                return {};
            }
            value = value << 6 | (byte & 0x3FU);
        }
        const bool is_legal =
            value >= form.smallest && value <= 0x10FFFF && (value < 0xD800 || value > 0xDFFF);
        return is_legal ? CodePoint{value, form.size_bytes} : CodePoint{};
    }
    return {};
}

/// C0, DEL, C1, and the marks of Unicode's bidirectional algorithm (UAX 9), which can make one name
/// look like another.
bool is_hidden(std::uint32_t value) {
    return value < 0x20 || (value >= 0x7F && value <= 0x9F) || value == 0x061C ||
           (value >= 0x200E && value <= 0x200F) || (value >= 0x2028 && value <= 0x202E) ||
           (value >= 0x2066 && value <= 0x2069);
}

}  // namespace

bool is_strict_utf8(std::string_view text) {
    while (!text.empty()) {
        const CodePoint next = first_code_point(text);
        if (next.size_bytes == 0) {
            return false;
        }
        text.remove_prefix(next.size_bytes);
    }
    return true;
}

std::optional<std::string> name_complaint(std::string_view text, std::size_t size_max) {
    if (text.empty()) {
        return "is empty: give it a name";
    }
    if (text.size() > size_max) {
        return "has " + std::to_string(text.size()) + " bytes: shorten it to " +
               std::to_string(size_max);
    }
    for (std::string_view rest = text; !rest.empty();) {
        const CodePoint next = first_code_point(rest);
        if (next.size_bytes == 0) {
            return "is not UTF-8 at byte " + std::to_string(text.size() - rest.size()) +
                   ": rename it";
        }
        if (is_hidden(next.value)) {
            return "holds a control or direction character at byte " +
                   std::to_string(text.size() - rest.size()) + ": rename it";
        }
        rest.remove_prefix(next.size_bytes);
    }
    return std::nullopt;
}

std::string shown_text(std::string_view text) {
    std::string shown;
    while (!text.empty()) {
        if (shown.size() >= kShownSizeMax) {
            return shown + "...";
        }
        const CodePoint next = first_code_point(text);
        if (next.size_bytes == 0 || is_hidden(next.value)) {
            std::array<char, 5> escaped{};
            std::snprintf(escaped.data(), escaped.size(), "\\x%02x",
                          static_cast<unsigned char>(text[0]));
            shown += escaped.data();
            text.remove_prefix(1);
        } else {
            shown += text.substr(0, next.size_bytes);
            text.remove_prefix(next.size_bytes);
        }
    }
    return shown;
}

}  // namespace burgee::sync
