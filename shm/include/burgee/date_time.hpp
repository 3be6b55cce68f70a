#pragma once

// Instants by RFC 3339, "2024-02-29T12:00:00.123456Z": what the DATE_* operators read when they are
// not given integer milliseconds. The daemon checks a flag's constants with it, a check reads the
// attribute with it. No heap, no locale, no time zone database: the offset is always in the text.
//
// Where RFC 3339 leaves a choice, we took: a space for the T, which section 5.6 allows and which
// Python's str(datetime) writes; small t and z; 23:59:60 UTC, the leap second, at the end of a
// month, all of it read as the start of the next second, so that order is kept and no table is
// needed.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace burgee {

/// Longer texts are no instants; leaves room for 38 digits of a fraction.
inline constexpr std::size_t kDateTimeSizeMax = 64;

namespace detail {

inline constexpr std::uint32_t kSecondsPerMinute = 60;
inline constexpr std::uint32_t kSecondsPerHour = 3'600;
inline constexpr std::int64_t kSecondsPerDay = 86'400;

constexpr std::uint32_t days_in_month(std::uint32_t year, std::uint32_t month) noexcept {
    if (month == 2) {
        return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
    }
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, which is carried on before its
/// beginning; years 0 .. 9999. Source: Howard Hinnant, chrono-compatible low-level date algorithms
/// (2013), days_from_civil: years start in March, so that the leap day is their last.
constexpr std::int64_t days_since_1970(std::uint32_t year, std::uint32_t month,
                                       std::uint32_t day) noexcept {
    const std::uint32_t from_march = month > 2 ? month - 3 : month + 9;
    const std::uint32_t years =
        year + 400 - (month > 2 ? 0U : 1U);  // one cycle more: never negative
    const std::uint32_t day_of_year = (153 * from_march + 2) / 5 + day - 1;
    const std::uint32_t days = years * 365 + years / 4 - years / 100 + years / 400 + day_of_year;
    constexpr std::int64_t kDaysTo1970 = 719'468 + 146'097;  // from 0000-03-01, and the cycle more
    return static_cast<std::int64_t>(days) - kDaysTo1970;
}

/// Eight bytes as one number, the first byte lowest on every machine.
inline std::uint64_t eight_bytes(const char* bytes) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(word) : word;
}

/// What eight bytes must look like: digits at some places, certain bytes at the others.
struct DigitShape {
    std::uint64_t bytes = 0;  ///< the byte 0 for a digit, else the very byte
    std::uint64_t slack = 0;  ///< added to a byte that is too great, it reaches the high bit

    explicit constexpr DigitShape(const char* example) noexcept {
        for (unsigned place = 0; place < 8; ++place) {
            const auto byte = static_cast<unsigned char>(example[place]);
            bytes |= std::uint64_t{byte} << (8 * place);
            slack |= std::uint64_t{byte == '0' ? 0x80U - 10 : 0x80U - 1} << (8 * place);
        }
    }
};
inline constexpr DigitShape kYearMonthShape{"0000-00-"};
inline constexpr DigitShape kTimeShape{"00:00:00"};

/// Numbers of two digits at places of a text of eight bytes, read all at once: a digit at a time,
/// with a branch for each, takes twice as long.
struct DigitPairs {
    std::uint64_t sums;  ///< in each byte ten times its digit and the next one
    bool are_valid;

    std::uint32_t at(unsigned place) const noexcept {
        return static_cast<std::uint32_t>(sums >> (8 * place)) & 0xFFU;
    }
};

inline DigitPairs read_pairs(const char* text, const DigitShape& shape) noexcept {
    constexpr std::uint64_t kHighBits = 0x8080'8080'8080'8080;
    const std::uint64_t digits = eight_bytes(text) ^ shape.bytes;  // 0 to 9; 0 for certain bytes
    return {digits * 10 + (digits >> 8U), (((digits + shape.slack) | digits) & kHighBits) == 0};
}

/// Reads a date-time: what has fixed places first, then the fraction and the offset behind it.
/// Mistakes are gathered in has_failed_ and looked at once.
///
/// Invariants: 1. at_ <= end_. 2. The first kFixedSize bytes exist: the caller has looked.
class DateTimeReader {
public:
    static constexpr std::size_t kFixedSize = 19;  // "2024-02-29T12:00:00"

    explicit DateTimeReader(std::string_view text) noexcept
        : at_(text.data()), end_(text.data() + text.size()) {}

