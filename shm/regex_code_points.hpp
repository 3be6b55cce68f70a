#pragma once

// Sets of Unicode code points, and the UTF-8 byte sequences that spell them. Relied on by the regex
// parser, which reads sets, and by the automaton, which walks bytes.
//
// Invariant of a finished set: ranges ascend, and neither overlap nor touch.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace burgee {

inline constexpr char32_t kCodePointMax = 0x10FFFF;
// UTF-16's surrogates are no characters: valid UTF-8 never spells them (RFC 3629, section 3).
inline constexpr char32_t kSurrogateFirst = 0xD800;
inline constexpr char32_t kSurrogateLast = 0xDFFF;

struct CodePointRange {
    char32_t first;
    char32_t last;  ///< included; never less than `first`
};
using CodePointSet = std::vector<CodePointRange>;

/// Makes any list of ranges a finished set.
void finish_set(CodePointSet& set);
/// The code points that the finished set `set` lacks, surrogates aside: they are in no text.
CodePointSet complement_of(const CodePointSet& set);
/// Adds to `set`, finished or not, the other case of every ASCII letter in it.
void add_other_ascii_case(CodePointSet& set);

struct CodePoint {
    char32_t value = 0;
    std::size_t size = 0;  ///< bytes it takes; 0 = no valid UTF-8 starts here
};
/// The first code point of `text`. Overlong forms and surrogates are invalid.
CodePoint first_code_point(std::string_view text);

struct ByteRange {
    std::uint8_t first;
    std::uint8_t last;  ///< included
};
/// Byte strings whose i-th byte lies in the i-th range.
struct ByteSequence {
    std::array<ByteRange, 4> ranges;
    std::size_t size = 0;  ///< 1 .. 4
};

/// Appends sequences that together spell exactly the code points of `range`, each once; surrogates
/// are left out.
void append_byte_sequences(CodePointRange range, std::vector<ByteSequence>& out);

}  // namespace burgee
