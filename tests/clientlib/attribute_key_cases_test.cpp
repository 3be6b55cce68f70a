// Promise: an attribute has the same key in the machine code of a service, in a context and in a
// snapshot, in every language and for all time. Method: the numbered cases of attribute_keys.json,
// whose keys came from another implementation; names of each length at run time, some at compile
// time.

#include <burgee/attribute_key.hpp>

#include <charconv>

#include "tests/clientlib/golden_cases.hpp"

namespace burgee::test {
namespace {

using simdjson::dom::element;

// One literal of each way through the algorithm: the compiler's own answer is a constant.
constexpr std::uint64_t kCompiled[] = {attribute_key(""),
                                       attribute_key("a"),
                                       attribute_key("abcd"),
                                       attribute_key("abcdefgh"),
                                       attribute_key("abcdefghi"),
                                       attribute_key("abcdefghijklmnop"),
                                       attribute_key("abcdefghijklmnopq"),
                                       attribute_key("abcdefghijklmnopqrstuvwxyz0123456")};
constexpr std::string_view kCompiledNames[] = {"",
                                               "a",
                                               "abcd",
                                               "abcdefgh",
                                               "abcdefghi",
                                               "abcdefghijklmnop",
                                               "abcdefghijklmnopq",
                                               "abcdefghijklmnopqrstuvwxyz0123456"};

std::uint64_t number_of(const std::string& text) {
    std::uint64_t number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    EXPECT_EQ(parsed.ptr, text.data() + text.size()) << text;
    return number;
}

TEST(AttributeKeyCasesTest, NamesOfEachLengthHaveTheirGoldenKey) {
    const GoldenFile golden("attribute_keys.json", "burgee-attribute-keys/1");
    std::size_t count = 0;
    std::size_t compiled_count = 0;
    for (const element row : golden.cases("cases")) {
        const std::string name = text_of(row["name"]);
        const std::uint64_t key = number_of(text_of(row["key"]));
        EXPECT_EQ(attribute_key(name), key) << std::uint64_t(row["number"]) << ": " << name;
        for (std::size_t index = 0; index < std::size(kCompiled); ++index) {
            if (kCompiledNames[index] == name) {
                EXPECT_EQ(kCompiled[index], key) << name;
                ++compiled_count;
            }
        }
        ++count;
    }
    EXPECT_GE(count, 97U);
    EXPECT_EQ(compiled_count, std::size(kCompiled));
}

}  // namespace
}  // namespace burgee::test
