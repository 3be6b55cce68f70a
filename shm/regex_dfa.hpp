#pragma once

// A regex as a deterministic automaton: the subset construction.
//
// Invariants:
//   1. State 0 is dead, state 1 has matched; both lead to themselves (burgee/regex_match.hpp).
//   2. At most kRegexStateCountMax states, with these two.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <boost/system/result.hpp>

#include "shm/regex_nfa.hpp"

namespace burgee {

/// Steps of the subset construction before it gives up: 0.2 s and 40 MB or so. Patterns that fit
/// the limit of states take a fraction of it; chosen by feel.
inline constexpr std::uint64_t kDfaWorkMax = 20'000'000;

struct RegexDfa {
    std::array<std::uint8_t, 256> class_of{};  ///< by byte
    std::uint32_t class_count = 0;             ///< 1 .. 256
    std::vector<std::uint16_t> next;           ///< by state x class_count + class
    std::vector<std::uint8_t> is_end;          ///< by state: 1 = a text may end here and match
    std::uint32_t start = 0;

    std::uint32_t state_count() const { return static_cast<std::uint32_t>(is_end.size()); }
};

/// The automaton that answers whether `nfa` matches anywhere in a text; not yet the smallest.
/// @return  or, for people, that it takes too many states or too long
/// Thread safety: pure. Cost: bounded by kDfaWorkMax.
boost::system::result<RegexDfa, std::string> build_regex_dfa(const RegexNfa& nfa);

}  // namespace burgee
