// Promise: texts are found where they are and nowhere else, ignoring the case of A to Z and of
// nothing more, in linear time for every text. Method: a numbered table; all bytes; random texts of
// few letters, which repeat themselves, against the standard library; and counted reads on texts
// that make a simple search quadratic.

#include <burgee/text_match.hpp>

#include <random>
#include <utility>

#include "tests/shm/random_seed.hpp"

namespace burgee::test {
namespace {

std::string folded(std::string text) {
    fold_into(text, text.data());
    return text;
}

/// What folding means, said without it.
std::string small(std::string text) {
    for (char& character : text) {
        constexpr std::string_view kCapitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        constexpr std::string_view kSmall = "abcdefghijklmnopqrstuvwxyz";
        const std::size_t place = kCapitals.find(character);
        character = place == std::string_view::npos ? character : kSmall[place];
    }
    return text;
}

TEST(TextMatchTest, MatchesTheTable) {
    struct Case {
        const char* text;
        const char* part;
        bool starts;
        bool ends;
        bool has;
        bool starts_folded;
        bool ends_folded;
        bool has_folded;
    };
    const std::vector<Case> cases{
        {"", "", true, true, true, true, true, true},
        {"a", "", true, true, true, true, true, true},
        {"", "a", false, false, false, false, false, false},
        {"a", "a", true, true, true, true, true, true},
        {"A", "a", false, false, false, true, true, true},
        {"a", "ab", false, false, false, false, false, false},
        {"abc", "abc", true, true, true, true, true, true},
        {"abc", "ab", true, false, true, true, false, true},
        {"abc", "bc", false, true, true, false, true, true},
        {"abcd", "bc", false, false, true, false, false, true},
        {"ABCD", "bc", false, false, false, false, false, true},
        {"aab", "ab", false, true, true, false, true, true},
        {"aaab", "aab", false, true, true, false, true, true},
        {"user@Example.COM", "@example.com", false, false, false, false, true, true},
        {"User@Example.com", "user@", false, false, false, true, false, true},
        {"a-very-long-identifier-WITH-CAPITALS", "a-very-long-identifier-with-capitals", false,
         false, false, true, true, true},
        {"caf\xC3\xA9", "\xC3\xA9", false, true, true, false, true, true},
        {"CAF\xC3\x89", "caf\xC3\xA9", false, false, false, false, false, false},  // É is not é
        {"\xE2\x84\xAA", "k", false, false, false, false, false, false},  // the Kelvin sign
    };
    for (std::size_t number = 0; number < cases.size(); ++number) {
        const Case& row = cases[number];
        SCOPED_TRACE(std::to_string(number) + ": " + row.text + ", " + row.part);
        EXPECT_EQ(starts_with(row.text, row.part), row.starts);
        EXPECT_EQ(ends_with(row.text, row.part), row.ends);
        EXPECT_EQ(contains(row.text, row.part), row.has);
        EXPECT_EQ(starts_with_folded(row.text, row.part), row.starts_folded);
        EXPECT_EQ(ends_with_folded(row.text, row.part), row.ends_folded);
        EXPECT_EQ(contains_folded(row.text, row.part), row.has_folded);
    }
}

TEST(TextMatchTest, FoldsAToZAndNothingElse) {
    for (int byte = 0; byte < 256; ++byte) {
        const auto character = static_cast<char>(byte);
        const std::string expected = small(std::string(1, character));
        EXPECT_EQ(ascii_lower(character), expected[0]) << byte;
        // At every place of a word, between neighbours that must not be touched by a carry.
        for (std::size_t place = 0; place < 16; ++place) {
            for (const char neighbour : {'\0', 'Z', '\x7F', '\xFF'}) {
                std::string text(16, neighbour);
                text[place] = character;
                ASSERT_EQ(folded(text), small(text)) << byte << " at " << place;
                ASSERT_TRUE(equals_folded(text, small(text))) << byte << " at " << place;
            }
        }
    }
}

TEST(TextMatchTest, SeesEveryDifference) {
    for (std::size_t size = 0; size <= 40; ++size) {
        const std::string text(size, 'Q');
        const std::string lower(size, 'q');
        EXPECT_TRUE(equals_folded(text, lower)) << size;
        EXPECT_FALSE(equals_folded(text, lower + "q")) << size;
        for (std::size_t place = 0; place < size; ++place) {
            for (const char other : {'p', 'r', '\x11', '\xF1', '\x31'}) {
                std::string different = lower;
                different[place] = other;
                EXPECT_FALSE(equals_folded(text, different)) << size << ", " << place;
            }
        }
    }
}

std::string random_text(std::mt19937_64& random, std::string_view letters, std::size_t size_max) {
    std::string text(random() % (size_max + 1), ' ');
    for (char& character : text) {
        character = letters[random() % letters.size()];
    }
    return text;
}

/// A text that says a short word over and over, with a slip now and then.
std::string repetitive_text(std::mt19937_64& random, std::size_t size_max) {
    const std::string word = random_text(random, "aB", 5) + "b";
    std::string text;
    while (text.size() < size_max) {
        text += word;
    }
    text.resize(random() % size_max);
    if (!text.empty() && random() % 2 == 0) {
        text[random() % text.size()] = 'c';
    }
    return text;
}

/// Asks in every way, ours and the standard library's.
void expect_agreement(const std::string& text, const std::string& part) {
    const std::string small_text = small(text);
    const std::string lower = small(part);
    detail::AsItIs as_it_is;
    ASSERT_EQ(contains(text, part), text.find(part) != std::string::npos) << text << ", " << part;
    ASSERT_EQ(contains_folded(text, lower), small_text.find(lower) != std::string::npos)
        << text << ", " << lower;
    if (!part.empty()) {
        ASSERT_EQ(detail::has_part_two_way(text, part, as_it_is),
                  text.find(part) != std::string::npos)
            << text << ", " << part;
    }
    ASSERT_EQ(starts_with(text, part), text.rfind(part, 0) == 0) << text << ", " << part;
    ASSERT_EQ(starts_with_folded(text, lower), small_text.rfind(lower, 0) == 0)
        << text << ", " << lower;
    const auto ends = [](const std::string& whole, const std::string& end) {
        return end.size() <= whole.size() &&
               whole.compare(whole.size() - end.size(), end.size(), end) == 0;
    };
    ASSERT_EQ(ends_with(text, part), ends(text, part)) << text << ", " << part;
    ASSERT_EQ(ends_with_folded(text, lower), ends(small_text, lower)) << text << ", " << lower;
    ASSERT_EQ(equals_folded(text, lower), small_text == lower) << text << ", " << lower;
}

TEST(TextMatchTest, AgreesWithTheStandardLibraryOnRandomTexts) {
    std::mt19937_64 random(random_seed());
    for (int round = 0; round < 100'000; ++round) {
        const std::string_view letters =
            std::string_view("aAbB\xC3\x80z").substr(0, random() % 7 + 1);
        const std::string text = random_text(random, letters, 30);
        ASSERT_NO_FATAL_FAILURE(expect_agreement(text, random_text(random, letters, 8)));
    }
}

TEST(TextMatchTest, AgreesWithTheStandardLibraryOnTextsThatRepeatThemselves) {
    std::mt19937_64 random(random_seed());
    for (int round = 0; round < 50'000; ++round) {
        const std::string text = repetitive_text(random, 200);
        const std::size_t from = random() % (text.size() + 1);
        std::string part = text.substr(from, random() % 100);
        if (random() % 3 == 0 && !part.empty()) {
            part[random() % part.size()] = "abc"[random() % 3];
        }
        ASSERT_NO_FATAL_FAILURE(expect_agreement(text, part));
    }
}

struct CountedReads {
    std::size_t count = 0;
    char operator()(char character) noexcept {
        ++count;
        return ascii_lower(character);
    }
    std::size_t find(std::string_view text, std::size_t from, std::size_t end,
                     char wanted) noexcept {
        while (from < end && (*this)(text[from]) != wanted) {
            ++from;
        }
        return from;
    }
};

TEST(TextMatchTest, ReadsEveryTextAFewTimesAtMost) {
    constexpr std::size_t kSize = 4'096;
    const std::string repeated(kSize, 'A');
    std::string paired;
    std::string fibonacci = "a";
    for (std::string before = "b"; fibonacci.size() < kSize;) {
        std::string longer = fibonacci + before;
        before = std::exchange(fibonacci, std::move(longer));
    }
    fibonacci.resize(kSize);
    while (paired.size() < kSize) {
        paired += "ab";
    }
    for (const std::string& text : {repeated, paired, fibonacci}) {
        for (const std::size_t size : {2UL, 16UL, 512UL, 2'048UL, 4'095UL, 4'096UL}) {
            for (const std::size_t slip : {std::size_t{0}, size / 2, size - 1}) {
                std::string part = folded(text).substr(0, size);
                part[slip] = 'c';
                CountedReads reads;
                EXPECT_FALSE(detail::has_part(text, part, reads));
                EXPECT_LE(reads.count, detail::kReadsPerByteMax * text.size())
                    << size << ", slip at " << slip;
                CountedReads found;
                EXPECT_TRUE(detail::has_part(text + part, part, found));
                EXPECT_LE(found.count, detail::kReadsPerByteMax * (text.size() + size))
                    << size << ", slip at " << slip;
            }
        }
    }
}

}  // namespace
}  // namespace burgee::test
