// Promise: what is no pattern, or takes too much, is refused in one line that says where, what and
// what to do; and quickly, whatever the bytes. Method: one pattern a refusal; patterns known to
// blow up; every truncation and random bytes, which must not crash.

#include <chrono>
#include <random>

#include <burgee/regex_match.hpp>

#include "shm/regex_compiler.hpp"
#include "shm/regex_nfa.hpp"

namespace burgee::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string refusal_of(std::string_view pattern) {
    const auto table = compile_regex(pattern);
    return table ? "accepted" : table.error();
}

struct Refusal {
    std::string_view pattern;
    std::string_view offset;
    std::string_view what;
};

void expect_all(const std::vector<Refusal>& refusals) {
    for (const Refusal& one : refusals) {
        const std::string message = refusal_of(one.pattern);
        EXPECT_THAT(message, AllOf(StartsWith("at offset " + std::string(one.offset) + ": "),
                                   HasSubstr(std::string(one.what))))
            << one.pattern;
        EXPECT_EQ(message.find('\n'), std::string::npos);
    }
}

TEST(RegexRefusalTest, NamesWhatIsNotSupported) {
    expect_all({{R"((a)\1)", "3", "\\1 is a backreference"},
                {R"(\k<x>)", "0", "\\k is a backreference"},
                {"a(?=b)", "1", "lookaround"},
                {"a(?!b)", "1", "lookaround"},
                {"(?<=a)b", "0", "lookaround"},
                {"(?<!a)b", "0", "lookaround"},
                {"(?P<n>a)", "0", "no names"},
                {"(?<n>a)", "0", "no names"},
                {"(?>a)", "0", "atomic"},
                {"(?i)a", "0", "case_insensitive"},
                {"a*+", "2", "possessive"},
                {"a{2}+", "4", "possessive"},
                {R"(a\b)", "1", "word border"},
                {R"(a\B)", "1", "word border"},
                {R"(\Aa)", "0", "write ^"},
                {R"(a\Z)", "1", "write $"},
                {R"(a\z)", "1", "write $"},
                {R"(\p{L})", "0", "Unicode properties"},
                {R"(\u0041)", "0", "\\x{...}"},
                {R"(\0)", "0", "\\x00"},
                {R"(\q)", "0", "no meaning"},
                {"[[:alpha:]]", "1", "named classes"},
                {"\\é", "0", "only ASCII punctuation"}});
}

TEST(RegexRefusalTest, NamesWhatIsNoPattern) {
    expect_all({{"(a", "0", "never closed"},
                {"a(b(c)", "1", "never closed"},
                {"a)", "1", "closes no group"},
                {"[a", "0", "never closed"},
                {"a[^b", "1", "never closed"},
                {"[]", "0", "empty class"},
                {"[^]a]", "0", "empty class"},
                {"[z-a]", "1", "ends before it begins"},
                {"[a-\\d]", "1", "range"},
                {"[\\w-z]", "1", "range"},
                {"*a", "0", "nothing to repeat"},
                {"a|+", "2", "nothing to repeat"},
                {"(?)", "0", "options"},
                {"{2}", "0", "nothing to repeat"},
                {"a**", "2", "repetition of a repetition"},
                {"a{2}{3}", "4", "repetition of a repetition"},
                {"^*", "1", "cannot be repeated"},
                {"a{", "1", "begins no repetition"},
                {"a{x}", "1", "begins no repetition"},
                {"a{,3}", "1", "begins no repetition"},
                {"a{2", "1", "begins no repetition"},
                {"a{2,", "1", "begins no repetition"},
                {"a{3,2}", "1", "swap them"},
                {"\\", "0", "a backslash ends"},
                {"\\x4", "0", "hexadecimal"},
                {"\\xg1", "0", "hexadecimal"},
                {"\\x{}", "0", "hexadecimal"},
                {"\\x{1234567}", "0", "hexadecimal"},
                {"\\x{110000}", "0", "no character"},
                {"\\x{D800}", "0", "no character"},
                {"a\xFF", "1", "UTF-8"},
                {"[\xC3]", "1", "UTF-8"},
                {"\xED\xA0\x80", "0", "UTF-8"},
                {"é\xC0\x80", "2", "UTF-8"}});
}

