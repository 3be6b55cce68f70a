#pragma once

// Walks a compiled regex over a text: one table look-up a byte, no memory of its own. The daemon
// compiles patterns (shm/regex_compiler.hpp); clients only ever see the table. docs/regex.md tells
// what patterns may say.
//
// Invariants, whatever words it is given:
//   1. Nothing outside [words, words + word_count) and the text is read.
//   2. The walk ends after at most one step a byte of the text.
//   3. Hostile words can give a wrong answer, and nothing else.

#include <cstdint>
#include <string_view>

namespace burgee {

// A table is an array of u16 words, little endian, position independent:
//
//   word  count              field        meaning
//   ----- ------------------ ------------ ------------------------------------------------------
//       0 1                  tag          kRegexTableTag
//       1 1                  state_count  2 .. kRegexStateCountMax
//       2 1                  class_count  1 .. kRegexClassCountMax
//       3 1                  start        state before the first byte
//       4 128                classes      u8[256]: which class of bytes a byte belongs to; bytes of
//                                         one class never lead to different states
//     132 (states + 15) / 16 ends         bit s: a text that ends in state s matches
//       . states x classes   transitions  next state, at class x state_count + state: a column a
//                                         class, so that a step waits for one load and no product
//
// State 0 is dead: whatever follows, the text does not match. State 1 has matched: whatever
// follows, the text matches. Both end the walk at once. `ends` has bit 1 and lacks bit 0, and both
// states lead to themselves.
inline constexpr std::uint16_t kRegexTableTag = 0x5231;      // "1R", layout 1
inline constexpr std::uint32_t kRegexStateCountMax = 4'096;  // docs/regex.md, "Limits"
inline constexpr std::uint32_t kRegexClassCountMax = 256;    // every byte for itself
inline constexpr std::uint32_t kRegexHeaderWordCount = 4 + 128;
inline constexpr std::uint32_t kRegexDeadState = 0;
inline constexpr std::uint32_t kRegexMatchedState = 1;
inline constexpr std::uint32_t kRegexFixedStateCount = 2;  // the two above
/// The largest table there can be, in words: 2 MiB.
inline constexpr std::uint64_t kRegexTableWordCountMax =
    kRegexHeaderWordCount + kRegexStateCountMax / 16 +
    std::uint64_t{kRegexStateCountMax} * kRegexClassCountMax;

namespace detail {

/// Where the parts of one table lie. Void (null) until the header has been checked.
struct RegexTable {
    const unsigned char* classes = nullptr;
    const std::uint16_t* ends = nullptr;
    const std::uint16_t* transitions = nullptr;
    std::uint32_t state_count = 0;
    std::uint32_t class_count = 0;
    std::uint32_t start = 0;
    std::uint64_t word_count = 0;  ///< of the whole table, as the header has it
};

/// The parts of the table at `words`; void unless all of it lies within `word_count` words.
inline RegexTable regex_table_at(const std::uint16_t* words, std::uint64_t word_count) noexcept {
    RegexTable table;
    if (words == nullptr || word_count < kRegexHeaderWordCount || words[0] != kRegexTableTag) {
        return table;
    }
    const std::uint32_t state_count = words[1];
    const std::uint32_t class_count = words[2];
    if (state_count < kRegexFixedStateCount || state_count > kRegexStateCountMax ||
        class_count == 0 || class_count > kRegexClassCountMax) {
        return table;
    }
    const std::uint32_t ends_count = (state_count + 15) / 16;
    const std::uint32_t body_count = ends_count + state_count * class_count;  // at most 2^20 + 256
    if (word_count - kRegexHeaderWordCount < body_count) {
        return table;
    }
    table.classes = static_cast<const unsigned char*>(static_cast<const void*>(words + 4));
    table.ends = words + kRegexHeaderWordCount;
    table.transitions = table.ends + ends_count;
    table.state_count = state_count;
    table.class_count = class_count;
    table.start = words[3];
    table.word_count = std::uint64_t{kRegexHeaderWordCount} + body_count;
    return table;
}

/// Precondition: state < table.state_count.
inline bool regex_ends_in(const RegexTable& table, std::uint32_t state) noexcept {
    return (table.ends[state / 16] >> (state % 16) & 1) != 0;
}

}  // namespace detail

/// Whether the pattern of a table matches somewhere in `text`.
///
/// @param words       a table as above, trusted in nothing; may be null
/// @param word_count  words there are; more than the table takes is allowed
/// @param text        any bytes. Bytes that are not valid UTF-8 match nothing, not even `.`
/// @return            the answer; false for words that are no table
/// Thread safety: pure; any thread, any time. Cost: about 1.5 ns a byte up to the one that decides,
/// and 3 ns for the header.
inline bool regex_matches(const std::uint16_t* words, std::uint64_t word_count,
                          std::string_view text) noexcept {
    const detail::RegexTable table = detail::regex_table_at(words, word_count);
    if (table.transitions == nullptr) {
        return false;
    }
    // Both checks of a step depend on nothing that the next step waits for, so that a correct
    // prediction makes them free: only the load of the next state stands between two bytes.
    const std::uint32_t undecided_count = table.state_count - kRegexFixedStateCount;
    std::uint32_t state = table.start;
    for (const char byte : text) {
        if (state - kRegexFixedStateCount >= undecided_count) {  // decided, or not a state at all
            return state == kRegexMatchedState;
        }
        const std::uint32_t byte_class = table.classes[static_cast<unsigned char>(byte)];
        if (byte_class >= table.class_count) {
            return false;
        }
        const std::uint16_t* column =
            table.transitions + std::uint64_t{byte_class} * table.state_count;
        state = column[state];
    }
    return state < table.state_count && detail::regex_ends_in(table, state);
}

/// Whether `words` are one whole table, every number of which makes sense; what a writer asks
/// before it lets a table out, and when it reads it back. Thread safety: pure. Cost: linear in the
/// table; about 1 ms for the largest.
inline bool check_regex_table(const std::uint16_t* words, std::uint64_t word_count) noexcept {
    const detail::RegexTable table = detail::regex_table_at(words, word_count);
    if (table.transitions == nullptr || table.word_count != word_count ||
        table.start >= table.state_count) {
        return false;
    }
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        if (table.classes[byte] >= table.class_count) {
            return false;
        }
    }
    const std::uint32_t last_bits = table.state_count % 16;
    const std::uint32_t last_ends = table.ends[(table.state_count - 1) / 16];
    if ((last_bits != 0 && last_ends >> last_bits != 0) ||
        detail::regex_ends_in(table, kRegexDeadState) ||
        !detail::regex_ends_in(table, kRegexMatchedState)) {
        return false;
    }
    for (std::uint32_t byte_class = 0; byte_class < table.class_count; ++byte_class) {
        const std::uint16_t* column =
            table.transitions + std::uint64_t{byte_class} * table.state_count;
        if (column[kRegexDeadState] != kRegexDeadState ||
            column[kRegexMatchedState] != kRegexMatchedState) {
            return false;
        }
        for (std::uint32_t state = 0; state < table.state_count; ++state) {
            if (column[state] >= table.state_count) {
                return false;
            }
        }
    }
    return true;
}

}  // namespace burgee
