#pragma once

// Whether a text that a person gave may become a jsonb value. The server would refuse what does not
// hold here, too, but in its own words and without naming the field.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace burgee::sync {

enum class JsonShape : std::uint8_t { kObject, kArray };

/// Why `text` is no JSON of this shape that PostgreSQL can store, as "is not ...: what to do";
/// nothing when it is. Pure; any thread. Cost: linear.
std::optional<std::string> json_complaint(std::string_view text, JsonShape shape);

}  // namespace burgee::sync
