// Promise: every line of a stream arrives once, whole and in order, however it was cut into reads;
// one that is too long is told and skipped within a bounded memory; and whoever waits for answers
// gets them before the reader waits for more. Method: files and pipes.

#include "cli/line_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "cli/exit_code.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::cli {
namespace {

using testing::ElementsAre;

class LineReaderTest : public testing::Test {
protected:
    test::TemporaryDirectory directory_;

    std::string file(const std::string& content) {
        const std::string path = directory_.path() + "/lines";
        std::ofstream(path, std::ios::binary) << content;
        return path;
    }

    /// Every line; "<too long>" for one that is.
    std::vector<std::string> lines(const std::string& content) {
        LineReader reader(file(content));
        std::vector<std::string> all;
        std::string_view line;
        for (auto outcome = reader.next(line); outcome != LineReader::Outcome::kEnd;
             outcome = reader.next(line)) {
            all.push_back(outcome == LineReader::Outcome::kTooLong ? "<too long>"
                                                                   : std::string(line));
        }
        return all;
    }
};

TEST_F(LineReaderTest, GivesEveryLineOnce) {
    EXPECT_THAT(lines(""), ElementsAre());
    EXPECT_THAT(lines("a"), ElementsAre("a"));
    EXPECT_THAT(lines("a\n"), ElementsAre("a"));
    EXPECT_THAT(lines("\n\na\r\nb"), ElementsAre("", "", "a", "b"));
}

TEST_F(LineReaderTest, LinesMayReachOverReads) {
    const std::string long_one(100'000, 'x');
    const std::string longest(kLineSizeMax, 'y');
    EXPECT_THAT(lines("a\n" + long_one + "\nb\n" + longest + "\n" + long_one),
                ElementsAre("a", long_one, "b", longest, long_one));
}

TEST_F(LineReaderTest, ALineTooLongIsToldAndSkipped) {
    const std::string too_long(kLineSizeMax + 1, 'x');
    EXPECT_THAT(lines("a\n" + too_long + "\nb\n" + too_long + too_long + "\nc\n"),
                ElementsAre("a", "<too long>", "b", "<too long>", "c"));
    EXPECT_THAT(lines(too_long), ElementsAre("<too long>"));
    EXPECT_THAT(lines("a\n" + too_long + too_long), ElementsAre("a", "<too long>"));
}

TEST_F(LineReaderTest, SendsAnswersBeforeItWaits) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const std::string path = "/proc/self/fd/" + std::to_string(ends[0]);
    int waits = 0;
    // Whoever is told that the reader waits sends the second line, then hangs up.
    LineReader reader(path, [&] {
        if (++waits == 1) {
            EXPECT_EQ(::write(ends[1], "second\n", 7), 7);
            ::close(ends[1]);
        }
    });
    EXPECT_EQ(::write(ends[1], "first\n", 6), 6);
    std::string_view line;
    ASSERT_EQ(reader.next(line), LineReader::Outcome::kLine);
    EXPECT_EQ(line, "first");
    EXPECT_EQ(waits, 0) << "the first line was there already";
    ASSERT_EQ(reader.next(line), LineReader::Outcome::kLine);
    EXPECT_EQ(line, "second");
    EXPECT_EQ(waits, 1);
    EXPECT_EQ(reader.next(line), LineReader::Outcome::kEnd);
    ::close(ends[0]);
}

TEST_F(LineReaderTest, AFileThatIsNotThereIsNamed) {
    EXPECT_THROW(LineReader("/nonexistent/lines"), Failure);
}

}  // namespace
}  // namespace burgee::cli