    bool read(std::int64_t& unix_ms) noexcept {
        const DigitPairs date = read_pairs(at_, kYearMonthShape);
        const DigitPairs time = read_pairs(at_ + 11, kTimeShape);
        expect(date.are_valid && time.are_valid);
        const std::uint32_t year = date.at(0) * 100 + date.at(2);
        const std::uint32_t month = date.at(5);
        const std::uint32_t day = two_digits(at_ + 8);
        expect(at_[10] == 'T' || at_[10] == 't' || at_[10] == ' ');
        const std::uint32_t hour = time.at(0);
        const std::uint32_t minute = time.at(3);
        const std::uint32_t second = time.at(6);
        at_ += kFixedSize;
        const std::uint32_t fraction_ms = read_fraction_ms();
        const std::int64_t offset_seconds = read_offset_seconds();
        expect(month >= 1 && month <= 12 && day >= 1 && hour <= 23 && minute <= 59 && second <= 60);
        if (has_failed_ || day > days_in_month(year, month)) {
            return false;
        }
        const std::int64_t days = days_since_1970(year, month, day);
        const std::int64_t seconds = days * kSecondsPerDay + hour * kSecondsPerHour +
                                     minute * kSecondsPerMinute + second - offset_seconds;
        if (second == 60) {
            unix_ms = seconds * 1'000;
            return is_month_start(seconds, days, day, days_in_month(year, month));
        }
        unix_ms = seconds * 1'000 + fraction_ms;
        return true;
    }

private:
    void expect(bool holds) noexcept { has_failed_ |= !holds; }

    std::uint32_t two_digits(const char* digits) noexcept {
        const auto tens = static_cast<std::uint32_t>(static_cast<unsigned char>(digits[0])) - '0';
        const auto ones = static_cast<std::uint32_t>(static_cast<unsigned char>(digits[1])) - '0';
        expect(tens <= 9 && ones <= 9);
        return tens * 10 + ones;
    }

    /// Digits beyond the third are dropped: towards the past, before 1970 too, because the fraction
    /// is added to the second that has begun.
    std::uint32_t read_fraction_ms() noexcept {
        if (at_ == end_ || *at_ != '.') {
            return 0;
        }
        const char* const first = ++at_;
        std::uint32_t fraction_ms = 0;
        std::uint32_t weight = 100;
        for (; at_ != end_ && *at_ >= '0' && *at_ <= '9'; ++at_) {
            fraction_ms += weight * static_cast<std::uint32_t>(*at_ - '0');
            weight /= 10;
        }
        expect(at_ != first);
        return fraction_ms;
    }

    /// The offset, which is all that is left of the text.
    std::int64_t read_offset_seconds() noexcept {
        const std::ptrdiff_t size = end_ - at_;
        if (size == 1) {
            expect(*at_ == 'Z' || *at_ == 'z');
            return 0;
        }
        if (size != 6) {  // "+05:30"
            has_failed_ = true;
            return 0;
        }
        expect((at_[0] == '+' || at_[0] == '-') && at_[3] == ':');
        const std::uint32_t hours = two_digits(at_ + 1);
        const std::uint32_t minutes = two_digits(at_ + 4);
        expect(hours <= 23 && minutes <= 59);
        const std::int64_t seconds = hours * kSecondsPerHour + minutes * kSecondsPerMinute;
        return at_[0] == '-' ? -seconds : seconds;
    }

    /// Whether the second after a leap second starts a month in UTC. The local day is then the last
    /// of its month, or, east of Greenwich, already the first.
    static bool is_month_start(std::int64_t seconds, std::int64_t local_days, std::uint32_t day,
                               std::uint32_t day_count) noexcept {
        return seconds % kSecondsPerDay == 0 &&
               day == (seconds / kSecondsPerDay == local_days ? 1U : day_count);
    }

    const char* at_;
    const char* end_;
    bool has_failed_ = false;
};

}  // namespace detail

/// Reads an instant. Strict: years 0000 to 9999, days as the month has them, hours to 23, an offset
/// always ("Z", or "+05:30", to 23:59 either way; "-00:00" is UTC), nothing before or after.
///
/// @param text     at most kDateTimeSizeMax bytes; more are refused unread.
/// @param unix_ms  milliseconds since 1970-01-01 UTC, finer fractions cut off towards the past,
/// when
///                 the answer is true; otherwise not to be used.
/// @return         whether `text` is an instant.
///
/// Thread safety: pure. Cost: about 8 ns. Source: RFC 3339, sections 5.6 and 5.7.
inline bool parse_rfc3339(std::string_view text, std::int64_t& unix_ms) noexcept {
    return text.size() > detail::DateTimeReader::kFixedSize && text.size() <= kDateTimeSizeMax &&
           detail::DateTimeReader(text).read(unix_ms);
}

}  // namespace burgee
