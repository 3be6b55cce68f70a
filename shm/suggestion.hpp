#pragma once

// "Did you mean ...?": finds the known word a mistyped one was probably meant to be.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace burgee {

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
/// Cost: O(|first| * |second|). Source: optimal string alignment, Damerau (1964).
std::size_t edit_distance(std::string_view first, std::string_view second);

/// The candidate closest to `word`, if it is close enough to be a slip of the finger (a third of
/// the word, at least one edit) or begins with it; the earlier one wins a tie.
std::optional<std::string> closest(std::string_view word,
                                   const std::vector<std::string>& candidates);

/// "; did you mean \"search\"?" or nothing, to be appended to an error.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace burgee
