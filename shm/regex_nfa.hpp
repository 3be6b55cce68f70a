#pragma once

// A regex as a nondeterministic automaton over the bytes of UTF-8: Thompson's construction, with
// one node for each class of characters and shared nodes for the tails of its byte sequences.
//
// Invariants:
//   1. All numbers of nodes and edges lie inside.
//   2. Only edges consume a byte; `next` and `other` do not, and may form circles.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <boost/system/result.hpp>

#include "shm/regex_syntax.hpp"

namespace burgee {

// What one pattern may grow to once {m,n} is written out. Chosen so that nothing real comes close,
// and so that node numbers fit 16 bits; the limit people meet is that of the table's states.
inline constexpr std::size_t kNfaNodeCountMax = 16'384;
inline constexpr std::size_t kNfaEdgeCountMax = 131'072;
inline constexpr std::size_t kNfaWorkMax = 1'000'000;  // nodes of the tree visited

enum class NfaNodeKind : std::uint8_t {
    kBytes,      ///< edges [edge_first, edge_first + edge_count)
    kSplit,      ///< `next` and `other`, both without a byte
    kTextBegin,  ///< `next`, before the first byte only
    kTextEnd,    ///< `next`, behind the last byte only
    kMatch,      ///< the pattern has matched
};

struct NfaNode {
    NfaNodeKind kind = NfaNodeKind::kMatch;
    std::uint16_t next = 0;
    std::uint16_t other = 0;
    std::uint32_t edge_first = 0;
    std::uint32_t edge_count = 0;
};

/// Leads to `next` for every byte of a range of classes.
struct NfaEdge {
    std::uint8_t class_first;
    std::uint8_t class_last;  ///< included
    std::uint16_t next;
};

struct RegexNfa {
    std::vector<NfaNode> nodes;
    std::vector<NfaEdge> edges;
    std::uint16_t start = 0;
    std::array<std::uint8_t, 256> class_of{};  ///< by byte; ascending, so that ranges stay ranges
    std::uint32_t class_count = 0;             ///< 1 .. 256
};

/// The automaton of `syntax`; or, for people, that it grows too large.
/// Thread safety: pure. Cost: below 20 ms, whatever the pattern.
boost::system::result<RegexNfa, std::string> build_regex_nfa(const RegexSyntax& syntax);

}  // namespace burgee
