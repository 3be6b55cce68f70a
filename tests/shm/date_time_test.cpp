// Promise: an instant is read as RFC 3339 means it, to the millisecond, or not at all.
// Method: the RFC's own examples and a numbered table of borders; then random instants with random
// offsets and fractions against the system's timegm; and every single-byte damage of a good text.

#include <burgee/date_time.hpp>

#include <time.h>

#include <optional>
#include <random>

#include "tests/shm/random_seed.hpp"

namespace burgee::test {
namespace {

std::optional<std::int64_t> read(std::string_view text) {
    // A copy of its own size, so that a sanitizer sees a byte read too many.
    const std::vector<char> bytes(text.begin(), text.end());
    std::int64_t unix_ms = 0;
    return parse_rfc3339({bytes.data(), bytes.size()}, unix_ms) ? std::optional(unix_ms)
                                                                : std::nullopt;
}

TEST(DateTimeTest, ReadsTheTable) {
    struct Case {
        const char* text;
        std::int64_t unix_ms;
    };
    // Numbers from `date -u -d TEXT +%s%3N`; years before 1 and leap seconds worked out by hand.
    const std::vector<Case> cases{
        {"1970-01-01T00:00:00Z", 0},
        {"1985-04-12T23:20:50.52Z", 482'196'050'520},          // RFC 3339, section 5.8
        {"1996-12-19T16:39:57-08:00", 851'042'397'000},        // likewise
        {"1937-01-01T12:00:27.87+00:20", -1'041'337'172'130},  // likewise
        {"1990-12-31T23:59:60Z", 662'688'000'000},             // likewise: 1991-01-01T00:00:00Z
        {"1990-12-31T15:59:60-08:00", 662'688'000'000},        // likewise
        {"1991-01-01T05:29:60+05:30", 662'688'000'000},
        {"1990-12-31T23:59:60.999Z", 662'688'000'000},  // all of it is the next second's start
        {"2024-02-29T12:00:00.123456Z", 1'709'208'000'123},
        {"2024-02-29T12:00:00.1239Z", 1'709'208'000'123},
        {"2024-02-29T12:00:00.1Z", 1'709'208'000'100},
        {"2024-02-29T12:00:00.12Z", 1'709'208'000'120},
        {"2024-02-29T12:00:00.000999999999Z", 1'709'208'000'000},
        {"2024-02-29t12:00:00z", 1'709'208'000'000},
        {"2024-02-29 12:00:00Z", 1'709'208'000'000},
        {"2024-02-29 12:00:00+00:00", 1'709'208'000'000},
        {"2024-02-29T12:00:00-00:00", 1'709'208'000'000},
        {"2024-02-29T17:30:00+05:30", 1'709'208'000'000},
        {"2024-02-28T12:01:00-23:59", 1'709'208'000'000},
        {"2024-03-01T11:59:00+23:59", 1'709'208'000'000},
        {"1969-12-31T23:59:59.9999Z", -1},  // towards the past, not towards zero
        {"1969-12-31T23:59:59.0001Z", -1'000},
        {"2000-02-29T00:00:00Z", 951'782'400'000},
        {"1900-03-01T00:00:00Z", -2'203'891'200'000},
        {"0000-01-01T00:00:00Z", -62'167'219'200'000},
        {"0000-02-29T00:00:00Z", -62'162'121'600'000},  // the year 0 is a leap year
        {"0000-01-01T00:00:00+23:59", -62'167'305'540'000},
        {"0001-01-01T00:00:00Z", -62'135'596'800'000},
        {"9999-12-31T23:59:59.999Z", 253'402'300'799'999},
        {"9999-12-31T23:59:59-23:59", 253'402'387'139'000},
        {"2038-01-19T03:14:08Z", 2'147'483'648'000},
    };
    for (std::size_t number = 0; number < cases.size(); ++number) {
        EXPECT_EQ(read(cases[number].text), cases[number].unix_ms)
            << number << ": " << cases[number].text;
    }
}

TEST(DateTimeTest, RefusesTheTable) {
    const std::vector<std::string> cases{
        "",
        "2024",
        "2024-02-29",
        "12:00:00Z",
        "2024-02-29T12:00Z",
        "20240229T120000Z",
        "2024-02-29T12:00:00",  // no offset: no instant
        "2024-02-29T12:00:00.5",
        "2024-02-29T12:00:00+00",  // PostgreSQL's text
        "2024-02-29T12:00:00+0530",
        "2024-02-29T12:00:00+5:30",
        "2024-02-29T12:00:00+05:3",
        "2024-02-29T12:00:00+24:00",
        "2024-02-29T12:00:00+05:60",
        "2024-02-29T12:00:00=05:30",
        "2024-02-29T12:00:00+05-30",
        "2024-02-29T12:00:00ZZ",
        "2024-02-29T12:00:00Z ",
        " 2024-02-29T12:00:00Z",
        "2024-02-29T12:00:00 Z",
        "2024-02-29  12:00:00Z",
        "2024-02-29_12:00:00Z",
        "2024-02-29T12:00:00.Z",
        "2024-02-29T12:00:00,5Z",
        "2024-02-29T12:00:00.-5Z",
        "2024-02-29T12:00:00.5.5Z",
        "2024-02-29T12:00:00A",
        "2024-00-01T00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-01-00T00:00:00Z",
        "2024-01-32T00:00:00Z",
        "2024-04-31T00:00:00Z",
        "2024-06-31T00:00:00Z",
        "2024-09-31T00:00:00Z",
        "2024-11-31T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2024-02-29T24:00:00Z",
        "2024-02-29T12:60:00Z",
        "2024-02-29T12:00:61Z",
        "2024-02-29T12:00:60Z",       // no leap second at noon
        "2024-02-28T23:59:60Z",       // nor inside a month
        "2024-02-29T23:59:60+01:00",  // nor at midnight elsewhere
        "2024-03-01T00:59:60+02:00",
        "-2024-02-29T12:00:00Z",
        "+2024-02-29T12:00:00Z",
        "12024-02-29T12:00:00Z",
        "2024-2-29T12:00:00Z",
        "2024-02-29T1:00:00Z",
        "2024/02/29T12:00:00Z",
        "2024-W09-4T12:00:00Z",
        "Thu, 29 Feb 2024 12:00:00 GMT",
        "1709208000000",
        "now",
        std::string("2024-02-29T12:00:00\0", 20),
    };
    for (std::size_t number = 0; number < cases.size(); ++number) {
        EXPECT_EQ(read(cases[number]), std::nullopt) << number << ": " << cases[number];
    }
}

TEST(DateTimeTest, BoundsTheText) {
    const std::string head = "2024-02-29T12:00:00.";
    const std::size_t digits = kDateTimeSizeMax - head.size() - 1;
    EXPECT_EQ(read(head + std::string(digits, '9') + "Z"), 1'709'208'000'999);
    EXPECT_EQ(read(head + std::string(digits + 1, '9') + "Z"), std::nullopt);
}

TEST(DateTimeTest, KnowsTheEndOfEveryMonth) {
    for (int year = 0; year <= 9'999; year += year < 2'200 && year > 1'800 ? 1 : 37) {
        for (int month = 1; month <= 12; ++month) {
            for (int day = 28; day <= 32; ++day) {
                char text[32];
                std::snprintf(text, sizeof text, "%04d-%02d-%02dT00:00:00Z", year, month, day);
                tm parts{};
                parts.tm_year = year - 1'900;
                parts.tm_mon = month - 1;
                parts.tm_mday = day;
                const time_t seconds = timegm(&parts);  // carries a day that the month has not
                const bool exists = parts.tm_mday == day;
                EXPECT_EQ(read(text),
                          exists ? std::optional<std::int64_t>(seconds * 1'000) : std::nullopt)
                    << text;
            }
        }
    }
}

TEST(DateTimeTest, AgreesWithTimegmOnRandomInstants) {
    std::mt19937_64 random(random_seed());
    const auto below = [&](int bound) {
        return static_cast<int>(random() % static_cast<std::uint64_t>(bound));
    };
    for (int round = 0; round < 10'000; ++round) {
        tm parts{};
        parts.tm_year = below(10'000) - 1'900;
        parts.tm_mon = below(12);
        parts.tm_mday = below(28) + 1;
        parts.tm_hour = below(24);
        parts.tm_min = below(60);
        parts.tm_sec = below(60);
        const int offset_minutes = below(2 * 1'440 - 1) - 1'439;
        const int micros = below(1'000'000);
        char text[64];
        std::snprintf(text, sizeof text, "%04d-%02d-%02d%c%02d:%02d:%02d.%06d%c%02d:%02d",
                      parts.tm_year + 1'900, parts.tm_mon + 1, parts.tm_mday, "Tt "[below(3)],
                      parts.tm_hour, parts.tm_min, parts.tm_sec, micros,
                      offset_minutes < 0 ? '-' : '+', std::abs(offset_minutes) / 60,
                      std::abs(offset_minutes) % 60);
        const std::int64_t seconds = timegm(&parts) - offset_minutes * 60;
        ASSERT_EQ(read(text), seconds * 1'000 + micros / 1'000) << text;
    }
}

TEST(DateTimeTest, RefusesEveryTruncationAndEveryForeignByte) {
    const std::string whole = "2024-02-29T12:00:00.123+05:30";
    ASSERT_TRUE(read(whole).has_value());
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_EQ(read(whole.substr(0, size)), std::nullopt) << size;
    }
    for (std::size_t place = 0; place < whole.size(); ++place) {
        for (int byte = 0; byte < 256; ++byte) {
            std::string damaged = whole;
            damaged[place] = static_cast<char>(byte);
            const bool is_digit = byte >= '0' && byte <= '9';
            const bool is_sign = place == 23 && (byte == '+' || byte == '-');
            const bool is_separator = place == 10 && (byte == 'T' || byte == 't' || byte == ' ');
            const bool may_be_read = damaged == whole || is_digit || is_sign || is_separator;
            EXPECT_TRUE(may_be_read || !read(damaged).has_value()) << damaged;
        }
    }
}

TEST(DateTimeTest, NeverTurnsTheOrderOfTexts) {
    const std::vector<std::string> ascending{"2016-12-31T23:59:58.999Z", "2016-12-31T23:59:59Z",
                                             "2016-12-31T23:59:59.999Z", "2016-12-31T23:59:60Z",
                                             "2016-12-31T23:59:60.5Z",   "2017-01-01T00:00:00Z",
                                             "2017-01-01T00:00:00.001Z"};
    for (std::size_t number = 1; number < ascending.size(); ++number) {
        EXPECT_LE(*read(ascending[number - 1]), *read(ascending[number])) << ascending[number];
    }
}

}  // namespace
}  // namespace burgee::test
