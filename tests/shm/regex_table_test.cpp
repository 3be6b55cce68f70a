// Promise: a table answers as another regex engine does; equal languages give equal tables; and
// hostile words give a wrong answer at worst. Method: random patterns and texts against std::regex
// from a fixed seed; pairs of patterns; random and spoiled tables, in memory that ends with the
// last word so that a sanitizer sees a step outside.

#include <algorithm>
#include <memory>
#include <random>
#include <regex>

#include <burgee/regex_match.hpp>

#include "shm/regex_compiler.hpp"

namespace burgee::test {
namespace {

constexpr std::uint64_t kSeed = 20'240'229;  // any number; fixed so that std::regex's time is, too

std::uint64_t printed_seed() {
    const char* given = std::getenv("BURGEE_TEST_SEED");
    const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : kSeed;
    std::printf("BURGEE_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
    return seed;
}

/// Draws patterns of what this dialect and ECMAScript share, and texts that nearly match.
class PatternSource {
public:
    PatternSource(std::uint64_t seed, std::u32string letters)
        : random_(seed), letters_(std::move(letters)) {}

    std::u32string pattern() { return choice(3); }

    std::u32string text() {
        std::u32string out(draw(9), U' ');
        for (char32_t& letter : out) {
            letter = draw(8) == 0 ? U"1 _"[draw(3)] : letters_[draw(letters_.size())];
        }
        return out;
    }

    std::size_t draw(std::size_t count) { return random_() % count; }

private:
    std::u32string choice(int depth) {
        std::u32string out = sequence(depth);
        for (std::size_t more = draw(3) == 0 ? 1 + draw(2) : 0; more > 0; --more) {
            out += U"|" + sequence(depth);
        }
        return out;
    }

    std::u32string sequence(int depth) {
        std::u32string out;
        for (std::size_t count = 1 + draw(3); count > 0; --count) {
            const std::size_t kind = draw(16);
            if (kind < 2) {
                out += kind == 0 ? U"^" : U"$";
                continue;
            }
            out += kind < 7 && depth > 0 ? (draw(2) == 0 ? U"(" : U"(?:") + choice(depth - 1) + U")"
                                         : atom();
            static const std::vector<std::u32string> kRepetitions{
                U"*", U"+", U"?", U"{2}", U"{1,2}", U"{0,3}", U"{1,}", U"*?", U"+?", U"??"};
            out += draw(3) == 0 ? kRepetitions[draw(kRepetitions.size())] : U"";
        }
        return out;
    }

    std::u32string atom() {
        static const std::vector<std::u32string> kEscapes{U".",   U"\\d", U"\\w",
                                                          U"\\s", U"\\D", U"\\W"};
        const std::size_t kind = draw(8);
        if (kind == 0) {
            return kEscapes[draw(kEscapes.size())];
        }
        if (kind > 2) {
            return {letters_[draw(letters_.size())]};
        }
        std::u32string out = kind == 1 ? U"[" : U"[^";
        for (std::size_t count = 1 + draw(2); count > 0; --count) {
            const auto [first, last] =
                std::minmax(letters_[draw(letters_.size())], letters_[draw(letters_.size())]);
            out += draw(2) == 0 ? std::u32string{first} : std::u32string{first, U'-', last};
        }
        return out + U"]";
    }

    std::mt19937_64 random_;
    std::u32string letters_;
};

std::string narrow(const std::u32string& text) {
    return {text.begin(), text.end()};
}
std::wstring wide(const std::u32string& text) {
    return {text.begin(), text.end()};
}

std::string utf8(const std::u32string& text) {
    std::string out;
    for (const char32_t value : text) {
        const auto tail = [&](unsigned shift) {
            out += static_cast<char>(0x80U | (value >> shift & 63U));
        };
        if (value < 0x80) {
            out += static_cast<char>(value);
        } else if (value < 0x800) {
            out += static_cast<char>(0xC0U | value >> 6U), tail(0);
        } else if (value < 0x10000) {
            out += static_cast<char>(0xE0U | value >> 12U), tail(6), tail(0);
        } else {
            out += static_cast<char>(0xF0U | value >> 18U), tail(12), tail(6), tail(0);
        }
    }
    return out;
}

/// ECMAScript; and libstdc++ walks all branches side by side, for one after the other it may take
/// hours over a pattern of random repetitions.
const auto kOtherDialect = std::regex_constants::ECMAScript | std::regex_constants::__polynomial;

/// Shared syntax is never refused for its form; a few random patterns take too many states.
void expect_too_large(const std::string& pattern, const std::string& refusal) {
    EXPECT_THAT(refusal, ::testing::StartsWith("needs more than 4096 states")) << pattern;
}

TEST(RegexTableTest, AnswersAsStdRegexDoes) {
    PatternSource source(printed_seed(), U"abcABZ");
    std::size_t match_count = 0;
    std::size_t refused_count = 0;
    for (int round = 0; round < 5'000; ++round) {
        const std::string pattern = narrow(source.pattern());
        const bool is_case_insensitive = source.draw(4) == 0;
        const auto table = compile_regex(pattern, {.is_case_insensitive = is_case_insensitive});
        if (!table) {
            expect_too_large(pattern, table.error());
            ++refused_count;
            continue;
        }
        const std::regex other(pattern,
                               kOtherDialect | (is_case_insensitive ? std::regex_constants::icase
                                                                    : std::regex::flag_type{}));
        for (int number = 0; number < 4; ++number) {
            const std::string text = narrow(source.text());
            const bool is_match = regex_matches(table->data(), table->size(), text);
            ASSERT_EQ(is_match, std::regex_search(text, other))
                << pattern << " on '" << text << "', ignoring case: " << is_case_insensitive;
            match_count += is_match ? 1U : 0U;
        }
    }
    EXPECT_GT(match_count, 4'000U);  // both answers have to come up often
    EXPECT_LT(match_count, 18'000U);
    EXPECT_LT(refused_count, 50U);
}

TEST(RegexTableTest, AnswersAsStdRegexDoesBeyondAscii) {
    PatternSource source(printed_seed(), U"a\x7F\x80\x7FF\x800\xD7FF\xE000\xFFFF\x10000\x10FFFF");
    std::size_t match_count = 0;
    std::size_t refused_count = 0;
    for (int round = 0; round < 2'500; ++round) {
        const std::u32string pattern = source.pattern();
        const auto table = compile_regex(utf8(pattern));
        if (!table) {
            expect_too_large(utf8(pattern), table.error());
            ++refused_count;
            continue;
        }
        const std::wregex other(wide(pattern), kOtherDialect);
        for (int number = 0; number < 4; ++number) {
            const std::u32string text = source.text();
            const bool is_match = regex_matches(table->data(), table->size(), utf8(text));
            ASSERT_EQ(is_match, std::regex_search(wide(text), other))
                << utf8(pattern) << " on " << ::testing::PrintToString(utf8(text));
            match_count += is_match ? 1U : 0U;
        }
    }
    EXPECT_GT(match_count, 2'000U);
    EXPECT_LT(match_count, 9'000U);
    EXPECT_LT(refused_count, 50U);
}

TEST(RegexTableTest, EqualAnswersGiveEqualTables) {
    const std::vector<std::pair<std::string_view, std::string_view>> pairs{
        {"a|b", "[ab]"},
        {"[a-c]", "c|[ab]"},
        {"(a*)*b", "b"},
        {"^(a*)*b$", "^a*b$"},
        {"^a{2,4}$", "^aa(a(a)?)?$"},
        {"^(a|ab)(c|bc)$", "^ab?b?c$"},
        {"a*", ""},
        {"(^|.*)x", "x"},
        {"x.*|x\n", "x"},
        {"a|$", ""},
        {"a^b", "$a"},
        {"[^\\s\\S]", "a^"},
        {"^(aa)*(aaa)*$", "^(a{2}a*)?$"},
        {"\\d", "[0-9]"},
        {"^[\\x00-\\x{10FFFF}]$", "^(.|\\n)$"},
        {"foo|foobar", "foo"}};
    for (const auto& [left, right] : pairs) {
        EXPECT_EQ(*compile_regex(left), *compile_regex(right)) << left << " and " << right;
    }
    EXPECT_NE(*compile_regex("a"), *compile_regex("b"));
}

TEST(RegexTableTest, HasNoStateThatCouldBeSpared) {
    const auto state_count = [](std::string_view pattern) { return (*compile_regex(pattern))[1]; };
    EXPECT_EQ(state_count(""), 2);     // dead and matched
    EXPECT_EQ(state_count("a^b"), 2);  // dead from the start
    EXPECT_EQ(state_count("abc"), 5);  // and one for each part still to come
    EXPECT_EQ(state_count("(a|a)*(b|b)"), 3);
    EXPECT_EQ(state_count("(a?){50}a{50}"), 52);  // fifty a's in a row
    EXPECT_EQ(state_count("^a.{3}$"), 3 + 4 + 3 * 7);
}

/// `words`, in an allocation that ends with the last one.
bool matches_exactly(const std::vector<std::uint16_t>& words, std::string_view text) {
    const std::unique_ptr<std::uint16_t[]> copy(new std::uint16_t[words.size()]);
    std::copy(words.begin(), words.end(), copy.get());
    const bool is_match = regex_matches(copy.get(), words.size(), text);
    if (check_regex_table(copy.get(), words.size())) {
        EXPECT_LE(copy[1], kRegexStateCountMax);
    }
    return is_match;
}

TEST(RegexTableTest, RefusesEveryTruncation) {
    std::vector<std::uint16_t> words = *compile_regex("^[a-z0-9._]+@example\\.(com|org)$");
    ASSERT_TRUE(matches_exactly(words, "jane@example.com"));
    words.push_back(0);
    EXPECT_FALSE(check_regex_table(words.data(), words.size()));  // no whole table, but one inside
    EXPECT_TRUE(matches_exactly(words, "jane@example.com"));
    words.pop_back();
    while (!words.empty()) {
        words.pop_back();
        ASSERT_FALSE(check_regex_table(words.data(), words.size()));
        ASSERT_FALSE(matches_exactly(words, "jane@example.com"));
    }
    EXPECT_FALSE(regex_matches(nullptr, 0, "a"));
    EXPECT_FALSE(check_regex_table(nullptr, 0));
}

TEST(RegexTableTest, TheCheckFindsWhatTheWalkWouldNotLike) {
    const std::vector<std::uint16_t> good = *compile_regex("a$|b");
    ASSERT_TRUE(check_regex_table(good.data(), good.size()));
    const std::uint16_t state_count = good[1];
    const std::size_t ends = kRegexHeaderWordCount;
    struct Spoiled {
        const char* what;
        std::size_t word;
        std::uint16_t value;
    };
    const std::vector<Spoiled> all{
        {"tag", 0, 0},
        {"one state", 1, 1},
        {"too many states", 1, kRegexStateCountMax + 1},
        {"no class", 2, 0},
        {"too many classes", 2, kRegexClassCountMax + 1},
        {"start", 3, state_count},
        {"class of a byte", 4 + 'x' / 2, 0xFFFF},
        {"dead may end", ends, static_cast<std::uint16_t>(good[ends] | 1U)},
        {"matched may not end", ends, static_cast<std::uint16_t>(good[ends] & ~2U)},
        {"an end of no state", ends, static_cast<std::uint16_t>(good[ends] | 1U << state_count)},
        {"dead leads on", ends + 1, 1},
        {"matched leads on", ends + 2, 0},
        {"next state", good.size() - 1, state_count}};
    for (const Spoiled& one : all) {
        std::vector<std::uint16_t> words = good;
        words[one.word] = one.value;
        EXPECT_FALSE(check_regex_table(words.data(), words.size())) << one.what;
        for (const std::string_view text : {"", "a", "b", "xxxxxxxa", "\xFF\xFE"}) {
            matches_exactly(words, text);
        }
    }
}

TEST(RegexTableTest, HostileTablesGiveWrongAnswersAtWorst) {
    std::mt19937_64 random(printed_seed());
    const std::vector<std::vector<std::uint16_t>> good{
        *compile_regex("a$|b"), *compile_regex("^[a-z0-9._]+@example\\.(com|org)$"),
        *compile_regex("[^é]{3}x"), *compile_regex("(a|b)*a(a|b){5}$")};
    std::string text(64, ' ');
    std::size_t match_count = 0;
    for (int round = 0; round < 100'000; ++round) {
        std::vector<std::uint16_t> words;
        if (round % 4 == 0) {  // nothing but noise behind a header that may pass
            words.resize(kRegexHeaderWordCount + random() % 512);
            for (std::uint16_t& word : words) {
                word = static_cast<std::uint16_t>(random());
            }
            words[0] = kRegexTableTag;
            words[1] = static_cast<std::uint16_t>(2 + random() % 32);
            words[2] = static_cast<std::uint16_t>(1 + random() % 16);
            words[3] = static_cast<std::uint16_t>(random() % 40);
        } else {
            words = good[random() % good.size()];
            for (std::size_t spoiled = 1 + random() % 16; spoiled > 0; --spoiled) {
                const std::size_t place =
                    random() % 4 == 0 ? random() % 4 : random() % words.size();
                words[place] = static_cast<std::uint16_t>(random() >> random() % 64);
            }
        }
        for (char& byte : text) {
            byte = random() % 4 == 0 ? static_cast<char>(random()) : "abx@."[random() % 5];
        }
        match_count += matches_exactly(words, text) ? 1U : 0U;
    }
    EXPECT_GT(match_count, 0U);  // else no table got past its header
}

}  // namespace
}  // namespace burgee::test
