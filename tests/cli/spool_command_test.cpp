// Promise: what a spool holds can be looked at without PostgreSQL and without burgeed, damage is
// named with its place and its losses, and looking changes nothing. Method: the spool that is kept
// of format version 1, as it is and with a flipped bit, a lost header and bytes that are no spool.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "daemon/spool/spool.hpp"
#include "tests/daemon/spool_events.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::test {
namespace {

using testing::HasSubstr;

class SpoolCommandTest : public testing::Test {
protected:
    SpoolCommandTest() {
        std::filesystem::copy(BURGEE_GOLDEN_DIRECTORY "/spool_v1", directory_.path());
    }

    std::string path(const std::string& name = {}) const { return directory_.path() + "/" + name; }

    static ChildOutcome burgee(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), BURGEE_CLI_PROGRAM);
        return run_child(arguments);
    }

    void flip_bit(const std::string& name, std::streamoff offset) const {
        std::fstream file(path(name), std::ios::in | std::ios::out | std::ios::binary);
        file.seekg(offset);
        const int byte = file.get();
        file.seekp(offset);
        file.put(static_cast<char>(byte ^ 1));
    }

    TemporaryDirectory directory_{"burgee-spool"};
};

constexpr const char* kFirst = "00000000000000000001";
constexpr const char* kSecond = "00000000000000000010";

TEST_F(SpoolCommandTest, AGoodSpoolIsGood) {
    const ChildOutcome outcome = burgee({"spool", "verify", path()});
    EXPECT_EQ(outcome.exit.code, 0) << outcome.error;
    EXPECT_THAT(outcome.output, HasSubstr("11 events are there, 0 are lost"));
    EXPECT_THAT(burgee({"spool", "verify", path(), "-o", "json"}).output,
                HasSubstr("\"intact\": true"));
}

TEST_F(SpoolCommandTest, DumpShowsFramesAndEvents) {
    const ChildOutcome frames = burgee({"spool", "dump", path()});
    EXPECT_EQ(frames.exit.code, 0) << frames.error;
    EXPECT_THAT(frames.output, HasSubstr("EVENTS  lsn 1 to "));
    EXPECT_THAT(frames.output, HasSubstr("SESSIONS"));
    const ChildOutcome events = burgee({"spool", "dump", path(), "-o", "json"});
    EXPECT_EQ(std::count(events.output.begin(), events.output.end(), '\n'), 11);
    EXPECT_THAT(events.output, HasSubstr("{\"lsn\":11,\"experiment_id\":\""));
    EXPECT_THAT(events.output, HasSubstr("\"is_automatic\":false"));
}

TEST_F(SpoolCommandTest, DumpTellsExposuresThatEvaluateTold) {
    const TemporaryDirectory fresh("burgee-spool");
    std::vector<std::byte> events;
    append_exposure(&events, {}, 0);
    {
        auto spool = daemon::Spool::open(fresh.path(), {});
        ASSERT_TRUE(spool) << spool.error().message;
        ASSERT_TRUE((*spool)->stage(make_batch(1, 1, 1, events)));
        ASSERT_TRUE((*spool)->commit());
    }
    const ChildOutcome dumped = burgee({"spool", "dump", fresh.path(), "-o", "json"});
    EXPECT_THAT(dumped.output, HasSubstr("\"is_automatic\":true"));
}

TEST_F(SpoolCommandTest, DamageIsNamedWithItsPlaceAndLooksTheSameTwice) {
    flip_bit(kFirst, 4096 + 48 + 400);
    const std::string before = path(kFirst);
    const auto written = std::filesystem::last_write_time(before);
    const ChildOutcome outcome = burgee({"spool", "verify", path()});
    EXPECT_EQ(outcome.exit.code, 1);
    EXPECT_THAT(outcome.output, HasSubstr("are damaged: "));
    EXPECT_THAT(outcome.error, HasSubstr("is damaged: 1 places"));
    EXPECT_EQ(burgee({"spool", "verify", path()}).output, outcome.output);
    EXPECT_EQ(std::filesystem::last_write_time(before), written);
}

TEST_F(SpoolCommandTest, ASegmentWithoutAHeaderIsNamed) {
    flip_bit(kSecond, 20);
    flip_bit(kSecond, 2048 + 20);
    const ChildOutcome outcome = burgee({"spool", "verify", path()});
    EXPECT_EQ(outcome.exit.code, 1);
    EXPECT_THAT(outcome.output, HasSubstr("no copy of its header checks"));
}

TEST_F(SpoolCommandTest, WhatIsNoSpoolIsNotFound) {
    EXPECT_EQ(burgee({"spool", "verify", path("nowhere")}).exit.code, 3);
    EXPECT_EQ(burgee({"spool", "dump", path("nowhere")}).exit.code, 3);
}

}  // namespace
}  // namespace burgee::test
