#pragma once

// Cuts a fuzzer's bytes into numbers. What is past the end reads as zero, so that every input, the
// empty one too, means something.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>

namespace burgee::fuzz {

class InputReader {
public:
    InputReader(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}

    bool is_empty() const { return rest_.empty(); }

    template <typename Number>
    Number take() {
        Number number{};
        const std::size_t size = std::min(sizeof number, rest_.size());
        if (size > 0) {
            std::memcpy(&number, rest_.data(), size);
        }
        rest_ = rest_.subspan(size);
        return number;
    }

    /// At most `size` bytes.
    std::span<const std::uint8_t> take_bytes(std::size_t size) {
        const auto bytes = rest_.first(std::min(size, rest_.size()));
        rest_ = rest_.subspan(bytes.size());
        return bytes;
    }

    std::string_view take_text(std::size_t size) {
        const auto bytes = take_bytes(size);
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }

    /// Up to the next `end`, which is dropped, or all that is left.
    std::string_view take_line(char end = '\n') {
        const auto found = std::find(rest_.begin(), rest_.end(), static_cast<std::uint8_t>(end));
        const auto size = static_cast<std::size_t>(found - rest_.begin());
        const std::string_view line = take_text(size);
        take_bytes(1);
        return line;
    }

private:
    std::span<const std::uint8_t> rest_;
};

/// Ends the run: the promise `what` was broken by the input at hand.
[[noreturn]] inline void fail(std::string_view what) {
    std::fprintf(stderr, "broken promise: %.*s\n", static_cast<int>(what.size()), what.data());
    std::abort();
}

inline void require(bool holds, std::string_view what) {
    if (!holds) {
        fail(what);
    }
}

}  // namespace burgee::fuzz