TEST(RegexRefusalTest, KeepsEveryBound) {
    expect_all({{"a{101}", "1", "at most 100"},
                {"a{1,101}", "1", "at most 100"},
                {"a{101,}", "1", "at most 100"},
                {"a{99999999999999999999}", "1", "at most 100"}});
    EXPECT_EQ(refusal_of("^a{100}"), "accepted");
    EXPECT_EQ(refusal_of("^a{100,}"), "accepted");

    const auto nested = [](std::size_t depth) {
        return std::string(depth, '(') + "a" + std::string(depth, ')');
    };
    EXPECT_EQ(refusal_of(nested(kRegexDepthMax)), "accepted");
    EXPECT_THAT(refusal_of(nested(kRegexDepthMax + 1)), StartsWith("at offset 50: more than 50"));

    EXPECT_EQ(refusal_of(std::string(kRegexPatternSizeMax - 2, 'a')), "accepted");
    EXPECT_THAT(refusal_of(std::string(kRegexPatternSizeMax + 1, 'a')),
                HasSubstr("at most 4096 are possible"));
}

TEST(RegexRefusalTest, StopsAt4096States) {
    // Dead, and one state for each count of letters in a row: 0 to 4 094, the last being matched.
    EXPECT_EQ(refusal_of(std::string(kRegexStateCountMax - 2, 'a')), "accepted");
    EXPECT_THAT(refusal_of(std::string(kRegexStateCountMax - 1, 'a')),
                StartsWith("needs more than 4096 states: "));
    EXPECT_EQ(refusal_of("(a|b)*a(a|b){8}$"), "accepted");
    EXPECT_THAT(refusal_of("(a|b)*a(a|b){12}$"), StartsWith("needs more than 4096 states: "));
    EXPECT_THAT(refusal_of("a.{100}b"), StartsWith("needs more than 4096 states: "));
}

TEST(RegexRefusalTest, StopsBeforeAPatternGrowsTooLarge) {
    EXPECT_THAT(refusal_of("((a{100}){100}){100}"), StartsWith("the pattern is too large"));
    EXPECT_THAT(refusal_of("(((((((){100}){100}){100}){100}){100}){100}){100}"),
                StartsWith("the pattern is too large"));
    EXPECT_THAT(refusal_of("([^a]{100}){100}"), StartsWith("the pattern is too large"));
}

TEST(RegexRefusalTest, AnswersQuicklyWhateverThePattern) {
    const auto many = [](std::string_view part, std::size_t count) {
        std::string out;
        for (std::size_t i = 0; i < count; ++i) {
            out += part;
        }
        return out;
    };
    const std::vector<std::string> patterns{
        "(a*)*b",
        "(a|a)*",
        "(a+)+$",
        "(.*)*(.*)*(.*)*x",
        many("a?", 50) + many("a", 50),
        "(a?){50}a{50}",
        many("(x+x+)+", 100) + "y",
        ".{100}",
        "[^a]{100}b{100}",
        "(.{50}){50}",
        "(.*.*.*x.*.*.*y){30}",
        many("[^a]*", 800),
        many("\\W", 2'000),
        many("(.|\\W|[^b])*c", 250),
        "(" + many("a{1,9}b{1,9}", 40) + "){1,20}$",
        many("(a|b)*a(a|b)", 300) + "$",
        "[" + many("\\x{100}-\\x{7FF}\\x{900}\\x{10100}-\\x{FFFFF}", 100) + "]{100}$",
    };
    const std::string text(10'000, 'a');
    for (const std::string& pattern : patterns) {
        const auto begin = std::chrono::steady_clock::now();
        const auto table = compile_regex(pattern);
        if (table) {
            EXPECT_TRUE(check_regex_table(table->data(), table->size()));
            regex_matches(table->data(), table->size(), text);
        }
        // A second is usual for the worst of them under a sanitizer; without bounds it is for ever.
        EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20)) << pattern;
    }
}

TEST(RegexRefusalTest, SurvivesEveryTruncationAndRandomBytes) {
    constexpr std::string_view kWhole =
        R"(^(?:[^\]a-z\x41-\x{20AC}\d]{2,30}?|é.*\.(foo|b[ar]+)\W)+[\w-]\s$)";
    for (std::size_t size = 0; size <= kWhole.size(); ++size) {
        refusal_of(kWhole.substr(0, size));
    }
    constexpr std::string_view kAlphabet = "ab.*+?{}1,2()|[]^$-\\xdwsDWSn\xC3\xA9\xFF:=!<";
    std::mt19937_64 random(20'240'229);  // any number; fixed, so that the time taken is
    std::size_t accepted_count = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::string pattern(random() % 24, ' ');
        for (char& byte : pattern) {
            byte = random() % 8 == 0 ? static_cast<char>(random())
                                     : kAlphabet[random() % kAlphabet.size()];
        }
        const auto table = compile_regex(pattern);
        if (table) {
            ++accepted_count;
            ASSERT_TRUE(check_regex_table(table->data(), table->size())) << pattern;
        } else {
            ASSERT_FALSE(table.error().empty()) << pattern;
        }
    }
    EXPECT_GT(accepted_count, 100U);  // else the bytes were too wild to test anything
}

}  // namespace
}  // namespace burgee::test
