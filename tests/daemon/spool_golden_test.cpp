// Promise: every later burgeed reads what the first version of the format has written, frames of
// every type and a pending new id included. Method: spools that were made once and are never
// edited.

#include <filesystem>
#include <map>

#include "daemon/spool/spool_check.hpp"
#include "spool_events.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::test {
namespace {

namespace files = std::filesystem;
using daemon::Spool;

class SpoolGoldenTest : public ::testing::Test {
protected:
    /// A copy of a golden spool: opening one writes.
    void copy(const char* name) {
        for (const auto& entry :
             files::directory_iterator(files::path(BURGEE_GOLDEN_DIRECTORY) / name)) {
            if (entry.path().extension() != ".md") {
                files::copy(entry.path(), directory_.path());
            }
        }
    }

    void open() {
        daemon::SpoolOptions options;
        options.segment_size_bytes = 1 << 20;
        auto opened = Spool::open(directory_.path(), options);
        ASSERT_TRUE(opened) << opened.error().message;
        spool_ = std::move(*opened);
    }

    TemporaryDirectory directory_{"spool"};
    std::unique_ptr<Spool> spool_;
    daemon::SpoolBatch batch_;
};

TEST_F(SpoolGoldenTest, ReadsEventsAndSessions) {
    copy("spool_v1");
    const auto reports = daemon::check_spool(directory_.path(), {}, {});
    ASSERT_TRUE(reports) << reports.error().message;
    ASSERT_EQ(reports->size(), 2U);
    EXPECT_TRUE((*reports)[0].scan.damage.empty());
    EXPECT_EQ((*reports)[0].scan.events, 9U);
    ASSERT_NO_FATAL_FAILURE(open());
    EXPECT_THAT(read_numbers(*spool_, 1, &batch_),
                ::testing::ElementsAre(1'000'000'001, 1'000'000'002, 1'000'000'003, 1'000'000'004,
                                       1'000'000'005, 2'000'000'001, 2'000'000'002, 2'000'000'003,
                                       2'000'000'004, 3'000'000'001, 3'000'000'002));
    EXPECT_EQ(spool_->sessions().size(), 3U);
    EXPECT_EQ(spool_->spool_id()[0], 0xE9) << "the id in the file, not a new one";
}

TEST_F(SpoolGoldenTest, ReadsGapsRefusalsTotalsAndAPendingId) {
    copy("spool_v1_records");
    std::map<std::string, int> frames;
    const auto reports =
        daemon::check_spool(directory_.path(), {}, [&](const daemon::FrameView& frame) {
            ++frames[daemon::frame_type_name(frame.header.type)];
        });
    ASSERT_TRUE(reports) << reports.error().message;
    for (const char* type : {"EVENTS", "SESSIONS", "WATERMARK", "GAP", "REFUSALS", "TOTALS"}) {
        EXPECT_GT(frames[type], 0) << type;
    }
    ASSERT_NO_FATAL_FAILURE(open());
    EXPECT_THAT(read_numbers(*spool_, 1, &batch_),
                ::testing::ElementsAre(1'000'000'001, 1'000'000'002, 1'000'000'003, 1'000'000'009,
                                       1'000'000'010));
    EXPECT_THAT(batch_.gaps, ::testing::ElementsAre(daemon::SpoolGap{4, 3}))
        << "a flipped bit in the second of three frames";
    const auto sessions = spool_->sessions();
    ASSERT_EQ(sessions.size(), 1U);
    EXPECT_EQ(sessions[0].last_seq, 10U);
    const auto refusals = spool_->refusals();
    ASSERT_EQ(refusals.size(), 1U);
    EXPECT_EQ(refusals[0].first_seq, 4U);
    EXPECT_EQ(refusals[0].count, 2U);
    EXPECT_EQ(refusals[0].reason, 3U);
    const auto totals = spool_->session_totals();
    ASSERT_EQ(totals.size(), 1U);
    EXPECT_EQ(totals[0].totals[0], 17U);
    EXPECT_EQ(totals[0].totals[daemon::kSessionTotalsCount - 1], 4U);
    const auto change = spool_->pending_id_change();
    ASSERT_TRUE(change);
    EXPECT_EQ(change->first_lsn, 7U);
    EXPECT_NE(change->id, spool_->spool_id());
}

}  // namespace
}  // namespace burgee::test
