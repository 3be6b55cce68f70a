// Promise: a pattern means what docs/regex.md says, on every text; what it does not support is
// refused with its place and a way out. Method: a table of cases, each asked of the compiled table
// as a client asks it, from memory that ends with the last word.

#include <algorithm>
#include <memory>

#include <burgee/regex_match.hpp>

#include "shm/regex_compiler.hpp"

namespace burgee::test {
namespace {

bool matches(std::string_view pattern, std::string_view text, RegexOptions options = {}) {
    const auto table = compile_regex(pattern, options);
    if (!table) {
        ADD_FAILURE() << pattern << ": " << table.error();
        return false;
    }
    EXPECT_TRUE(check_regex_table(table->data(), table->size())) << pattern;
    // An allocation of its own, so that a sanitizer sees a read behind the last word.
    const std::unique_ptr<std::uint16_t[]> words(new std::uint16_t[table->size()]);
    std::copy(table->begin(), table->end(), words.get());
    return regex_matches(words.get(), table->size(), text);
}

struct Case {
    std::string_view pattern;
    std::string_view text;
    bool is_match;
};

void expect_all(const std::vector<Case>& cases, RegexOptions options = {}) {
    for (const Case& one : cases) {
        EXPECT_EQ(matches(one.pattern, one.text, options), one.is_match)
            << "pattern " << one.pattern << " text " << ::testing::PrintToString(one.text);
    }
}

TEST(RegexTest, FindsLiteralsAnywhere) {
    expect_all({{"", "", true},
                {"", "anything", true},
                {"a", "", false},
                {"a", "a", true},
                {"a", "xxaxx", true},
                {"a", "xxxx", false},
                {"abc", "ababc", true},
                {"abc", "ab", false},
                {"abc", "abxc", false},
                {"aab", "aaab", true},
                {"abab", "abaabab", true},
                {"beta", "the beta users", true},
                {"]", "a]b", true},
                {"}", "a}b", true},
                {"-", "a-b", true},
                {"a/b", "a/b", true},
                {"A", "a", false},
                {"a b", "a b", true},
                {std::string_view("a\0b", 3), std::string_view("xa\0b", 4), true},
                {std::string_view("a\0b", 3), "ab", false}});
}

TEST(RegexTest, TellsWhereATextBeginsAndEnds) {
    expect_all({{"^a", "ab", true},       {"^a", "ba", false},     {"a$", "ba", true},
                {"a$", "ab", false},      {"^a$", "a", true},      {"^a$", "aa", false},
                {"^$", "", true},         {"^$", "a", false},      {"^", "a", true},
                {"$", "a", true},         {"$^", "", true},        {"$^", "a", false},
                {"a^b", "ab", false},     {"a$b", "ab", false},    {"x*^y", "y", true},
                {"x*^y", "xy", false},    {"(^a|b)c", "ac", true}, {"(^a|b)c", "xac", false},
                {"(^a|b)c", "xbc", true}, {"a(b|$)", "a", true},   {"a(b|$)", "ab", true},
                {"a(b|$)", "ac", false},  {"a$", "a\n", false},    {"^b", "a\nb", false},
                {"(^)*a", "xa", true},    {"(a|^)+b", "b", true},  {"(a|^)+b", "xb", false},
                {"($|a)*b", "b", true},   {"^(a$|b)", "ba", true}, {"^^a$$", "a", true}});
}

TEST(RegexTest, ReadsClassesAndEscapes) {
    expect_all({{"[abc]", "xbx", true},
                {"[abc]", "xdx", false},
                {"[^abc]", "abc", false},
                {"[^abc]", "abcd", true},
                {"[a-c]", "b", true},
                {"[a-c]", "d", false},
                {"[a-]", "-", true},
                {"[-a]", "-", true},
                {"[a\\-c]", "b", false},
                {"[a\\-c]", "-", true},
                {"[a-c-e]", "-", true},
                {"[a-c-e]", "d", false},
                {"[\\]]", "]", true},
                {"[a\\]b]c", "]c", true},
                {"[\\^a]", "^", true},
                {"[a^]", "^", true},
                {"[.]", "a", false},
                {"[.*+?$()|{}]", "{", true},
                {"[\\d.]", "7", true},
                {"[\\w.-]", "-", true},
                {"[^\\d]", "123", false},
                {"[^\\d]", "12x3", true},
                {"[\\D]", "5", false},
                {"[\\D5]", "5", true},
                {"[\\s\\S]", "\n", true},
                {"[\\x41-\\x43]", "B", true},
                {"[\\n]", "\n", true},
                {"[^\n]", "\n", false},
                {"\\d", "a1", true},
                {"\\d", "ab", false},
                {"\\D", "12", false},
                {"\\D", "1a", true},
                {"\\w", "_", true},
                {"\\w", "-", false},
                {"\\W", "a_9", false},
                {"\\W", "a b", true},
                {"\\s", "a\tb", true},
                {"\\s", "ab", false},
                {"\\s", "\v", true},
                {"\\S", " \t\r\n\f\v", false},
                {"\\S", " x ", true},
                {"\\.", "a.b", true},
                {"\\.", "ab", false},
                {"\\\\", "a\\b", true},
                {"\\/", "/", true},
                {"\\t", "\t", true},
                {"\\n", "\n", true},
                {"\\r", "\r", true},
                {"\\f", "\f", true},
                {"\\x41", "A", true},
                {"\\x4a", "J", true},
                {"\\x{41}", "A", true},
                {"\\x{0041}", "A", true},
                {"\\(\\)\\[\\]\\{\\}", "()[]{}", true},
                {"\\^\\$\\*\\+\\?\\|", "^$*+?|", true},
                {"\\ ", " ", true},
                {"\\_\\-\\\"\\'", "_-\"'", true}});
}

TEST(RegexTest, Repeats) {
    expect_all({{"ab*c", "ac", true},
                {"ab*c", "abbbc", true},
                {"ab*c", "adc", false},
                {"ab+c", "ac", false},
                {"ab+c", "abbc", true},
                {"ab?c", "abc", true},
                {"ab?c", "abbc", false},
                {"^a{3}$", "aa", false},
                {"^a{3}$", "aaa", true},
                {"^a{3}$", "aaaa", false},
                {"^a{2,}$", "a", false},
                {"^a{2,}$", "aaaaaa", true},
                {"^a{2,3}$", "aaa", true},
                {"^a{2,3}$", "aaaa", false},
                {"^a{0}$", "", true},
                {"^a{0}$", "a", false},
                {"^a{0,2}b$", "aab", true},
                {"^a{0,2}b$", "aaab", false},
                {"^a{0,}b$", "aaab", true},
                {"^a{1,}$", "", false},
                {"^(ab){2}$", "abab", true},
                {"^(ab){2}$", "ababab", false},
                {"^[ab]{2}$", "ba", true},
                {"^(a*)*$", "aaa", true},
                {"^(a*)+$", "", true},
                {"^(a+)+$", "aab", false},
                {"^(a?){3}$", "aa", true},
                {"^(a?){3}$", "aaaa", false},
                {"^(a|ab)(c|bcd)(d*)$", "abcd", true},
                {"^a*?$", "aaa", true},
                {"^a+?b??$", "aab", true},
                {"^a{2,3}?$", "aaaa", false},
                {"^(){5}a$", "a", true},
                {"^a{03}$", "aaa", true},
                {"^.{100}$",
                 std::string_view("0123456789012345678901234567890123456789012345678901"
                                  "234567890123456789012345678901234567890123456789"),
                 true},
                {"^.{100}$", "0123456789", false}});
}

TEST(RegexTest, Chooses) {
    expect_all({{"a|b", "xb", true},
                {"a|b", "xc", false},
                {"^(a|b)$", "b", true},
                {"^a|b$", "ax", true},
                {"^a|b$", "xb", true},
                {"^a|b$", "xax", false},
                {"^(|a)$", "", true},
                {"^(a|)$", "a", true},
                {"^(a||b)$", "ab", false},
                {"^(?:ab|cd)+$", "abcdab", true},
                {"^(?:ab|cd)+$", "abcda", false},
                {"^((a|b)(c|d))$", "bd", true},
                {"foo|bar|baz", "a bazaar", true},
                {"foo|bar|baz", "a bizarre", false},
                {"^()$", "", true},
                {"|", "", true}});
}

TEST(RegexTest, AnswersWhatPeopleAsk) {
    constexpr std::string_view kMail = R"(^[a-z0-9._]+@example\.(com|org)$)";
    constexpr std::string_view kAddress = R"(^(\d{1,3}\.){3}\d{1,3}$)";
    constexpr std::string_view kUuid = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";
    expect_all({{kMail, "jane.d02@example.com", true},
                {kMail, "jane.d02@example.org", true},
                {kMail, "jane.d02@example.net", false},
                {kMail, "jane.d02@example.comm", false},
                {kMail, "@example.com", false},
                {kMail, "jane@example_com", false},
                {kAddress, "192.168.10.1", true},
                {kAddress, "192.168.10", false},
                {kAddress, "1922.168.10.1", false},
                {kUuid, "123e4567-e89b-12d3-a456-426614174000", true},
                {kUuid, "123e4567-e89b-12d3-a456-42661417400", false},
                {"^/api/v[12]/", "/api/v2/users", true},
                {"^/api/v[12]/", "/api/v3/users", false},
                {R"(\.(jpe?g|png)$)", "photo.jpg", true},
                {R"(\.(jpe?g|png)$)", "photo.jpg.exe", false}});
}

TEST(RegexTest, CountsCodePoints) {
    expect_all({{"é", "café", true},
                {"é", "cafe", false},
                {"^caf.$", "café", true},
                {"^.$", "€", true},
                {"^.$", "😀", true},
                {"^.{3}$", "é€😀", true},
                {"^.$", "ab", false},
                {"^.$", "\n", false},
                {".", "\r", true},
                {"^é{2}$", "éé", true},
                {"^é+$", "éé", true},
                {"[é-ü]", "ö", true},
                {"[é-ü]", "á", false},
                {"^[^é]$", "è", true},
                {"^[^é]$", "é", false},
                {"^[^a]$", "😀", true},
                {"^[^a]$", "€", true},
                {"^\\W$", "é", true},
                {"\\w", "é", false},
                {"\\d", "٣", false},
                {"^\\D$", "٣", true},
                {"\\s", "\u00A0", false},
                {"^\\xE9$", "é", true},
                {"^\\x{20AC}$", "€", true},
                {"^\\x{1F600}$", "😀", true},
                {"^[\\x{1F600}-\\x{1F64F}]$", "😀", true},
                {"^[\\x{1F600}-\\x{1F64F}]$", "😀x", false},
                {"日本|中国", "在中国", true},
                {"日本|中国", "在中日", false},
                {"^\\x{10FFFF}$", "\U0010FFFF", true}});
}

TEST(RegexTest, BytesThatAreNoUtf8MatchNothing) {
    const std::vector<std::string_view> broken{"\x80",              // a tail without a head
                                               "\xC3",              // a head without a tail
                                               "\xE2\x82",          // cut short
                                               "\xC0\x80",          // overlong NUL
                                               "\xC1\xBF",          // overlong
                                               "\xE0\x9F\xBF",      // overlong
                                               "\xF0\x8F\xBF\xBF",  // overlong
                                               "\xED\xA0\x80",      // U+D800
                                               "\xED\xBF\xBF",      // U+DFFF
                                               "\xF4\x90\x80\x80",  // U+110000
                                               "\xF5\x80\x80\x80",
                                               "\xFE",
                                               "\xFF"};
    for (const std::string_view text : broken) {
        for (const std::string_view pattern : {".", "[^a]", "\\W", "\\D", "\\S", "[\\s\\S]",
                                               "[\\x{80}-\\x{10FFFF}]", "[\\x00-\\x{10FFFF}]"}) {
            EXPECT_FALSE(matches(pattern, text))
                << pattern << " " << ::testing::PrintToString(text);
        }
        EXPECT_TRUE(matches("", text));
        EXPECT_TRUE(matches("b$", std::string("a") + std::string(text) + "b"));
        EXPECT_FALSE(matches("^a.b$", std::string("a") + std::string(text) + "b"));
    }
    EXPECT_TRUE(matches("^\xED\x9F\xBF$", "\xED\x9F\xBF"));  // U+D7FF
    EXPECT_TRUE(matches("^.$", "\xEE\x80\x80"));             // U+E000
}

/// The UTF-8 of `value`, written without the code under test.
std::string utf8(std::uint32_t value) {
    std::string out;
    const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
    if (value < 0x80) {
        put(value);
    } else if (value < 0x800) {
        put(0xC0 | value >> 6), put(0x80 | (value & 63));
    } else if (value < 0x10000) {
        put(0xE0 | value >> 12), put(0x80 | (value >> 6 & 63)), put(0x80 | (value & 63));
    } else {
        put(0xF0 | value >> 18), put(0x80 | (value >> 12 & 63));
        put(0x80 | (value >> 6 & 63)), put(0x80 | (value & 63));
    }
    return out;
}

TEST(RegexTest, ClassesKeepTheirBordersInEverySizeOfUtf8) {
    const std::vector<std::uint32_t> borders{0x01,    0x41,     0x7F,    0x80,    0xBF,    0x7FF,
                                             0x800,   0xFFF,    0x1000,  0x1234,  0xCFFF,  0xD7FF,
                                             0xE000,  0xFFFF,   0x10000, 0x12345, 0x3FFFF, 0x40000,
                                             0xFFFFF, 0x100000, 0x10FFFE};
    const auto is_character = [](std::uint32_t value) {
        return (value < 0xD800 || value > 0xDFFF) && value <= 0x10FFFF;
    };
    for (const std::uint32_t first : borders) {
        for (const std::uint32_t last : borders) {
            if (first > last) {
                continue;
            }
            char ranges[64];
            std::snprintf(ranges, sizeof ranges, "\\x{%X}-\\x{%X}", first, last);
            const auto inside = compile_regex("^[" + std::string(ranges) + "]$");
            const auto outside = compile_regex("^[^" + std::string(ranges) + "]$");
            ASSERT_TRUE(inside && outside);
            for (const std::uint32_t border : borders) {
                for (std::uint32_t value = border - 1; value <= border + 1; ++value) {
                    const std::string text = utf8(value);
                    const bool is_inside = value >= first && value <= last && is_character(value);
                    EXPECT_EQ(regex_matches(inside->data(), inside->size(), text), is_inside)
                        << ranges << " " << value;
                    EXPECT_EQ(regex_matches(outside->data(), outside->size(), text),
                              !is_inside && is_character(value))
                        << ranges << " " << value;
                }
            }
        }
    }
}

TEST(RegexTest, IgnoresCaseOfAsciiLettersOnly) {
    expect_all({{"abc", "xABCx", true},
                {"ABC", "abc", true},
                {"[a-c]", "B", true},
                {"[A-C]", "b", true},
                {"[^a]", "A", false},
                {"[^a]", "aAb", true},
                {"[Z-a]", "A", true},
                {"[Z-a]", "z", true},
                {"\\x41", "a", true},
                {"a1_", "A1_", true},
                {"é", "É", false},
                {"\\x{212A}", "k", false},  // KELVIN SIGN is no ASCII letter
                {"k", "\u212A", false},
                {"[@-\\[]", "b", true},
                {"[@\\[`{]", "b", false},
                {"\\W", "aZ", false}},
               {.is_case_insensitive = true});
}

}  // namespace
}  // namespace burgee::test
