// Promise: when flags fill the room there is, nothing that is in force is lost, nobody requires
// anybody in circles, and what found no room comes by itself once there is some. Method: a builder
// with little room.

#include "tests/shm/targeting_builder_fixture.hpp"

namespace burgee::test {
namespace {

constexpr std::uint64_t kRoom = 64 << 10;

class FullTableTest : public TargetingBuilderTest {
protected:
    FullTableTest() : TargetingBuilderTest(kRoom) {}

    /// A flag that takes a little more than `size_bytes`.
    FlagDefinition flag_of_size(const std::string& name, std::size_t size_bytes,
                                std::uint64_t revision = 1) const {
        FlagDefinition large = flag(name, revision);
        for (std::size_t number = 0; number < size_bytes / sizeof(std::uint64_t); ++number) {
            large.include.push_back("unit " + std::to_string(number));
        }
        return large;
    }
};

TEST_F(FullTableTest, AFormWithoutRoomLeavesItsRequirementsInForce) {
    FlagDefinition a = flag("a", 1);
    a.requirements = {{"b", true}};
    change({a, flag("b", 1), flag("c", 1), flag_of_size("filler", 56 << 10)});
    FlagDefinition b = flag("b", 2);
    b.requirements = {{"a", true}};
    change({b, flag_of_size("a", 32 << 10, 2)});
    expect_no_circle();
    EXPECT_EQ(published("a"), 1U);
    EXPECT_EQ(published("b"), 1U) << "a and b would require each other";
    expect_problem("a", "name", "shorten");
    FlagDefinition c = flag("c", 2);
    c.requirements = {{"b", true}};
    change({c});
    EXPECT_EQ(published("c"), 2U) << "whoever requires them is not at fault";
}

TEST_F(FullTableTest, NothingNewTakesTheRoomOfWhatIsInForce) {
    std::vector<FlagDefinition> old;
    for (int number = 0; number < 10; ++number) {
        old.push_back(flag_of_size("old " + std::to_string(number), 6'000));
    }
    change(old);
    FlagChanges everything;
    everything.is_full = true;
    for (int number = 0; number < 10; ++number) {
        everything.changed.push_back(flag_of_size("new " + std::to_string(number), 6'000));
        everything.refused.push_back("old " + std::to_string(number));
    }
    apply(everything);
    for (int number = 0; number < 10; ++number) {
        EXPECT_EQ(published("old " + std::to_string(number)), 1U);
    }
    EXPECT_EQ(builder_.problems().size(), 10U);
}

TEST_F(FullTableTest, WhatFoundNoRoomComesWhenAnotherFlagGoes) {
    change({flag_of_size("filler", 56 << 10), flag("small")});
    change({flag_of_size("large", 32 << 10)});
    EXPECT_EQ(published("large"), 0U);
    expect_problem("large", "name", "shorten");
    change({flag("small", 2)});
    EXPECT_EQ(published("large"), 0U) << "there is no more room than before";
    FlagChanges changes;
    changes.removed = {"filler"};
    apply(changes);
    EXPECT_EQ(published("large"), 1U) << "its row did not change again";
    EXPECT_TRUE(builder_.problems().empty());
}

TEST_F(FullTableTest, WhatFoundNoRoomComesWhenAnotherFlagIsShortened) {
    change({flag_of_size("filler", 56 << 10)});
    change({flag_of_size("large", 32 << 10, 1)});
    change({flag_of_size("large", 33 << 10, 2)});
    change({flag("filler", 2)});
    EXPECT_EQ(published("large"), 2U) << "its newest form";
    EXPECT_TRUE(builder_.problems().empty());
}

TEST_F(FullTableTest, WhatIsDeletedWhileItHasNoRoomNeverComes) {
    change({flag_of_size("filler", 56 << 10)});
    change({flag_of_size("large", 32 << 10)});
    FlagChanges changes;
    changes.removed = {"large"};
    apply(changes);
    changes.removed = {"filler"};
    apply(changes);
    EXPECT_EQ(published("large"), 0U);
    EXPECT_TRUE(builder_.problems().empty());
}

}  // namespace
}  // namespace burgee::test
