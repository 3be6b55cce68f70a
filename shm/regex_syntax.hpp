#pragma once

// Reads a regex pattern into a tree, or says where and why it is none. docs/regex.md is what people
// read; this file decides. Relied on by the compiler; never throws on any bytes.
//
// Invariants of a tree:
//   1. Children stand before their parents, so that no walk can turn in circles.
//   2. It is at most about kRegexDepthMax * 3 levels deep: recursion over it is safe.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/system/result.hpp>

#include "shm/regex_code_points.hpp"

namespace burgee {

inline constexpr std::size_t kRegexPatternSizeMax = 4'096;  // bytes; chosen by feel
inline constexpr std::uint32_t kRegexDepthMax = 50;         // groups in groups; chosen by feel
inline constexpr std::uint32_t kRegexRepeatMax = 100;       // m and n of {m,n}; docs/regex.md
inline constexpr std::uint32_t kRegexUnlimited = UINT32_MAX;

enum class RegexNodeKind : std::uint8_t {
    kEmpty,       ///< matches no bytes, everywhere
    kCharacters,  ///< one code point of `characters`
    kTextBegin,   ///< ^
    kTextEnd,     ///< $
    kSequence,    ///< all children, one behind the other
    kChoice,      ///< one of the children
    kRepeat,      ///< the only child, `repeat_min` to `repeat_max` times
};

struct RegexNode {
    RegexNodeKind kind = RegexNodeKind::kEmpty;
    CodePointSet characters;              ///< kCharacters: a finished set; may be empty
    std::vector<std::uint32_t> children;  ///< numbers of nodes
    std::uint32_t repeat_min = 0;
    std::uint32_t repeat_max = 0;  ///< kRegexUnlimited = no end
};

struct RegexSyntax {
    std::vector<RegexNode> nodes;
    std::uint32_t root = 0;
};

struct RegexOptions {
    bool is_case_insensitive = false;  ///< ASCII letters only
};

/// The tree of `pattern`.
/// @return  or one line for people: "at offset N: what is wrong: what to do"; offsets count bytes
///          of the pattern from 0
/// Thread safety: pure. Cost: linear in the pattern.
boost::system::result<RegexSyntax, std::string> parse_regex(std::string_view pattern,
                                                            RegexOptions options = {});

}  // namespace burgee
