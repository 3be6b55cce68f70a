// Promise: a context holds what it was given, never a text that is gone, and never more than it
// can. Method: what must not compile is asked of the type system; the rest is built and read back.

#include <burgee/context.hpp>
#include <burgee/unit.hpp>

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace burgee::test {
namespace {

static_assert(std::is_constructible_v<Attribute, const char*, const char*>);
static_assert(std::is_constructible_v<Attribute, const char*, std::string&>);
static_assert(std::is_constructible_v<Attribute, std::string_view, std::string_view>);
static_assert(!std::is_constructible_v<Attribute, const char*, std::string>);
static_assert(!std::is_constructible_v<Attribute, const char*, const std::string>);
static_assert(!std::is_constructible_v<Attribute, std::string, const char*>);
static_assert(!std::is_constructible_v<Attribute, const char*, const int*>);
static_assert(!std::is_convertible_v<std::string, BorrowedText>);
static_assert(std::is_trivially_copyable_v<Context>);

TEST(ContextTest, KeepsEveryTypeAsItIs) {
    const std::string id = "u1";
    const Context context{{"user_id", id},
                          {"tier", "pro"},
                          {"beta", true},
                          {"age", 42},
                          {"small", std::int8_t{-3}},
                          {"huge", std::numeric_limits<std::uint64_t>::max()},
                          {"score", 0.5},
                          {"rough", 0.25F}};
    EXPECT_EQ(context.size(), 8U);
    EXPECT_EQ(context.find("tier")->text(), "pro");
    EXPECT_EQ(context.find("beta")->type(), AttributeType::kBoolean);
    EXPECT_EQ(context.find("beta")->integer(), 1);
    EXPECT_EQ(context.find("age")->type(), AttributeType::kInteger);
    EXPECT_EQ(context.find("small")->integer(), -3);
    EXPECT_EQ(context.find("huge")->type(), AttributeType::kUnsigned);
    EXPECT_EQ(context.find("score")->number(), 0.5);
    EXPECT_EQ(context.find("rough")->number(), 0.25);
    EXPECT_EQ(context.find("Tier"), nullptr);
    EXPECT_EQ(context.unit()->text(), "u1");
}

TEST(ContextTest, OneBracedPairIsOneAttribute) {
    const Context context{{"session_id", "s1"}};
    EXPECT_EQ(context.size(), 1U);
    EXPECT_EQ(context.unit()->text(), "s1");
}

TEST(ContextTest, CountsWhatDoesNotFit) {
    std::vector<std::string> names;
    for (std::uint32_t number = 0; number < kAttributeCountMax + 3; ++number) {
        names.push_back("a" + std::to_string(number));
    }
    Context context;
    for (const std::string& name : names) {
        context.set(name, 1);
    }
    EXPECT_EQ(context.size(), kAttributeCountMax);
    EXPECT_EQ(context.ignored_count(), 3U);
    EXPECT_EQ(context.find("a16"), nullptr);
    context.set("user_id", "late");
    EXPECT_EQ(context.unit(), nullptr);
    EXPECT_EQ(context.ignored_count(), 4U);
}

TEST(ContextTest, SetReplacesAndWithLeavesTheOriginal) {
    Context context{{"user_id", "u1"}, {"session_id", "s1"}};
    const Context other = context.with({"user_id", "u2"}).with({"tier", "pro"});
    EXPECT_EQ(context.unit()->text(), "u1");
    EXPECT_EQ(other.unit()->text(), "u2");
    EXPECT_EQ(other.size(), 3U);
    context.set("user_id", "");
    EXPECT_EQ(context.unit()->text(), "s1") << "an empty user_id is no unit";
    context.set("session_id", true);
    EXPECT_EQ(context.unit(), nullptr);
}

TEST(ContextTest, TheFirstOfTwoEqualNamesCounts) {
    const Context context{{"user_id", "first"}, {"user_id", "second"}};
    EXPECT_EQ(context.find("user_id")->text(), "first");
    EXPECT_EQ(context.user_id()->text(), "first");
}

TEST(ContextTest, FindsByNameAsALookThroughAllWould) {
    std::mt19937 random(20'240'229);
    const auto any_name = [&] { return "n" + std::to_string(random() % 40); };
    for (int round = 0; round < 20'000; ++round) {
        std::vector<std::string> names(random() % (kAttributeCountMax + 1));
        std::generate(names.begin(), names.end(), any_name);
        Context context;
        std::map<std::string, std::size_t> expected;
        for (std::size_t number = 0; number < names.size(); ++number) {
            context.set(names[number], number);
            expected[names[number]] = number;
        }
        for (int number = 0; number < 40; ++number) {
            const std::string name = "n" + std::to_string(number);
            const Attribute* found = context.find(name);
            const auto wanted = expected.find(name);
            ASSERT_EQ(found != nullptr, wanted != expected.end()) << round << " " << name;
            ASSERT_TRUE(found == nullptr ||
                        found->integer() == static_cast<std::int64_t>(wanted->second));
        }
    }
}

TEST(UnitTest, IntegersAreTheirDecimalText) {
    const Context number{{"user_id", 42}};
    const Context text{{"user_id", "42"}};
    EXPECT_EQ(Unit(number.unit()).text(), Unit(text.unit()).text());
    const Context huge{{"user_id", std::numeric_limits<std::uint64_t>::max()}};
    EXPECT_EQ(Unit(huge.unit()).text(), "18446744073709551615");
    EXPECT_EQ(Unit(huge.unit()).kind(), UnitKind::kUserId);
    EXPECT_EQ(Unit(nullptr).kind(), UnitKind::kNone);
    const Context session{{"session_id", "s"}};
    EXPECT_EQ(Unit(session.unit()).kind(), UnitKind::kSessionId);
}

}  // namespace
}  // namespace burgee::test
