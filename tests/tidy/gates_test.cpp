// Promise: no file outgrows its reader, and what we have sworn off stays out: shared memory by
// global name, sockets that no permission guards, SQL glued together from values, names that say
// nothing. Method: every source file line by line; and lines that must be caught.

#include <algorithm>
#include <regex>

#include "tests/tidy/source_tree.hpp"

namespace burgee::test {
namespace {

constexpr std::size_t kSourceLinesMax = 400;
constexpr std::size_t kTestLinesMax = 500;

const std::vector<std::string> kModules{"shm", "clientlib", "stats", "sync", "daemon", "cli"};

/// What must not be written, and why.
struct Ban {
    const char* reason;
    const char* hint;  ///< in every line that the pattern matches: much faster to look for
    std::regex pattern;
    std::string exempt_file;  ///< the one file that may, or empty
};

const std::vector<Ban>& bans() {
    static const std::vector<Ban> all{
        {"segments live in a directory of ours, not under a global name", "sh",
         std::regex(R"(/dev/shm|\bshm_open\s*\(|shared_memory_object)"), ""},
        {"abstract sockets have no permissions", "sun_path",
         std::regex(R"(sun_path\[0\]\s*=\s*('\\0'|0\b))"),
         "daemon/notify.cpp"},  // systemd names its own socket this way
        {"values travel as parameters, never inside SQL text", "\"",
         std::regex(R"re("[^"]*\b(SELECT|INSERT|UPDATE|DELETE|WHERE|VALUES)\b[^"]*(=|'|,|\()\s*")re"
                    R"re(\s*(\+|<<)\s*[a-z])re"),
         ""},
        {"an open end needs a number: TODO(#123)", "TODO", std::regex(R"(\bTODO(?!\(#\d))"), ""},
    };
    return all;
}

/// The reason against a line of a file; empty if there is none.
std::string reason_against(const std::string& line, const std::string& path) {
    for (const Ban& ban : bans()) {
        if (path != ban.exempt_file && line.find(ban.hint) != std::string::npos &&
            std::regex_search(line, ban.pattern)) {
            return ban.reason;
        }
    }
    return "";
}

TEST(GatesTest, NoFileOutgrowsItsReader) {
    for (const SourceFile& file : source_files(kModules)) {
        EXPECT_LE(file.lines.size(), kSourceLinesMax) << file.path;
    }
    for (const SourceFile& file : source_files({"tests"})) {
        EXPECT_LE(file.lines.size(), kTestLinesMax) << file.path;
    }
}

TEST(GatesTest, WhatWeHaveSwornOffStaysOut) {
    for (const SourceFile& file : source_files(kModules)) {
        for (std::size_t i = 0; i < file.lines.size(); ++i) {
            EXPECT_EQ(reason_against(file.lines[i], file.path), "")
                << file.path << ":" << i + 1 << ": " << file.lines[i];
        }
    }
}

TEST(GatesTest, CatchesWhatItShould) {
    EXPECT_NE(reason_against(R"(open("/dev/shm/burgee", 0);)", "shm/publisher.cpp"), "");
    EXPECT_NE(reason_against(R"(address.sun_path[0] = '\0';)", "daemon/socket.cpp"), "");
    EXPECT_EQ(reason_against(R"(address.sun_path[0] = '\0';)", "daemon/notify.cpp"), "");
    EXPECT_NE(reason_against(R"(run("SELECT 1 FROM t WHERE name = '" + name + "'");)",
                             "sync/flag_reader.cpp"),
              "");
    EXPECT_EQ(
        reason_against(R"(run("SELECT 1 FROM t WHERE name = $1", name);)", "sync/flag_reader.cpp"),
        "");
    EXPECT_NE(reason_against("// TODO: later", "cli/main.cpp"), "");
    EXPECT_EQ(reason_against("// TODO(#12): later", "cli/main.cpp"), "");
}

TEST(GatesTest, EveryNameSaysSomething) {
    const std::regex empty_words(R"((^|[/_])(utils?|common|helpers?|manager|base|impl)([_.]))");
    for (const SourceFile& file : source_files(kModules)) {
        EXPECT_FALSE(std::regex_search(file.path, empty_words)) << file.path;
    }
    EXPECT_TRUE(std::regex_search(std::string("sync/sql_utils.hpp"), empty_words));
}

TEST(GatesTest, EveryFileSaysWhatItIsForAndHeadersAreIncludedOnce) {
    for (const SourceFile& file : source_files(kModules)) {
        if (!file.path.ends_with(".hpp")) {
            continue;
        }
        ASSERT_FALSE(file.lines.empty()) << file.path;
        EXPECT_EQ(file.lines.front(), "#pragma once") << file.path;
        const std::size_t head_lines = std::min<std::size_t>(file.lines.size(), 6);
        const bool has_comment = std::any_of(
            file.lines.begin(), file.lines.begin() + static_cast<std::ptrdiff_t>(head_lines),
            [](const std::string& line) { return line.starts_with("//"); });
        EXPECT_TRUE(has_comment) << file.path << " does not say what it is for";
    }
}

}  // namespace
}  // namespace burgee::test
