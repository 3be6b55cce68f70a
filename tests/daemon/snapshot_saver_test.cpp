// Promise: a published snapshot reaches the disk however long that takes, the newest one in the
// end, and whoever publishes waits for no disk. Method: a writer that stops at a gate, fails, or
// counts.
#include "daemon/snapshot_saver.hpp"

#include <atomic>
#include <future>

namespace burgee::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Image = std::vector<std::byte>;

Image image(int number) {
    return {static_cast<std::byte>(number)};
}

TEST(SnapshotSaverTest, NobodyWaitsForTheDiskAndTheNewestIsWrittenInTheEnd) {
    std::promise<void> gate;
    std::promise<void> reached;
    std::vector<Image> written;
    {
        SnapshotSaver saver(
            [&](std::span<const std::byte> bytes) -> std::string {
                written.emplace_back(bytes.begin(), bytes.end());
                if (written.size() == 1) {
                    reached.set_value();
                    gate.get_future().wait();  // for ever, if save() waited for us
                }
                return "";
            },
            seconds(60));
        saver.save(image(1));
        ASSERT_EQ(reached.get_future().wait_for(seconds(30)), std::future_status::ready);
        saver.save(image(2));
        saver.save(image(3));
        gate.set_value();
    }
    EXPECT_EQ(written, (std::vector<Image>{image(1), image(3)})) << "the end does not pause";
}

TEST(SnapshotSaverTest, WhatFailedIsTriedAgain) {
    std::atomic<int> attempts = 0;
    std::promise<Image> kept;
    SnapshotSaver saver(
        [&](std::span<const std::byte> bytes) -> std::string {
            if (++attempts < 3) {
                return "no room";
            }
            kept.set_value(Image(bytes.begin(), bytes.end()));
            return "";
        },
        milliseconds(1));
    saver.save(image(7));
    auto outcome = kept.get_future();
    ASSERT_EQ(outcome.wait_for(seconds(30)), std::future_status::ready);
    EXPECT_EQ(outcome.get(), image(7));
    EXPECT_EQ(attempts, 3);
}

}  // namespace
}  // namespace burgee::daemon
