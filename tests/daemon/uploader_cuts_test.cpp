// Promise: what is in the spool reaches PostgreSQL once, wherever the connection is cut: at any
// byte of either direction, within a COMMIT, behind it, and before its answer. Method: a proxy
// between a real uploader and a real server cuts each connection at a place drawn at random, and
// asks the server afterwards what became of a COMMIT that nobody had an answer to.

#include <iostream>

#include "tests/daemon/chaos_proxy.hpp"
#include "tests/daemon/upload_fixture.hpp"
#include "tests/fault/fault_count.hpp"

namespace burgee::test {
namespace {

using daemon::Counter;
using daemon::Uploader;

constexpr std::uint32_t kBatchEvents = 200;

class UploaderCutsTest : public UploadFixture {
protected:
    void SetUp() override { open_spool(); }

    /// New events only when the last were taken or refused: many small batches, not one large.
    void upload_until(const ChaosProxy& proxy, const Uploader& uploader, std::uint64_t cuts) {
        const auto patience = std::chrono::seconds(60 + cuts / 4);
        const auto deadline = std::chrono::steady_clock::now() + patience;
        while (proxy.cuts() < cuts && std::chrono::steady_clock::now() < deadline) {
            spool_events(kBatchEvents);
            const std::uint64_t before = proxy.cuts();
            eventually([&] { return proxy.cuts() != before || is_uploaded(uploader); });
        }
    }
};

TEST_F(UploaderCutsTest, StoresEveryEventOnceThroughCutConnections) {
    const std::uint64_t wanted = count_from_environment("BURGEE_FAULT_CUTS_DB", 50);
    ChaosProxy proxy(cluster_.socket_path(), static_cast<unsigned>(seed_of_run()));
    Uploader uploader(
        *spool_, counters_,
        upload_options("host=" + proxy.directory() + " user=postgres dbname=postgres"));
    upload_until(proxy, uploader, wanted);
    proxy.set_cutting(false);
    // One last batch: a connection that still has a cut to come meets it here, the next does not.
    spool_events(kBatchEvents);
    EXPECT_TRUE(eventually([&] { return is_uploaded(uploader); })) << uploader.status().error;
    std::cout << "ran " << proxy.cuts() << " of " << wanted << " cuts, " << proxy.commits_in_doubt()
              << " of them left a COMMIT in doubt, " << proxy.commits_done()
              << " of those had committed; " << staged_ << " events\n";
    EXPECT_GE(proxy.cuts(), wanted);
    EXPECT_GT(proxy.commits_done(), 0U);
    EXPECT_GT(proxy.commits_in_doubt(), proxy.commits_done()) << "some must not have committed";
    expect_stored_once();
    EXPECT_EQ(counters_.value(Counter::events_delivered), staged_);
    EXPECT_EQ(counters_.value(Counter::events_lost), 0U);
    EXPECT_EQ(counters_.value(Counter::events_replayed), 0U);
    EXPECT_EQ(complaint(accounts_of(spool_->statistics(), counters_, staged_)), "");
}

}  // namespace
}  // namespace burgee::test
