#pragma once

// A regex pattern as the table that clients walk (burgee/regex_match.hpp). The daemon compiles; no
// client ever sees a pattern.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/system/result.hpp>

#include "shm/regex_syntax.hpp"

namespace burgee {

/// The table of `pattern`; it passes check_regex_table(). The same answers give the same words.
///
/// @param pattern  any bytes; docs/regex.md tells which are a pattern
/// @return         or one line for people: what is wrong or too much, and what to do
/// Thread safety: pure. Cost: about 50 microseconds for a short pattern; at most about half a
/// second and 100 MB for the worst.
boost::system::result<std::vector<std::uint16_t>, std::string> compile_regex(
    std::string_view pattern, RegexOptions options = {});

}  // namespace burgee
