// Promise: the first refusal of a kind is in the log at once, and a flood of them is a line in ten
//          seconds that says how many. Method: the log alone, lines kept in a list, times passed
//          in.
#include "daemon/refusal_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace burgee::test {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;

class RefusalLogTest : public ::testing::Test {
protected:
    std::vector<std::string> lines_;
    daemon::RefusalLog log_{[this](const std::string& line) { lines_.push_back(line); }};

    void refuse(std::string_view why, std::int64_t now_ms) {
        log_.note(NackReason::kInvalid, why, now_ms);
    }
};

TEST_F(RefusalLogTest, SaysTheFirstOfEachKindAtOnce) {
    refuse("bad text", 0);
    log_.note(NackReason::kTooBig, "too long", 1);
    EXPECT_THAT(lines_, ElementsAre("events: refused one as INVALID: bad text",
                                    "events: refused one as TOO_BIG: too long"));
}

TEST_F(RefusalLogTest, CountsAFloodInsteadOfSayingIt) {
    for (int event = 0; event < 1'000; ++event) {
        refuse("bad text", event);
    }
    EXPECT_EQ(lines_.size(), 1U);
    refuse("bad text", 9'999);
    EXPECT_EQ(lines_.size(), 1U);
    refuse("bad text", 10'000);
    ASSERT_EQ(lines_.size(), 2U);
    EXPECT_THAT(lines_[1], EndsWith("; 1000 more for this reason since the last such line"));
}

TEST_F(RefusalLogTest, IsNotSilencedByAClockThatStepsBack) {
    refuse("bad text", 1'000'000);
    refuse("bad text", 5);
    EXPECT_EQ(lines_.size(), 2U);
}

}  // namespace
}  // namespace burgee::test
