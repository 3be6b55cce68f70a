#pragma once

// Takes well-formed JSON apart one level deep, without understanding it: enough to replace one key
// of `segments` and to say which columns of a row a change touched. Reading JSON in earnest is the
// flag check's work.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace burgee::cli {

/// One member of an object; both texts as they stood, the key without its quotes.
struct JsonMember {
    std::string key;
    std::string value;

    friend bool operator==(const JsonMember&, const JsonMember&) = default;
};

/// The members of the object `text`, in their order; nothing when `text` is no object.
/// Precondition for sensible values: well-formed JSON. Any other text gives nothing or odd parts,
/// never a crash. Cost: linear.
std::optional<std::vector<JsonMember>> json_members(std::string_view text);

/// The elements of the array `text`; nothing when `text` is no array.
std::optional<std::vector<std::string>> json_elements(std::string_view text);

/// The value of `key`; nothing when there is none or `text` is no object.
std::optional<std::string> json_member(std::string_view text, std::string_view key);

/// The object `text` with `key` set to the JSON `value`, in place if it was there, else at the end.
/// Throws Failure kUsage when `text` is no object.
std::string json_with(std::string_view text, std::string_view key, std::string_view value);

/// A JSON string's text, escapes resolved; any other value as it stands. Half of a surrogate pair,
/// which well-formed JSON does not have, becomes U+FFFD.
std::string json_plain(std::string_view value);

}  // namespace burgee::cli
