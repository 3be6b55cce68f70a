// Promise: two hosts whose spools are copies of one, both alive, deliver each event once: those
// from before the copy by whoever came first, those that came since by each, and neither takes the
// other's progress for its own. Method: one directory copied, two uploaders, one server; then SQL
// counts.

#include <filesystem>

#include "tests/daemon/upload_fixture.hpp"

namespace burgee::test {
namespace {

using daemon::Counter;

constexpr std::uint32_t kCopied = 100;
constexpr std::uint32_t kOwn = 60;

class UploaderCopyTest : public UploadFixture {
protected:
    UploaderCopyTest() {
        open_spool();
        spool_events(kCopied);
        spool_.reset();
        std::filesystem::copy(directory_.path(), copy_directory_.path(),
                              std::filesystem::copy_options::recursive);
        open_spool();
        auto opened = daemon::Spool::open(copy_directory_.path(), {});
        EXPECT_TRUE(opened.has_value()) << opened.error().message;
        copy_ = std::move(*opened);
        uploader_ =
            std::make_unique<daemon::Uploader>(*spool_, counters_, upload_options(cluster_.dsn()));
        EXPECT_TRUE(eventually([&] { return is_uploaded(*uploader_); }));
        copy_uploader_ = std::make_unique<daemon::Uploader>(*copy_, copy_counters_,
                                                            upload_options(cluster_.dsn()));
        EXPECT_TRUE(eventually([&] { return is_uploaded(*copy_uploader_, *copy_); }));
        EXPECT_EQ(copy_->spool_id(), spool_->spool_id()) << "nothing tells yet";
    }

    void expect_all_stored_once() {
        EXPECT_TRUE(eventually([&] {
            return is_uploaded(*uploader_) && is_uploaded(*copy_uploader_, *copy_) &&
                   copy_->spool_id() != spool_->spool_id();
        }));
        const std::string n = std::to_string(staged_);
        EXPECT_EQ(value("SELECT count(*) || ' ' || count(DISTINCT metric_value) || ' ' ||"
                        " (SELECT sum(n) FROM burgee.unit_metrics) FROM public.ab_test_metrics"),
                  n + " " + n + " " + n);
        EXPECT_EQ(copy_counters_.value(Counter::events_delivered), kOwn);
        EXPECT_EQ(copy_counters_.value(Counter::events_lost), 0U);
        EXPECT_EQ(copy_counters_.value(Counter::spool_id_changes), 1U);
        EXPECT_EQ(counters_.value(Counter::events_lost), 0U);
        EXPECT_EQ(counters_.value(Counter::spool_id_changes), 0U);
    }

    TemporaryDirectory copy_directory_{"copy"};
    std::unique_ptr<daemon::Spool> copy_;
    daemon::Counters copy_counters_;
    std::unique_ptr<daemon::Uploader> uploader_;
    std::unique_ptr<daemon::Uploader> copy_uploader_;
};

TEST_F(UploaderCopyTest, SeesTheOtherWhereItsOwnBatchWouldHaveEnded) {
    spool_events(kOwn);
    EXPECT_TRUE(eventually([&] { return is_uploaded(*uploader_); }));
    spool_events(*copy_, kOwn);
    expect_all_stored_once();
}

// After a failure it asks where the cursor is before it sends anything.
TEST_F(UploaderCopyTest, SeesTheOtherWhenItAsksForTheCursorAgain) {
    spool_events(kOwn / 2);
    EXPECT_TRUE(eventually([&] { return is_uploaded(*uploader_); }));
    execute("ALTER TABLE burgee.spool_cursor RENAME TO away");
    spool_events(*copy_, kOwn);
    EXPECT_TRUE(eventually([&] { return copy_counters_.value(Counter::upload_failures) > 0; }));
    execute("ALTER TABLE burgee.away RENAME TO spool_cursor");
    expect_all_stored_once();
}

TEST_F(UploaderCopyTest, EachGoesOnUnderAnIdOfItsOwn) {
    for (std::uint32_t round = 0; round < 3; ++round) {
        spool_events(10 + round);
        spool_events(*copy_, kOwn / 3);
        EXPECT_TRUE(eventually(
            [&] { return is_uploaded(*uploader_) && is_uploaded(*copy_uploader_, *copy_); }));
    }
    EXPECT_NE(copy_->spool_id(), spool_->spool_id());
    const std::string n = std::to_string(staged_);
    EXPECT_EQ(value("SELECT count(*) || ' ' || count(DISTINCT metric_value)"
                    " FROM public.ab_test_metrics"),
              n + " " + n);
    EXPECT_EQ(counters_.value(Counter::spool_id_changes) +
                  copy_counters_.value(Counter::spool_id_changes),
              1U)
        << "one of them keeps the id";
}

}  // namespace
}  // namespace burgee::test
