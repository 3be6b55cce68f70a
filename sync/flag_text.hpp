#pragma once

// Text that people gave us: which of it may be a name, and how any of it is shown without doing
// harm to a terminal or a log.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace burgee::sync {

/// True for UTF-8 as RFC 3629 defines it: no surrogates, no overlong forms, nothing above U+10FFFF.
bool is_strict_utf8(std::string_view text);

/// Why `text` cannot be a name of at most `size_max` bytes; nothing when it can. Control characters
/// and marks that turn the direction of writing are refused, because two different names must look
/// different.
std::optional<std::string> name_complaint(std::string_view text, std::size_t size_max);

/// `text` for people: what could not be a name is escaped, and it is cut at 80 bytes.
std::string shown_text(std::string_view text);

}  // namespace burgee::sync
