#pragma once

// Numbers compare losslessly or not at all: what the NUM_* operators rely on. A 64-bit integer and
// a double are compared as the real numbers they are, never by rounding one into the other's type.
//
// Works on the bits of a double, so that the answer is the same in a service that was compiled with
// -ffast-math (where NaN is assumed away) or that flushes tiny numbers to zero.

#include <cstdint>
#include <cstring>
#include <limits>

namespace burgee {

/// How the first number stands to the second; kUnordered when one of them is NaN.
enum class Ordering : int { kLess = -1, kEqual = 0, kGreater = 1, kUnordered = 2 };

namespace detail {

static_assert(sizeof(double) == sizeof(std::int64_t) && std::numeric_limits<double>::is_iec559);

/// Doubles in a form that orders as they do: the magnitude's bits, negated for a negative number.
/// 0 and -0 have one key.
inline std::int64_t order_key(double number) noexcept {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &number, sizeof bits);
    const auto magnitude = static_cast<std::int64_t>(bits & 0x7FFF'FFFF'FFFF'FFFFU);
    return bits >> 63U == 0 ? magnitude : -magnitude;
}

inline constexpr std::int64_t kInfinityKey = 0x7FF0'0000'0000'0000;
inline constexpr std::int64_t kTwoTo63Key = 0x43E0'0000'0000'0000;
inline constexpr std::int64_t kTwoTo64Key = 0x43F0'0000'0000'0000;

inline bool is_nan_key(std::int64_t key) noexcept {
    return key > kInfinityKey || key < -kInfinityKey;
}

template <typename Integer>
constexpr Ordering order_of(Integer one, Integer other) noexcept {
    return one == other ? Ordering::kEqual : one < other ? Ordering::kLess : Ordering::kGreater;
}

/// Precondition: `number`, whose key is `key`, lies in Integer's range, so that cutting its
/// fraction off gives an Integer, and that Integer as a double is exact.
template <typename Integer>
Ordering compare_in_range(Integer integer, double number, std::int64_t key) noexcept {
    const auto whole = static_cast<Integer>(number);
    return integer != whole ? order_of(integer, whole)
                            : order_of(order_key(static_cast<double>(whole)), key);
}

}  // namespace detail

/// The opposite view: how the second number stands to the first.
constexpr Ordering reversed(Ordering ordering) noexcept {
    return ordering == Ordering::kLess      ? Ordering::kGreater
           : ordering == Ordering::kGreater ? Ordering::kLess
                                            : ordering;
}

/// Compares two numbers exactly, whatever their types. -0 equals 0; infinities lie beyond every
/// integer; NaN is unordered to everything, itself included. Integers of other types than the two
/// 64-bit ones do not compile: say which one is meant.
/// Thread safety: pure. Cost: 1 to 2 ns.
inline Ordering compare_numbers(std::int64_t one, std::int64_t other) noexcept {
    return detail::order_of(one, other);
}

inline Ordering compare_numbers(std::uint64_t one, std::uint64_t other) noexcept {
    return detail::order_of(one, other);
}

inline Ordering compare_numbers(std::int64_t one, std::uint64_t other) noexcept {
    return one < 0 ? Ordering::kLess : detail::order_of(static_cast<std::uint64_t>(one), other);
}

inline Ordering compare_numbers(std::uint64_t one, std::int64_t other) noexcept {
    return reversed(compare_numbers(other, one));
}

inline Ordering compare_numbers(double one, double other) noexcept {
    const std::int64_t one_key = detail::order_key(one);
    const std::int64_t other_key = detail::order_key(other);
    if (detail::is_nan_key(one_key) || detail::is_nan_key(other_key)) {
        return Ordering::kUnordered;
    }
    return detail::order_of(one_key, other_key);
}

inline Ordering compare_numbers(std::int64_t one, double other) noexcept {
    const std::int64_t key = detail::order_key(other);
    if (detail::is_nan_key(key)) {
        return Ordering::kUnordered;
    }
    if (key >= detail::kTwoTo63Key) {
        return Ordering::kLess;
    }
    if (key < -detail::kTwoTo63Key) {
        return Ordering::kGreater;
    }
    return detail::compare_in_range(one, other, key);
}

inline Ordering compare_numbers(std::uint64_t one, double other) noexcept {
    const std::int64_t key = detail::order_key(other);
    if (detail::is_nan_key(key)) {
        return Ordering::kUnordered;
    }
    if (key >= detail::kTwoTo64Key) {
        return Ordering::kLess;
    }
    if (key < 0) {
        return Ordering::kGreater;
    }
    return detail::compare_in_range(one, other, key);
}

inline Ordering compare_numbers(double one, std::int64_t other) noexcept {
    return reversed(compare_numbers(other, one));
}

inline Ordering compare_numbers(double one, std::uint64_t other) noexcept {
    return reversed(compare_numbers(other, one));
}

}  // namespace burgee
