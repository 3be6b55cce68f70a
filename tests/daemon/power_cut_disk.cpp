#include "power_cut_disk.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace burgee::test {

class AttachedFile final : public daemon::SpoolFile {
public:
    AttachedFile(PowerCutDisk& disk, std::shared_ptr<DiskFile> file)
        : disk_(disk), file_(std::move(file)) {}

    int read(std::span<std::byte> target, std::uint64_t offset,
             std::size_t* read_bytes) const override {
        const std::uint64_t size = file_->cached.size();
        *read_bytes = 0;
        if (file_->unreadable_at >= offset && file_->unreadable_at - offset < target.size()) {
            return EIO;
        }
        *read_bytes = offset >= size ? 0 : std::min<std::uint64_t>(target.size(), size - offset);
        std::copy_n(file_->cached.begin() + static_cast<std::ptrdiff_t>(offset), *read_bytes,
                    target.begin());
        return 0;
    }

    int write(std::span<const std::byte> source, std::uint64_t offset) override {
        if (disk_.died_in()) {
            return EIO;
        }
        const bool is_cut_off = disk_.is_cut_off(DiskStep::kWrite);
        const int error = is_cut_off ? EIO : disk_.next_call_error(false);
        // A failed write may have done a part of its work.
        const std::size_t done = error == 0 ? source.size() : source.size() / 2;
        if (offset + done > file_->cached.size()) {
            file_->cached.resize(offset + done);
        }
        std::copy_n(source.begin(), done,
                    file_->cached.begin() + static_cast<std::ptrdiff_t>(offset));
        std::uint64_t& end = file_->dirty[offset];
        end = std::max(end, offset + done);
        return error;
    }

    int sync() override {
        if (disk_.is_cut_off(DiskStep::kSync)) {
            return EIO;  // of what is dirty, the cut decides
        }
        if (file_->has_failed_sync) {
            ++disk_.syncs_after_failure_;
        }
        if (const int error = disk_.next_call_error(true)) {
            file_->has_failed_sync = true;
            // As Linux does: said once, and the pages pass for clean from now on, wherever each of
            // them is. Some got there, the cut decides which.
            file_->abandoned.insert(file_->dirty.begin(), file_->dirty.end());
            file_->dirty.clear();
            return error;
        }
        ++disk_.syncs_;
        file_->durable.resize(file_->cached.size());
        for (const auto& [begin, end] : file_->dirty) {
            std::copy(file_->cached.begin() + static_cast<std::ptrdiff_t>(begin),
                      file_->cached.begin() + static_cast<std::ptrdiff_t>(end),
                      file_->durable.begin() + static_cast<std::ptrdiff_t>(begin));
        }
        file_->dirty.clear();
        return 0;
    }

    int allocate(std::uint64_t size_bytes) override {
        const std::uint64_t size = file_->cached.size();
        if (disk_.is_cut_off(DiskStep::kAllocate)) {
            return EIO;
        }
        if (size_bytes > size && disk_.total_size() - size + size_bytes > disk_.capacity_) {
            return ENOSPC;
        }
        file_->cached.resize(std::max(size, size_bytes));
        file_->durable.resize(file_->cached.size());
        return 0;
    }

    std::uint64_t size_bytes() const override { return file_->cached.size(); }

private:
    PowerCutDisk& disk_;
    std::shared_ptr<DiskFile> file_;
};

class AttachedDisk final : public daemon::SpoolDisk {
public:
    explicit AttachedDisk(PowerCutDisk& disk) : disk_(disk) {}

    std::string name() const override { return "in memory"; }
    int lock() override { return 0; }

    int list(std::vector<std::string>* names) const override {
        for (const auto& [name, file] : disk_.names_) {
            names->push_back(name);
        }
        return 0;
    }

    int open(const std::string& name, bool create,
             std::unique_ptr<daemon::SpoolFile>* file) override {
        auto found = disk_.names_.find(name);
        if (found == disk_.names_.end() && !create) {
            return ENOENT;
        }
        if (create && disk_.is_cut_off(DiskStep::kCreate)) {
            return EIO;
        }
        if (create) {
            note_names();
            found = disk_.names_.insert_or_assign(name, std::make_shared<DiskFile>()).first;
        }
        *file = std::make_unique<AttachedFile>(disk_, found->second);
        return 0;
    }

    int rename(const std::string& from, const std::string& to) override {
        const auto found = disk_.names_.find(from);
        if (found == disk_.names_.end()) {
            return ENOENT;
        }
        if (disk_.is_cut_off(DiskStep::kRename)) {
            return EIO;
        }
        note_names();
        disk_.names_[to] = found->second;
        disk_.names_.erase(from);
        return 0;
    }

    int remove(const std::string& name) override {
        if (disk_.is_cut_off(DiskStep::kRemove)) {
            return EIO;
        }
        note_names();
        return disk_.names_.erase(name) == 0 ? ENOENT : 0;
    }

    int sync_names() override {
        if (disk_.is_cut_off(DiskStep::kSyncNames)) {
            return EIO;  // of the latest names, the cut decides
        }
        if (const int error = disk_.next_call_error(true)) {
            return error;
        }
        disk_.name_history_.clear();
        return 0;
    }

private:
    void note_names() { disk_.name_history_.push_back(disk_.names_); }

    PowerCutDisk& disk_;
};

std::unique_ptr<daemon::SpoolDisk> PowerCutDisk::attach() {
    return std::make_unique<AttachedDisk>(*this);
}

bool PowerCutDisk::is_cut_off(DiskStep step) {
    if (!died_in_ && steps_++ == last_step_) {
        died_in_ = step;
    }
    return died_in_.has_value();
}

int PowerCutDisk::next_call_error(bool is_sync) {
    const bool fails = calls_++ == failing_call_;
    return fails ? failing_error_ : is_sync ? sync_error_ : 0;
}

std::uint64_t PowerCutDisk::total_size() const {
    std::uint64_t size = 0;
    for (const auto& [name, file] : names_) {
        size += file->cached.size();
    }
    return size;
}

void PowerCutDisk::cut(std::uint64_t block_size) {
    if (!name_history_.empty()) {
        const std::size_t kept = random_() % (name_history_.size() + 1);
        if (kept < name_history_.size()) {
            names_ = name_history_[kept];
        }
        name_history_.clear();
    }
    for (auto& [name, file] : names_) {
        file->has_failed_sync = false;
        file->dirty.insert(file->abandoned.begin(), file->abandoned.end());
        file->abandoned.clear();
        for (const auto& [begin, end] : file->dirty) {
            for (std::uint64_t block = begin / block_size * block_size; block < end;
                 block += block_size) {
                if (random_() % 2 == 0) {
                    continue;
                }
                const std::uint64_t from = std::max(block, begin);
                const std::uint64_t to = std::min(block + block_size, end);
                std::copy(file->cached.begin() + static_cast<std::ptrdiff_t>(from),
                          file->cached.begin() + static_cast<std::ptrdiff_t>(to),
                          file->durable.begin() + static_cast<std::ptrdiff_t>(from));
            }
        }
        file->dirty.clear();
        file->cached = file->durable;
    }
    sync_error_ = 0;
    failing_call_ = ~0ULL;
    last_step_ = ~0ULL;
    died_in_.reset();
}

}  // namespace burgee::test
