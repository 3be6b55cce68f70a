#pragma once

// Reading JSON objects that people wrote: what counts as present, and which keys are known. Used by
// the checks of flags and segments; a place is the path that problems name,
// "segments.rules[2].serve".

#include <simdjson.h>

#include <span>
#include <string>
#include <string_view>

#include "sync/flag_problems.hpp"

namespace burgee::sync {

/// Parses `text`, which may hold integers beyond 64 bits: they become a number that every check
/// refuses at its place, where the library alone would refuse the whole text without naming it.
simdjson::error_code parse_json(simdjson::dom::parser& parser, const std::string& text,
                                simdjson::dom::element& document);

/// True when `key` is there with a value; null counts as absent.
bool is_present(const simdjson::dom::object& object, std::string_view key,
                simdjson::dom::element& value);

/// "place.key", the key made fit for people.
std::string place_of(const std::string& place, std::string_view key);

/// "place[index]"
std::string place_of(const std::string& place, std::size_t index);

/// Refuses every key that is not in `known`, and says which one was probably meant.
void refuse_unknown_keys(const simdjson::dom::object& object,
                         std::span<const std::string_view> known, const std::string& place,
                         FlagProblems& problems);

/// "; did you mean \"rules\"?" or nothing, which it also is once `problems` would not show it: a
/// search for each of a million keys takes too long.
std::string meant(std::string_view word, std::span<const std::string_view> known,
                  const FlagProblems& problems);

}  // namespace burgee::sync
