#include "stats/number_text.hpp"

#include <charconv>
#include <cmath>
#include <string_view>

namespace burgee::stats {
namespace {

std::string fixed(double value, int decimals) {
    char buffer[64];
    const auto end =
        std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, decimals);
    return {buffer, end.ptr};
}

/// `digits` significant digits; to_chars knows no locale. At most 24 characters.
std::string general(double value, int digits) {
    char buffer[64];
    const auto end =
        std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, digits);
    return {buffer, end.ptr};
}

std::string with_sign(double value, std::string text) {
    // "-0.0" and "+0.0" say nothing that "0.0" does not.
    const bool is_zero = text.find_first_of("123456789") == std::string::npos;
    if (is_zero) {
        return text.front() == '-' ? text.substr(1) : text;
    }
    return value > 0 ? "+" + text : text;
}

std::string percent_digits(double fraction) {
    const double percent = 100.0 * fraction;
    const double size = std::abs(percent);
    if (size >= 1e6) {
        return general(percent, 3);
    }
    if (size >= 1000) {
        return fixed(percent, 0);
    }
    if (size >= 1 || size == 0) {
        return fixed(percent, 1);
    }
    if (size >= 0.1) {
        return fixed(percent, 2);
    }
    return size >= 0.01 ? fixed(percent, 3) : general(percent, 2);
}

}  // namespace

std::string percent_text(double fraction) {
    return std::isfinite(fraction) ? percent_digits(fraction) + "%" : "-";
}

std::string signed_percent_text(double fraction) {
    return std::isfinite(fraction) ? with_sign(fraction, percent_digits(fraction)) + "%" : "-";
}

std::string p_value_text(double p_value) {
    if (!std::isfinite(p_value)) {
        return "-";
    }
    return p_value < 1e-300 ? "<1e-300" : general(p_value, 3);
}

std::string quantity_text(double value) {
    return std::isfinite(value) ? general(value, 4) : "-";
}

std::string signed_quantity_text(double value) {
    return std::isfinite(value) ? with_sign(value, general(value, 4)) : "-";
}

std::string count_text(unsigned long long count) {
    std::string digits = std::to_string(count);
    for (std::size_t end = digits.size(); end > 3;) {
        end -= 3;
        digits.insert(end, ",");
    }
    return digits;
}

}  // namespace burgee::stats
