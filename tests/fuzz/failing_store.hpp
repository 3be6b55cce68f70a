#pragma once

// The daemon's spool and queue over a disk in memory that fails when it is told to: what a fuzzed
// conversation stores its events in.

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "daemon/ingest_queue.hpp"
#include "tests/fuzz/input_reader.hpp"
#include "tests/fuzz/memory_disk.hpp"

namespace burgee::fuzz {

/// A memory disk of which every sync fails while it is told to.
class FailingFile final : public daemon::SpoolFile {
public:
    FailingFile(std::unique_ptr<daemon::SpoolFile> file, const std::atomic<bool>& fails)
        : file_(std::move(file)), fails_(fails) {}
    int read(std::span<std::byte> target, std::uint64_t offset,
             std::size_t* read_bytes) const override {
        return file_->read(target, offset, read_bytes);
    }
    int write(std::span<const std::byte> source, std::uint64_t offset) override {
        return file_->write(source, offset);
    }
    int sync() override { return fails_ ? EIO : file_->sync(); }
    int allocate(std::uint64_t size_bytes) override { return file_->allocate(size_bytes); }
    std::uint64_t size_bytes() const override { return file_->size_bytes(); }

private:
    std::unique_ptr<daemon::SpoolFile> file_;
    const std::atomic<bool>& fails_;
};

class FailingDisk final : public daemon::SpoolDisk {
public:
    FailingDisk(MemoryFiles& files, const std::atomic<bool>& fails) : disk_(files), fails_(fails) {}
    std::string name() const override { return disk_.name(); }
    int lock() override { return 0; }
    int list(std::vector<std::string>* names) const override { return disk_.list(names); }
    int open(const std::string& name, bool create,
             std::unique_ptr<daemon::SpoolFile>* file) override {
        const int error = disk_.open(name, create, file);
        if (error == 0) {
            *file = std::make_unique<FailingFile>(std::move(*file), fails_);
        }
        return error;
    }
    int rename(const std::string& from, const std::string& to) override {
        return disk_.rename(from, to);
    }
    int remove(const std::string& name) override { return disk_.remove(name); }
    int sync_names() override { return 0; }

private:
    MemoryDisk disk_;
    const std::atomic<bool>& fails_;
};

/// The spool and its queue, which many inputs use one after the other.
class Store {
public:
    Store() {
        daemon::SpoolOptions options;
        options.segment_size_bytes = 1U << 20U;
        options.replay_window_bytes = 0;
        auto opened = daemon::Spool::open(std::make_unique<FailingDisk>(files_, fails), options);
        require(opened.has_value(), "an empty disk can be opened");
        spool = std::move(*opened);
        daemon::IngestLimits limits;
        limits.watermark_after = std::chrono::hours(1);
        queue = std::make_unique<daemon::IngestQueue>(
            *spool, limits, [this](daemon::IngestReport report) { receive(std::move(report)); });
    }

    /// Waits until the queue has said what became of `batches` batches.
    std::vector<daemon::IngestReport> take_reports(std::size_t batches) {
        std::unique_lock lock(mutex_);
        came_.wait(lock, [&] { return batches_reported_ >= batches; });
        batches_reported_ = 0;
        return std::exchange(reports_, {});
    }

private:
    // What the queue's thread uses outlives the queue.
    MemoryFiles files_;
    std::mutex mutex_;
    std::condition_variable came_;
    std::vector<daemon::IngestReport> reports_;
    std::size_t batches_reported_ = 0;

public:
    std::atomic<bool> fails{false};
    std::unique_ptr<daemon::Spool> spool;
    std::unique_ptr<daemon::IngestQueue> queue;

private:
    void receive(daemon::IngestReport report) {
        const std::lock_guard lock(mutex_);
        batches_reported_ += report.batches.size();
        reports_.push_back(std::move(report));
        came_.notify_one();
    }
};

}  // namespace burgee::fuzz
