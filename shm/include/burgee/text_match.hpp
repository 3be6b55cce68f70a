#pragma once

// Comparing texts for IN and the STR_* operators, byte by byte, or with the case of the letters A
// to Z ignored. Folding is ASCII only, so that every language gives the same answer: a small "é" is
// not a capital one. The daemon folds a flag's constants once; a check folds the attribute as it
// goes.
//
// Every call is linear in its texts, also for texts made to be slow: see detail::has_part().

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace burgee {

/// The small letter of A to Z; every other byte as it is, parts of UTF-8 characters too.
constexpr char ascii_lower(char character) noexcept {
    const bool is_capital = character >= 'A' && character <= 'Z';
    return static_cast<char>(character | (is_capital ? 0x20 : 0));
}

namespace detail {

inline constexpr std::size_t kWordSize = sizeof(std::uint64_t);
inline constexpr std::uint64_t kEachByte = 0x0101'0101'0101'0101;  // times a byte: eight of it

inline std::uint64_t load_word(const char* bytes) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, kWordSize);
    return word;
}

/// ascii_lower() of eight bytes at once. Adding to the low seven bits carries into the eighth when
/// the letter is at least 'A', or beyond 'Z'; where only the first happens, 0x20 is set.
constexpr std::uint64_t lower_word(std::uint64_t word) noexcept {
    const std::uint64_t low = word & (kEachByte * 0x7F);
    const std::uint64_t from_a = low + kEachByte * (0x80 - 'A');
    const std::uint64_t beyond_z = low + kEachByte * (0x7F - 'Z');
    const std::uint64_t is_capital = (from_a ^ beyond_z) & ~word & (kEachByte * 0x80);
    return word | (is_capital >> 2U);
}

/// How a search reads a text: as it is, or folded. find() gives the first place in [from, end) of a
/// byte, or end.
struct AsItIs {
    char operator()(char character) noexcept { return character; }
    std::size_t find(std::string_view text, std::size_t from, std::size_t end,
                     char wanted) noexcept {
        const void* place =
            from < end ? std::memchr(text.data() + from, wanted, end - from) : nullptr;
        return place == nullptr
                   ? end
                   : static_cast<std::size_t>(static_cast<const char*>(place) - text.data());
    }
};

struct Folded {
    char operator()(char character) noexcept { return ascii_lower(character); }
    std::size_t find(std::string_view text, std::size_t from, std::size_t end,
                     char wanted) noexcept {
        const std::uint64_t pattern = kEachByte * static_cast<unsigned char>(wanted);
        while (from < end && end - from >= kWordSize) {
            const std::uint64_t zero_where_found =
                lower_word(load_word(text.data() + from)) ^ pattern;
            // Some byte is zero exactly when this is not.
            if (((zero_where_found - kEachByte) & ~zero_where_found & (kEachByte * 0x80)) != 0) {
                break;
            }
            from += kWordSize;
        }
        while (from < end && ascii_lower(text[from]) != wanted) {
            ++from;
        }
        return from;
    }
};

/// Where a text's greatest suffix starts, and how soon that suffix repeats itself.
struct Suffix {
    std::size_t start;
    std::size_t period;
};

/// The greatest suffix of `part`, which is not empty, in the order of its bytes or in the opposite
/// one. Cost: linear.
inline Suffix greatest_suffix(std::string_view part, bool is_opposite) noexcept {
    std::size_t start = 0;
    std::size_t rival = 1;  // invariant: start < rival
    std::size_t same = 0;   // bytes that both suffixes have been found to share
    std::size_t period = 1;
    while (rival + same < part.size()) {
        const char ours = part[start + same];
        const char theirs = part[rival + same];
        if (ours == theirs) {
            ++same;
            if (same == period) {
                rival += period;
                same = 0;
            }
        } else if (is_opposite ? theirs > ours : theirs < ours) {
            rival += same + 1;
            same = 0;
            period = rival - start;
        } else {
            start = rival++;
            same = 0;
            period = 1;
        }
    }
    return {start, period};
}

