// Promise: what a spool holds can be looked at without PostgreSQL and without burgeed, damage is
// named with its place and its losses, and looking changes nothing. Method: the spool that is kept
// of format version 1, as it is and with a flipped bit, a lost header and bytes that are no spool,
// on a disk that takes no writes, and what a restart then says of the same losses.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

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

    /// What is in the directory, and how: names, modes, sizes, times of change.
    std::vector<std::string> listing() const {
        std::vector<std::string> lines;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(path())) {
            lines.push_back(line_of(entry.path()));
        }
        lines.push_back(line_of(path()));
        std::sort(lines.begin(), lines.end());
        return lines;
    }

    TemporaryDirectory directory_{"burgee-spool"};

private:
    static std::string line_of(const std::filesystem::path& path) {
        struct stat status {};
        EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
        return path.string() + " mode " + std::to_string(status.st_mode) + " owner " +
               std::to_string(status.st_uid) + " size " + std::to_string(status.st_size) +
               " changed " + std::to_string(status.st_ctim.tv_sec) + "." +
               std::to_string(status.st_ctim.tv_nsec);
    }
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
    EXPECT_THAT(outcome.error, HasSubstr("0 places, 1 segments without a header"));
}

TEST_F(SpoolCommandTest, CountsAsLostWhatARestartCounts) {
    for (const char* const name : {kFirst, kSecond}) {
        flip_bit(name, 20);
        flip_bit(name, 2048 + 20);
        const ChildOutcome outcome = burgee({"spool", "verify", path(), "-o", "json"});
        const TemporaryDirectory restarted("burgee-spool");
        std::filesystem::copy(path(), restarted.path());
        auto spool = daemon::Spool::open(restarted.path(), {});
        ASSERT_TRUE(spool) << spool.error().message;
        const std::uint64_t lost = (*spool)->statistics().events_lost;
        EXPECT_GE(lost, 9U);
        EXPECT_THAT(outcome.output, HasSubstr("\"lost\": " + std::to_string(lost) + ",\n"));
    }
}

TEST_F(SpoolCommandTest, LookingChangesNothing) {
    // As rescued: no `lock`, no `quarantine`. Then as a burgeed leaves it, which has both.
    for (const bool has_lock : {false, true}) {
        if (has_lock) {
            ASSERT_TRUE(daemon::Spool::open(path(), {}));
            ASSERT_TRUE(std::filesystem::exists(path("lock")));
        }
        const auto before = listing();
        for (const char* const verb : {"verify", "dump"}) {
            EXPECT_EQ(burgee({"spool", verb, path()}).exit.code, 0) << verb;
            EXPECT_EQ(listing(), before) << verb << (has_lock ? " with" : " without") << " a lock";
        }
    }
}

// Mode bits do not bind root: the listing does, and a mount that takes no writes.
TEST_F(SpoolCommandTest, WorksWhereNothingCanBeWritten) {
    std::filesystem::permissions(path(kFirst), std::filesystem::perms(0400));
    std::filesystem::permissions(path(kSecond), std::filesystem::perms(0400));
    std::filesystem::permissions(path(), std::filesystem::perms(0500));
    const auto before = listing();
    EXPECT_EQ(burgee({"spool", "verify", path()}).exit.code, 0);
    EXPECT_EQ(burgee({"spool", "dump", path()}).exit.code, 0);
    EXPECT_EQ(listing(), before);
    std::filesystem::permissions(path(), std::filesystem::perms(0700));
}

TEST_F(SpoolCommandTest, WorksOnAReadOnlyMount) {
    const std::string mount =
        "mount --bind " + path() + " " + path() + " && mount -o remount,bind,ro " + path() + " && ";
    const auto on_mount = [&](const std::string& command) {
        return run_child({"unshare", "-rm", "sh", "-c", mount + command});
    };
    if (on_mount("! touch " + path("written")).exit.code != 0) {
        GTEST_SKIP() << "this system lets nobody make a mount of his own";
    }
    for (const std::string verb : {"verify", "dump"}) {
        const ChildOutcome outcome = on_mount(BURGEE_CLI_PROGRAM " spool " + verb + " " + path());
        EXPECT_EQ(outcome.exit.code, 0) << outcome.error;
    }
}

TEST_F(SpoolCommandTest, ASpoolInUseIsRefused) {
    const auto spool = daemon::Spool::open(path(), {});
    ASSERT_TRUE(spool) << spool.error().message;
    for (const char* const verb : {"verify", "dump"}) {
        const ChildOutcome outcome = burgee({"spool", verb, path()});
        EXPECT_EQ(outcome.exit.code, 1);
        EXPECT_THAT(outcome.error, HasSubstr("in use; stop burgeed first"));
    }
}

// A link where the lock belongs is refused, whoever asks: a directory that is there and cannot be
// opened is not "not found".
TEST_F(SpoolCommandTest, WhatCannotBeOpenedIsNotCalledMissing) {
    std::filesystem::create_symlink(kFirst, path("lock"));
    EXPECT_EQ(burgee({"spool", "verify", path()}).exit.code, 1);
    EXPECT_EQ(burgee({"spool", "dump", path()}).exit.code, 1);
}

TEST_F(SpoolCommandTest, WhatIsNoSpoolIsNotFound) {
    EXPECT_EQ(burgee({"spool", "verify", path("nowhere")}).exit.code, 3);
    EXPECT_EQ(burgee({"spool", "dump", path("nowhere")}).exit.code, 3);
    EXPECT_EQ(burgee({"spool", "verify", path(kFirst)}).exit.code, 3) << "no directory";
}

}  // namespace
}  // namespace burgee::test
