#pragma once

// What a backslash means in a regex pattern, inside and outside of brackets.

#include <cstddef>
#include <string>
#include <string_view>

#include "shm/regex_code_points.hpp"

namespace burgee {

struct RegexEscape {
    CodePointSet characters;  ///< finished; one code point unless `is_class`
    bool is_class = false;    ///< \d \w \s \D \W \S
    std::size_t size = 0;     ///< bytes, backslash included
    std::string refusal;      ///< not empty: why it is none, and what to write
};

/// The escape at the start of `text`. Precondition: text starts with a backslash.
RegexEscape read_regex_escape(std::string_view text);

}  // namespace burgee