/// Searches in linear time and constant space, however the texts repeat themselves: at most two
/// reads for each byte of the text. Source: Crochemore and Perrin (1991), Two-way string-matching,
/// Journal of the ACM 38:650-674. Precondition: part is not empty.
template <typename Fold>
bool has_part_two_way(std::string_view text, std::string_view part, Fold& fold) noexcept {
    const Suffix one = greatest_suffix(part, false);
    const Suffix other = greatest_suffix(part, true);
    const auto [split, suffix_period] = one.start > other.start ? one : other;
    const std::size_t size = part.size();
    const bool is_periodic =
        split + suffix_period <= size && part.substr(0, split) == part.substr(suffix_period, split);
    const std::size_t period =
        is_periodic ? suffix_period : (split > size - split ? split : size - split) + 1;
    std::size_t known = 0;  // bytes at the front of part that the last shift has left matched
    for (std::size_t from = 0; from <= text.size() && size <= text.size() - from;) {
        std::size_t right = split > known ? split : known;
        while (right < size && fold(text[from + right]) == part[right]) {
            ++right;
        }
        if (right < size) {
            from += right - split + 1;
            known = 0;
            continue;
        }
        std::size_t left = split;
        while (left > known && fold(text[from + left - 1]) == part[left - 1]) {
            --left;
        }
        if (left <= known) {
            return true;
        }
        from += period;
        known = is_periodic ? size - period : 0;
    }
    return false;
}

/// Bytes that the simple search may find equal in vain, for each byte of the text, before the
/// two-way search takes over. Chosen by feel, change freely.
inline constexpr std::size_t kVainMatchesPerByte = 2;

/// The bound that the tests count: for each byte of the text one look for the first byte of part
/// and one comparison that fails, the vain ones with a last place that overruns, and the two-way
/// search.
inline constexpr std::size_t kReadsPerByteMax = 2 + kVainMatchesPerByte + 1 + 2;

/// Whether `part` stands in `text` after `fold`. Most texts are short and give up at the first
/// byte, which the simple search does fastest; one that keeps almost matching is handed to the
/// two-way search. Cost: at most kReadsPerByteMax reads for each byte of the text, four for each of
/// part.
template <typename Fold>
bool has_part(std::string_view text, std::string_view part, Fold& fold) noexcept {
    if (part.empty() || part.size() > text.size()) {
        return part.empty();
    }
    std::size_t vain_matches_left = kVainMatchesPerByte * text.size();
    const std::size_t end = text.size() - part.size() + 1;
    for (std::size_t from = fold.find(text, 0, end, part[0]); from < end;
         from = fold.find(text, from + 1, end, part[0])) {
        std::size_t same = 1;
        while (same < part.size() && fold(text[from + same]) == part[same]) {
            ++same;
        }
        if (same == part.size()) {
            return true;
        }
        if (same > vain_matches_left) {
            return has_part_two_way(text.substr(from + 1), part, fold);
        }
        vain_matches_left -= same;
    }
    return false;
}

inline std::uint64_t load_half_word(const char* bytes) noexcept {
    std::uint32_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    return word;
}

/// memcmp() == 0, by words that may overlap where the texts are short.
[[gnu::always_inline]] inline bool same_bytes(const char* one, const char* other,
                                              std::size_t size) noexcept {
    if (size > 16) {
        return std::memcmp(one, other, size) == 0;
    }
    if (size >= 8) {
        return ((load_word(one) ^ load_word(other)) |
                (load_word(one + (size - 8)) ^ load_word(other + (size - 8)))) == 0;
    }
    if (size >= 4) {
        return ((load_half_word(one) ^ load_half_word(other)) |
                (load_half_word(one + (size - 4)) ^ load_half_word(other + (size - 4)))) == 0;
    }
    return size == 0 || (one[0] == other[0] && one[size / 2] == other[size / 2] &&
                         one[size - 1] == other[size - 1]);
}

}  // namespace detail

