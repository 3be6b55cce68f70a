#pragma once

// Names an experiment and a variant by hand, for events whose Evaluation is long gone: a payment
// that arrives the next day, a worker in another process.

#include <burgee/borrowed_text.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace burgee {

/// An experiment's uuid and the variant its unit met. An id that is all zero names nothing: events
/// for it are dropped, and counted as `no_experiment`.
struct ExperimentRef {
    std::array<std::uint8_t, 16> id{};
    std::string_view variant;
    std::uint32_t phase = 0;  ///< 0 = the current one when the event is stored

    ExperimentRef(const std::array<std::uint8_t, 16>& uuid, BorrowedText variant_name) noexcept
        : id(uuid), variant(variant_name.view()) {}

    /// @param uuid_text  32 hexadecimal digits, usually as 8-4-4-4-12; anything else names nothing.
    ExperimentRef(std::string_view uuid_text, BorrowedText variant_name) noexcept
        : id(parsed(uuid_text)), variant(variant_name.view()) {}

    bool is_valid() const noexcept { return id != std::array<std::uint8_t, 16>{}; }

private:
    static constexpr std::size_t kDigitCount = 32;

    static constexpr int digit_of(char letter) noexcept {
        if (letter >= '0' && letter <= '9') {
            return letter - '0';
        }
        const char lower = static_cast<char>(letter | 0x20);
        return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
    }

    static std::array<std::uint8_t, 16> parsed(std::string_view text) noexcept {
        std::array<std::uint8_t, 16> bytes{};
        std::size_t digit_count = 0;
        for (const char letter : text) {
            if (letter == '-') {
                continue;
            }
            const int digit = digit_of(letter);
            if (digit < 0 || digit_count == kDigitCount) {
                return {};
            }
            std::uint8_t& byte = bytes[digit_count / 2];
            byte = static_cast<std::uint8_t>(byte * 16 + digit);
            ++digit_count;
        }
        return digit_count == kDigitCount ? bytes : std::array<std::uint8_t, 16>{};
    }
};

}  // namespace burgee
