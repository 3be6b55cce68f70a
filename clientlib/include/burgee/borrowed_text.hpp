#pragma once

// A text that somebody else keeps. Parameters whose bytes outlive the call take this type, so that
// a temporary std::string, which would leave them dangling, does not compile.

#include <cstddef>
#include <string>
#include <string_view>

namespace burgee {

/// Bytes of a literal, a string_view or a named std::string; never of a temporary std::string.
/// A null `const char*` is the empty text.
class BorrowedText {
public:
    constexpr BorrowedText() noexcept = default;
    constexpr BorrowedText(const char* text) noexcept
        : view_(text == nullptr ? std::string_view() : std::string_view(text)) {}
    constexpr BorrowedText(std::string_view text) noexcept : view_(text) {}
    BorrowedText(const std::string& text) noexcept : view_(text) {}
    BorrowedText(const std::string&&) = delete;

    constexpr std::string_view view() const noexcept { return view_; }
    constexpr const char* data() const noexcept { return view_.data(); }
    constexpr std::size_t size() const noexcept { return view_.size(); }

private:
    std::string_view view_;
};

}  // namespace burgee
