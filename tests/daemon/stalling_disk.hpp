#pragma once

// A disk whose next sync or rename stops at a gate until the test opens it: a disk that hangs.

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "daemon/spool/spool_disk.hpp"

namespace burgee::test {

/// Where a call of the disk waits while the gate is shut.
class Gate {
public:
    void shut() {
        const std::lock_guard lock(mutex_);
        is_shut_ = true;
    }
    void open() {
        const std::lock_guard lock(mutex_);
        is_shut_ = false;
        changed_.notify_all();
    }
    void pass() {
        std::unique_lock lock(mutex_);
        is_somebody_waiting_ = is_shut_;
        changed_.notify_all();
        changed_.wait(lock, [this] { return !is_shut_; });
        is_somebody_waiting_ = false;
    }
    bool wait_until_somebody_waits() {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, std::chrono::seconds(30),
                                 [this] { return is_somebody_waiting_; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool is_shut_ = false;
    bool is_somebody_waiting_ = false;
};

class StallingFile final : public daemon::SpoolFile {
public:
    StallingFile(std::unique_ptr<daemon::SpoolFile> file, Gate& syncs)
        : file_(std::move(file)), syncs_(syncs) {}
    int read(std::span<std::byte> target, std::uint64_t offset,
             std::size_t* read_bytes) const override {
        return file_->read(target, offset, read_bytes);
    }
    int write(std::span<const std::byte> source, std::uint64_t offset) override {
        return file_->write(source, offset);
    }
    int sync() override {
        syncs_.pass();
        return file_->sync();
    }
    int allocate(std::uint64_t size_bytes) override { return file_->allocate(size_bytes); }
    std::uint64_t size_bytes() const override { return file_->size_bytes(); }

private:
    std::unique_ptr<daemon::SpoolFile> file_;
    Gate& syncs_;
};

class StallingDisk final : public daemon::SpoolDisk {
public:
    StallingDisk(std::unique_ptr<daemon::SpoolDisk> disk, Gate& syncs, Gate& renames)
        : disk_(std::move(disk)), syncs_(syncs), renames_(renames) {}
    std::string name() const override { return disk_->name(); }
    int lock() override { return disk_->lock(); }
    int list(std::vector<std::string>* names) const override { return disk_->list(names); }
    int open(const std::string& name, bool create,
             std::unique_ptr<daemon::SpoolFile>* file) override {
        const int error = disk_->open(name, create, file);
        if (error == 0) {
            *file = std::make_unique<StallingFile>(std::move(*file), syncs_);
        }
        return error;
    }
    int rename(const std::string& from, const std::string& to) override {
        renames_.pass();
        return disk_->rename(from, to);
    }
    int remove(const std::string& name) override { return disk_->remove(name); }
    int sync_names() override { return disk_->sync_names(); }

private:
    std::unique_ptr<daemon::SpoolDisk> disk_;
    Gate& syncs_;
    Gate& renames_;
};

}  // namespace burgee::test
