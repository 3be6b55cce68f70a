// Promise: equal variants stand in a snapshot once, and every flag still finds its own.
// Method: flags whose variants are drawn from a few, built, and read through the public view as a
// client reads them; sections are counted where the saving is the promise.

#include <map>
#include <random>
#include <variant>

#include "tests/shm/random_seed.hpp"
#include "tests/shm/sample_flags.hpp"

namespace burgee::test {
namespace {

class SharedVariantsTest : public ::testing::Test {
protected:
    void build(const std::vector<FlagDefinition>& flags) {
        FlagChanges changes;
        changes.is_full = true;
        changes.database_unix_ms = kNow;
        changes.changed = flags;
        SnapshotBuilder builder;
        builder.apply(changes);
        EXPECT_TRUE(builder.problems().empty());
        bytes_ = builder.build({1, kNow});
        ASSERT_EQ(full_error(bytes_), ViewError::kNone) << describe(full_error(bytes_));
        ASSERT_EQ(SnapshotView::open(bytes_.data(), bytes_.size(), view_), ViewError::kNone);
    }

    std::uint32_t first_variant_of(const std::string& name) const {
        return must(view_.find(hash64(name))).variants_first;
    }

    /// The flag's variants as its definition has them: names, texts and values, fields by path.
    void expect_variants_of(const FlagDefinition& flag) const {
        const FlagRecord& record = must(view_.find(hash64(flag.name)));
        EXPECT_EQ(view_.name(record), flag.name);
        ASSERT_EQ(record.variant_count, flag.variants.size()) << flag.name;
        for (std::size_t number = 0; number < flag.variants.size(); ++number) {
            const VariantDefinition& wanted = flag.variants[number];
            const VariantRecord& found = must(view_.variant(record.variants_first + number));
            EXPECT_EQ(view_.name(found), wanted.name) << flag.name;
            EXPECT_EQ(view_.text(found.json_offset, found.json_size), wanted.config_json);
            std::map<std::string, ConfigValue> fields;
            for (std::uint32_t field = 0; field < found.config_count; ++field) {
                const ConfigField& place = must(view_.config_field(found.config_first + field));
                fields.emplace(view_.text(place.path_offset, place.path_size), value_of(place));
            }
            std::map<std::string, ConfigValue> wanted_fields;
            for (const ConfigScalar& scalar : wanted.config) {
                wanted_fields.emplace(scalar.path, scalar.value);
            }
            EXPECT_EQ(fields, wanted_fields) << flag.name;
        }
    }

    using ConfigValue = decltype(ConfigScalar::value);
    ConfigValue value_of(const ConfigField& field) const {
        switch (static_cast<ConfigType>(field.type)) {
            case ConfigType::kBoolean:
                return field.value != 0;
            case ConfigType::kInteger:
                return static_cast<std::int64_t>(field.value);
            case ConfigType::kNumber:
                return std::bit_cast<double>(field.value);
            case ConfigType::kString:
                break;
        }
        return std::string(view_.text(field.value & 0xFFFFFFFFU, field.value >> 32U));
    }

    std::vector<std::byte> bytes_;
    SnapshotView view_;
};

TEST_F(SharedVariantsTest, HoldsEqualVariantsOnce) {
    build({ab_test_of("first.test"), ab_test_of("other.test", 10), ab_test_of("third.test")});
    EXPECT_EQ(view_.variant_count(), 2U);
    EXPECT_EQ(view_.config_count(), 8U);
    EXPECT_EQ(first_variant_of("first.test"), first_variant_of("other.test"));
    EXPECT_NE(must(view_.find(hash64(std::string_view("first.test")))).variant_seed,
              must(view_.find(hash64(std::string_view("other.test")))).variant_seed)
        << "sharing must not make the choices of two tests the same";
    const std::uint64_t strings_size = view_.strings_size();
    build({ab_test_of("first.test")});
    EXPECT_EQ(strings_size - view_.strings_size(), 2 * std::string_view("other.test").size());
}

TEST_F(SharedVariantsTest, AnythingThatDiffersIsHeldApart) {
    FlagDefinition weights = ab_test_of("b.flag");
    weights.variants[0].weight = 40;
    weights.variants[1].weight = 60;
    FlagDefinition value = ab_test_of("c.flag");
    value.variants[1].config[1].value = std::int64_t{21};
    FlagDefinition order = ab_test_of("d.flag");
    std::swap(order.variants[0], order.variants[1]);
    const std::vector<FlagDefinition> flags{ab_test_of("a.flag"), weights, value, order};
    build(flags);
    EXPECT_EQ(view_.variant_count(), 8U);
    for (const FlagDefinition& flag : flags) {
        expect_variants_of(flag);
    }
}

TEST_F(SharedVariantsTest, TextsThatLieInANameStayWithIt) {
    const std::vector<FlagDefinition> flags{ab_test_of("control.one"), ab_test_of("control.two"),
                                            ab_test_of("the.other.1"), ab_test_of("the.other.2")};
    build(flags);
    EXPECT_EQ(view_.variant_count(), 6U);
    for (const FlagDefinition& flag : flags) {
        expect_variants_of(flag);
    }
}

TEST_F(SharedVariantsTest, AFlagMeantForSomeKeepsItsOwn) {
    FlagDefinition targeted = ab_test_of("some.users");
    targeted.include = {"anna"};
    build({ab_test_of("all.users1"), targeted, ab_test_of("all.users2")});
    EXPECT_EQ(view_.variant_count(), 4U);
    expect_variants_of(targeted);
}

TEST_F(SharedVariantsTest, EveryFlagOfARandomSetFindsItsVariants) {
    std::mt19937_64 random(random_seed());
    const char* const names[] = {"a", "b", "on", "control", "treatment", "flag.1"};
    const char* const paths[] = {"model", "a"};
    std::vector<FlagDefinition> flags;
    std::size_t variant_count = 0;
    for (int number = 0; number < 6'000; ++number) {
        FlagDefinition flag = flag_of(
            (number % 2 == 0 ? "flag." : "test.") + std::to_string(number), Status::kEnabled);
        if (random() % 4 != 0) {
            flag = ab_test_of(flag.name);
            flag.include.assign(random() % 8 == 0 ? 1 : 0, "anna");
            for (std::size_t variant = 0; variant < 2; ++variant) {
                VariantDefinition& drawn = flag.variants[variant];
                drawn.name = names[random() % 3 * 2 + variant];
                drawn.config = {{paths[random() % 2], std::string(names[2 + random() % 2])}};
                drawn.config_json = random() % 2 == 0 ? "{}" : R"({"model": "a"})";
            }
        }
        variant_count += flag.variants.size();
        flags.push_back(flag);
    }
    build(flags);
    for (const FlagDefinition& flag : flags) {
        expect_variants_of(flag);
    }
    EXPECT_LT(view_.variant_count(), variant_count * 9 / 10) << "some were drawn twice";
}

}  // namespace
}  // namespace burgee::test
