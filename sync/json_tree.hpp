#pragma once

// JSON as a tree that keeps every number digit by digit, and its one canonical text. Relied on by
// the flag document, where two texts of one value must be the same bytes.
//
// Canonical: keys ascending by bytes, strings unescaped as far as JSON allows, numbers as plain
// decimals without needless digits (1e2 is 100, 2.50 is 2.5, -0 is 0): what PostgreSQL's jsonb
// compares as equal has one text.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "shm/json_text.hpp"

namespace burgee::sync {

/// Digits that a number may have in plain decimals, on each side of the point: far beyond a double.
inline constexpr int kNumberDigitsMax = 400;

struct JsonTree {
    enum class Kind : std::uint8_t { kNull, kBoolean, kNumber, kString, kArray, kObject };

    Kind kind = Kind::kNull;
    bool truth = false;                                     ///< kBoolean
    std::string text;                                       ///< kString; kNumber: canonical
    std::vector<JsonTree> elements;                         ///< kArray
    std::vector<std::pair<std::string, JsonTree>> members;  ///< kObject, ascending by key

    /// The member `key`; null when there is none or this is no object.
    const JsonTree* find(std::string_view key) const;

    friend bool operator==(const JsonTree&, const JsonTree&) = default;
};

/// Reads a whole document of at most 1 024 levels. Refuses what PostgreSQL cannot store as it
/// stands: broken UTF-8, U+0000, a key given twice, numbers of more digits than kNumberDigitsMax.
/// @return  the tree, or why not, as one clause: "flags[2].segments.salt is given twice"
/// Never throws on any text. Cost: linear, and sorting of keys.
std::variant<JsonTree, std::string> read_json_tree(std::string_view text);

/// Writes the canonical text of `tree` at the writer's place.
void write_json_tree(JsonWriter& json, const JsonTree& tree);

/// The canonical text without whitespace.
std::string compact_text(const JsonTree& tree);

}  // namespace burgee::sync
