#include "shm/snapshot_file_name.hpp"

#include <array>
#include <charconv>
#include <system_error>

namespace burgee {
namespace {

constexpr std::string_view kPrefix = "snap.L";
constexpr std::string_view kMiddle = ".G";
constexpr std::size_t kDigits = 16;

template <typename Number>
bool parse_number(std::string_view text, int base, Number& number) {
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number, base);
    return error == std::errc{} && stop == end;
}

}  // namespace

std::string SnapshotFileName::text() const {
    std::array<char, kDigits> digits{};
    const auto [end, error] =
        std::to_chars(digits.data(), digits.data() + digits.size(), generation, 16);
    const std::string_view hex(digits.data(), static_cast<std::size_t>(end - digits.data()));
    std::string name(kPrefix);
    name += std::to_string(layout_major);
    name += kMiddle;
    name.append(kDigits - hex.size(), '0').append(hex);
    return name;
}

std::optional<SnapshotFileName> SnapshotFileName::parse(std::string_view text) {
    SnapshotFileName name;
    const std::size_t middle = text.rfind(kMiddle);
    if (!text.starts_with(kPrefix) || middle == std::string_view::npos || middle < kPrefix.size()) {
        return std::nullopt;
    }
    const bool is_number =
        parse_number(text.substr(kPrefix.size(), middle - kPrefix.size()), 10, name.layout_major) &&
        parse_number(text.substr(middle + kMiddle.size()), 16, name.generation);
    return is_number && name.text() == text ? std::optional(name) : std::nullopt;
}

}  // namespace burgee
