#include "daemon/snapshot_saver.hpp"

#include <utility>

#include <spdlog/spdlog.h>

namespace burgee::daemon {

SnapshotSaver::SnapshotSaver(Write write, std::chrono::milliseconds spacing)
    : write_(std::move(write)), spacing_(spacing), thread_([this] { run(); }) {}

SnapshotSaver::~SnapshotSaver() {
    {
        const std::lock_guard lock(mutex_);
        is_ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void SnapshotSaver::save(std::vector<std::byte> image) {
    {
        const std::lock_guard lock(mutex_);
        waiting_ = std::move(image);
    }
    changed_.notify_all();
}

void SnapshotSaver::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return is_ending_ || !waiting_.empty(); });
        const bool is_last = is_ending_;
        if (!waiting_.empty()) {
            write(lock);
        }
        if (is_last) {
            return;
        }
        changed_.wait_for(lock, spacing_, [this] { return is_ending_; });
    }
}

/// Writes what waits; `lock` is free meanwhile.
void SnapshotSaver::write(std::unique_lock<std::mutex>& lock) {
    std::vector<std::byte> image = std::exchange(waiting_, {});
    lock.unlock();
    const std::string complaint = write_(image);
    if (!complaint.empty() && complaint != complaint_) {
        spdlog::error("cannot keep the last known good snapshot: {}", complaint);
    }
    complaint_ = complaint;
    lock.lock();
    if (!complaint.empty() && waiting_.empty()) {
        waiting_ = std::move(image);
    }
}

}  // namespace burgee::daemon
