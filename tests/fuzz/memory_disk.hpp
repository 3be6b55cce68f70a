#pragma once

// A disk that is nothing but files in memory, quick enough to be opened thousands of times a
// second. Reserved room reads as zeros and takes no memory; files show only a little of it, because
// a recovery looks at every byte.

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/spool/spool_disk.hpp"

namespace burgee::fuzz {

/// Room that a file has after allocate(), at most: a header, some frames, and zeros behind them.
/// Most of an execution was looking at 16 KiB of zeros when it was that.
inline constexpr std::uint64_t kRoomShownMax = 5U << 10U;

struct MemoryFile {
    std::vector<std::byte> bytes;
    std::uint64_t size = 0;  ///< with what is reserved
};
using MemoryFiles = std::map<std::string, std::shared_ptr<MemoryFile>>;

class OpenMemoryFile final : public daemon::SpoolFile {
public:
    explicit OpenMemoryFile(std::shared_ptr<MemoryFile> file) : file_(std::move(file)) {}

    int read(std::span<std::byte> target, std::uint64_t offset,
             std::size_t* read_bytes) const override {
        const std::uint64_t left = file_->size - std::min(offset, file_->size);
        *read_bytes = static_cast<std::size_t>(std::min<std::uint64_t>(left, target.size()));
        std::fill(target.begin(), target.end(), std::byte{0});
        if (offset < file_->bytes.size()) {
            const std::size_t held = file_->bytes.size() - static_cast<std::size_t>(offset);
            std::copy_n(file_->bytes.begin() + static_cast<std::ptrdiff_t>(offset),
                        std::min(held, target.size()), target.begin());
        }
        return 0;
    }
    int write(std::span<const std::byte> source, std::uint64_t offset) override {
        const auto end = static_cast<std::size_t>(offset) + source.size();
        file_->bytes.resize(std::max(file_->bytes.size(), end));
        file_->size = std::max<std::uint64_t>(file_->size, end);
        std::copy(source.begin(), source.end(),
                  file_->bytes.begin() + static_cast<std::ptrdiff_t>(offset));
        return 0;
    }
    int sync() override { return 0; }
    int allocate(std::uint64_t size_bytes) override {
        file_->size = std::max(file_->size, std::min(size_bytes, kRoomShownMax));
        return 0;
    }
    std::uint64_t size_bytes() const override { return file_->size; }

private:
    std::shared_ptr<MemoryFile> file_;
};

/// The files outlive it, so that they can be opened again.
class MemoryDisk final : public daemon::SpoolDisk {
public:
    explicit MemoryDisk(MemoryFiles& files) : files_(files) {}

    std::string name() const override { return "in memory"; }
    int lock() override { return 0; }
    int list(std::vector<std::string>* names) const override {
        for (const auto& [name, file] : files_) {
            if (name.find('/') == std::string::npos) {
                names->push_back(name);
            }
        }
        return 0;
    }
    int open(const std::string& name, bool create,
             std::unique_ptr<daemon::SpoolFile>* file) override {
        if (create) {
            files_[name] = std::make_shared<MemoryFile>();
        }
        const auto found = files_.find(name);
        if (found == files_.end()) {
            return ENOENT;
        }
        *file = std::make_unique<OpenMemoryFile>(found->second);
        return 0;
    }
    int rename(const std::string& from, const std::string& to) override {
        const auto found = files_.find(from);
        if (found == files_.end()) {
            return ENOENT;
        }
        const auto file = found->second;
        files_.erase(found);
        files_[to] = file;
        return 0;
    }
    int remove(const std::string& name) override { return files_.erase(name) > 0 ? 0 : ENOENT; }
    int sync_names() override { return 0; }

private:
    MemoryFiles& files_;
};

}  // namespace burgee::fuzz
