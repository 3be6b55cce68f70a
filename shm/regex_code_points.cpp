#include "shm/regex_code_points.hpp"

#include <algorithm>

namespace burgee {
namespace {

constexpr std::array<char32_t, 3> kSizeBorders{0x7F, 0x7FF, 0xFFFF};  // last of 1, 2, 3 bytes
constexpr char32_t kCaseDistance = U'a' - U'A';
constexpr char32_t kBeforeSurrogates = kSurrogateFirst - 1;
constexpr char32_t kAfterSurrogates = kSurrogateLast + 1;

std::size_t spell(char32_t code_point, std::array<std::uint8_t, 4>& bytes) {
    const auto tail = [&](unsigned shift) {
        return static_cast<std::uint8_t>(0x80U | (code_point >> shift & 0x3FU));
    };
    if (code_point <= kSizeBorders[0]) {
        bytes[0] = static_cast<std::uint8_t>(code_point);
        return 1;
    }
    if (code_point <= kSizeBorders[1]) {
        bytes = {static_cast<std::uint8_t>(0xC0U | code_point >> 6U), tail(0)};
        return 2;
    }
    if (code_point <= kSizeBorders[2]) {
        bytes = {static_cast<std::uint8_t>(0xE0U | code_point >> 12U), tail(6), tail(0)};
        return 3;
    }
    bytes = {static_cast<std::uint8_t>(0xF0U | code_point >> 18U), tail(12), tail(6), tail(0)};
    return 4;
}

/// Where `range` has to be cut so that its first part may become one sequence; its last code point
/// if it needs no cut. One sequence spans one size, and varies in a byte only if all bytes behind
/// take all their values.
char32_t first_cut(CodePointRange range) {
    for (const char32_t border : kSizeBorders) {
        if (range.first <= border && range.last > border) {
            return border;
        }
    }
    if (range.last <= kSizeBorders[0]) {
        return range.last;
    }
    for (unsigned tail_count = 1; tail_count <= 3; ++tail_count) {
        const char32_t mask = (char32_t{1} << (6 * tail_count)) - 1;
        if ((range.first & ~mask) == (range.last & ~mask)) {
            continue;
        }
        if ((range.first & mask) != 0) {
            return range.first | mask;
        }
        if ((range.last & mask) != mask) {
            return (range.last & ~mask) - 1;
        }
    }
    return range.last;
}

void append_without_surrogates(CodePointRange range, std::vector<ByteSequence>& out) {
    while (true) {
        // Cutting a first part may leave more to cut in it: go down until nothing is.
        CodePointRange part = range;
        for (char32_t cut = first_cut(part); cut != part.last; cut = first_cut(part)) {
            part.last = cut;
        }
        std::array<std::uint8_t, 4> first{};
        std::array<std::uint8_t, 4> last{};
        ByteSequence sequence{};
        sequence.size = spell(part.first, first);
        spell(part.last, last);
        for (std::size_t i = 0; i < sequence.size; ++i) {
            sequence.ranges[i] = {first[i], last[i]};
        }
        out.push_back(sequence);
        if (part.last == range.last) {
            return;
        }
        range.first = part.last + 1;
    }
}

}  // namespace

void finish_set(CodePointSet& set) {
    std::sort(set.begin(), set.end(), [](const CodePointRange& left, const CodePointRange& right) {
        return left.first < right.first;
    });
    std::size_t count = 0;
    for (const CodePointRange range : set) {
        if (count > 0 && range.first <= set[count - 1].last + 1) {
            set[count - 1].last = std::max(set[count - 1].last, range.last);
        } else {
            set[count++] = range;
        }
    }
    set.resize(count);
}

CodePointSet complement_of(const CodePointSet& set) {
    CodePointSet out;
    char32_t next = 0;
    const auto add_gap = [&](char32_t first, char32_t end) {
        if (first < end) {
            out.push_back({first, end - 1});
        }
    };
    const auto add_characters = [&](char32_t first, char32_t end) {
        add_gap(first, std::min(end, kSurrogateFirst));
        add_gap(std::max(first, kAfterSurrogates), end);
    };
    for (const CodePointRange range : set) {
        add_characters(next, range.first);
        next = range.last + 1;
    }
    add_characters(next, kCodePointMax + 1);
    return out;
}

void add_other_ascii_case(CodePointSet& set) {
    const std::size_t count = set.size();
    for (std::size_t i = 0; i < count; ++i) {
        const CodePointRange range = set[i];
        const CodePointRange upper{std::max(range.first, U'A'), std::min(range.last, U'Z')};
        if (upper.first <= upper.last) {
            set.push_back({upper.first + kCaseDistance, upper.last + kCaseDistance});
        }
        const CodePointRange lower{std::max(range.first, U'a'), std::min(range.last, U'z')};
        if (lower.first <= lower.last) {
            set.push_back({lower.first - kCaseDistance, lower.last - kCaseDistance});
        }
    }
}

CodePoint first_code_point(std::string_view text) {
    if (text.empty()) {
        return {};
    }
    const auto lead = static_cast<unsigned char>(text.front());
    if (lead < 0x80) {
        return {lead, 1};
    }
    const std::size_t size = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (size == 0 || lead > 0xF4 || text.size() < size) {
        return {};
    }
    char32_t value = lead & (0xFFU >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if ((byte & 0xC0U) != 0x80) {
            return {};
        }
        value = value << 6U | (byte & 0x3FU);
    }
    const bool is_overlong = size > 2 && value <= kSizeBorders[size - 2];
    const bool is_surrogate = value >= kSurrogateFirst && value <= kSurrogateLast;
    if (is_overlong || is_surrogate || value > kCodePointMax) {
        return {};
    }
    return {value, size};
}

void append_byte_sequences(CodePointRange range, std::vector<ByteSequence>& out) {
    if (range.first < kSurrogateFirst) {
        append_without_surrogates({range.first, std::min(range.last, kBeforeSurrogates)}, out);
    }
    if (range.last > kSurrogateLast) {
        append_without_surrogates({std::max(range.first, kAfterSurrogates), range.last}, out);
    }
}

}  // namespace burgee