/// Writes ascii_lower() of every byte of `text` to `out`, which has room for text.size() bytes and
/// may be the text itself. Thread safety: pure. Cost: about 1 ns for eight bytes.
inline void fold_into(std::string_view text, char* out) noexcept {
    std::size_t index = 0;
    for (; text.size() - index >= detail::kWordSize; index += detail::kWordSize) {
        const std::uint64_t word = detail::lower_word(detail::load_word(text.data() + index));
        std::memcpy(out + index, &word, detail::kWordSize);
    }
    for (; index < text.size(); ++index) {
        out[index] = ascii_lower(text[index]);
    }
}

/// Whether `text` is `lower` but for the case of A to Z. Precondition, here and in every function
/// that folds: `lower` has no capital A to Z, for only `text` is folded.
/// Thread safety: pure. Cost: about 1 ns for eight bytes.
inline bool equals_folded(std::string_view text, std::string_view lower) noexcept {
    if (text.size() != lower.size()) {
        return false;
    }
    std::size_t index = 0;
    for (; text.size() - index >= detail::kWordSize; index += detail::kWordSize) {
        if (detail::lower_word(detail::load_word(text.data() + index)) !=
            detail::load_word(lower.data() + index)) {
            return false;
        }
    }
    for (; index < text.size(); ++index) {
        if (ascii_lower(text[index]) != lower[index]) {
            return false;
        }
    }
    return true;
}

/// Whether two texts are equal. Short ones take two compared words instead of a call.
inline bool equals(std::string_view text, std::string_view other) noexcept {
    return text.size() == other.size() &&
           detail::same_bytes(text.data(), other.data(), text.size());
}

/// Whether `part` is the beginning, the end or any place of `text`; the empty part always is.
/// Thread safety: pure. Cost: linear in the part; contains() in the text, about 1 ns a byte.
inline bool starts_with(std::string_view text, std::string_view part) noexcept {
    return text.size() >= part.size() && detail::same_bytes(text.data(), part.data(), part.size());
}

inline bool ends_with(std::string_view text, std::string_view part) noexcept {
    return text.size() >= part.size() &&
           detail::same_bytes(text.data() + (text.size() - part.size()), part.data(), part.size());
}

/// A text of up to 7 bytes as one number: its bytes from the lowest on, its size in the highest.
/// Equal numbers are equal texts. Precondition: text.size() <= 7.
[[gnu::always_inline]] inline std::uint64_t packed_text(std::string_view text) noexcept {
    const char* bytes = text.data();
    const std::size_t size = text.size();
    std::uint64_t packed = 0;
    if (size >= 4) {
        const std::uint64_t last = detail::load_half_word(bytes + (size - 4));
        packed = detail::load_half_word(bytes) | last << (8 * (size - 4));
    } else if (size > 0) {
        packed = static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[0])) |
                 static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[size / 2]))
                     << (8 * (size / 2)) |
                 static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[size - 1]))
                     << (8 * (size - 1));
    }
    return packed | static_cast<std::uint64_t>(size) << 56U;
}

inline bool contains(std::string_view text, std::string_view part) noexcept {
    detail::AsItIs as_it_is;
    return detail::has_part(text, part, as_it_is);
}

/// The same with the case of A to Z ignored. Precondition: see equals_folded().
inline bool starts_with_folded(std::string_view text, std::string_view lower) noexcept {
    return equals_folded(text.substr(0, lower.size()), lower);
}

inline bool ends_with_folded(std::string_view text, std::string_view lower) noexcept {
    return text.size() >= lower.size() &&
           equals_folded(text.substr(text.size() - lower.size()), lower);
}

inline bool contains_folded(std::string_view text, std::string_view lower) noexcept {
    detail::Folded folded;
    return detail::has_part(text, lower, folded);
}

}  // namespace burgee
