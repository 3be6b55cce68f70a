// Promise: the units are understood by systemd without a word of complaint, confine the daemon
// tightly, and the user and the directory they rely on are really made. Method: systemd's own tools
// on the very files, with an empty directory for a root where they would change the system. A
// machine without these tools fails here: an unchecked unit is not a checked one.

#include <chrono>
#include <filesystem>
#include <fstream>

#include "tests/support/child_process.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr auto kDeadline = std::chrono::seconds(60);
constexpr double kExposureMax = 1.0;

const fs::path kUnits = BURGEE_SYSTEMD_DIRECTORY;

std::string text_of(const fs::path& path) {
    return read_file(path.string());
}

class UnitsTest : public ::testing::Test {
protected:
    struct Outcome {
        int code = -1;
        std::string text;  ///< both streams
    };

    static Outcome run(const std::vector<std::string>& arguments) {
        const ChildOutcome outcome =
            run_child(arguments, kDeadline, {"LC_ALL=C.UTF-8", "SYSTEMD_COLORS=0"});
        return {outcome.exit.code, outcome.output + outcome.error};
    }

    /// The units with a program that exists in place of the daemon, which is not installed here.
    std::vector<std::string> units_to_verify() {
        std::string service = text_of(kUnits / "burgeed.service");
        const std::string line = "\nExecStart=/usr/bin/burgeed\n";
        const std::size_t start = service.find(line);
        EXPECT_NE(start, std::string::npos);
        service.replace(start, line.size(), "\nExecStart=/bin/true\n");
        const fs::path root(directory_.path());
        std::ofstream(root / "burgeed.service") << service;
        fs::copy_file(kUnits / "burgeed.socket", root / "burgeed.socket");
        return {(root / "burgeed.service").string(), (root / "burgeed.socket").string()};
    }

    TemporaryDirectory directory_;
};

TEST_F(UnitsTest, SystemdHasNothingToSayAgainstThem) {
    std::vector<std::string> command{"systemd-analyze", "verify", "--man=no"};
    for (const std::string& unit : units_to_verify()) {
        command.push_back(unit);
    }
    const Outcome outcome = run(command);
    EXPECT_EQ(outcome.code, 0) << outcome.text;
    EXPECT_EQ(outcome.text, "");
}

TEST_F(UnitsTest, SystemdNoticesAMistypedDirective) {
    const std::vector<std::string> units = units_to_verify();
    std::string service = text_of(units[0]);
    service.insert(service.find("WatchdogSec="), "WatchDogSecond=3\n");
    std::ofstream(units[0]) << service;
    EXPECT_THAT(run({"systemd-analyze", "verify", "--man=no", units[0], units[1]}).text,
                HasSubstr("WatchDogSecond"));
}

TEST_F(UnitsTest, TheDaemonIsConfined) {
    const Outcome outcome = run({"systemd-analyze", "security", "--offline=true", "--no-pager",
                                 (kUnits / "burgeed.service").string()});
    EXPECT_EQ(outcome.code, 0) << outcome.text;
    const std::string before = "Overall exposure level for burgeed.service: ";
    const std::size_t start = outcome.text.find(before);
    ASSERT_NE(start, std::string::npos) << outcome.text;
    const double exposure = std::stod(outcome.text.substr(start + before.size()));
    EXPECT_LE(exposure, kExposureMax);
    EXPECT_GT(exposure, 0);
}

TEST_F(UnitsTest, TheUserAndTheGroupAreMade) {
    const std::string root = directory_.path();
    fs::create_directory(root + "/etc");
    const Outcome outcome =
        run({"systemd-sysusers", "--root=" + root, (kUnits / "sysusers.d/burgee.conf").string()});
    EXPECT_EQ(outcome.code, 0) << outcome.text;
    EXPECT_THAT(text_of(root + "/etc/passwd"), HasSubstr("burgee:x:"));
    EXPECT_THAT(text_of(root + "/etc/passwd"), HasSubstr("/usr/sbin/nologin"));
    EXPECT_THAT(text_of(root + "/etc/group"), HasSubstr("burgee-clients:x:"));
}

TEST_F(UnitsTest, TheDirectoryIsMadeAndReadableByAll) {
    const std::string root = directory_.path();
    fs::create_directories(root + "/etc");
    run({"systemd-sysusers", "--root=" + root, (kUnits / "sysusers.d/burgee.conf").string()});
    const Outcome outcome = run({"systemd-tmpfiles", "--create", "--root=" + root,
                                 (kUnits / "tmpfiles.d/burgee.conf").string()});
    EXPECT_EQ(outcome.code, 0) << outcome.text;
    ASSERT_TRUE(fs::is_directory(root + "/run/burgee")) << outcome.text;
    EXPECT_EQ(fs::status(root + "/run/burgee").permissions(), fs::perms(0755));
}

TEST_F(UnitsTest, StoppingTheServiceKeepsFlagsAndSocket) {
    EXPECT_EQ(text_of(kUnits / "burgeed.service").find("\nRuntimeDirectory="), std::string::npos);
    EXPECT_THAT(text_of(kUnits / "burgeed.socket"), HasSubstr("\nRemoveOnStop=no\n"));
    EXPECT_THAT(text_of(kUnits / "burgeed.service"), HasSubstr("\nRestart=always\n"));
    EXPECT_THAT(text_of(kUnits / "burgeed.service"), HasSubstr("\nStartLimitIntervalSec=0\n"));
}

TEST_F(UnitsTest, EveryLineHoldsOneDirective) {
    for (const char* unit : {"burgeed.service", "burgeed.socket"}) {
        std::ifstream file(kUnits / unit);
        for (std::string line; std::getline(file, line);) {
            const bool is_directive = !line.empty() && line[0] != '#' && line[0] != '[';
            EXPECT_TRUE(!is_directive || line.find('=') != std::string::npos) << line;
            // The next directive of the same line would begin after two blanks or more.
            EXPECT_EQ(line.find("  "), std::string::npos) << unit << ": " << line;
        }
    }
}

}  // namespace
}  // namespace burgee::test
