#pragma once

// Keeps the newest published snapshot on disk as the last known good one, on a thread of its own,
// because a disk may take as long as it likes and a kill switch may not wait for it. Relied on by
// the flag loop.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace burgee::daemon {

class SnapshotSaver {
public:
    /// Writes an image to disk. @return "" or why it could not, one line.
    using Write = std::function<std::string(std::span<const std::byte>)>;

    /// @param spacing  between two writes, also after one that failed: each costs two syncs.
    explicit SnapshotSaver(Write write, std::chrono::milliseconds spacing);
    /// Writes what is not written yet, without pausing for `spacing`.
    ~SnapshotSaver();
    SnapshotSaver(const SnapshotSaver&) = delete;
    SnapshotSaver& operator=(const SnapshotSaver&) = delete;

    /// Hands over the newest snapshot; one that waits is dropped. Never waits for the disk. What
    /// could not be written is tried again until it is, or a newer one comes.
    void save(std::vector<std::byte> image);

private:
    void run();
    void write(std::unique_lock<std::mutex>& lock);

    const Write write_;
    const std::chrono::milliseconds spacing_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::byte> waiting_;  // guarded by mutex_; empty: nothing waits
    bool is_ending_ = false;          // guarded by mutex_
    std::string complaint_;           // of the thread alone; logged once
    std::thread thread_;              // the last member: it uses all of the above
};

}  // namespace burgee::daemon
