#pragma once

// A directory for snapshots as a reader sees it: control page and files, read with plain system
// calls and judged by the public view, so that the publisher is never asked about itself.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <burgee/control_page.hpp>
#include <burgee/snapshot_view.hpp>

#include "shm/file_descriptor.hpp"
#include "shm/snapshot_file_name.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::test {

/// A read-only mapping of the control page, as a client holds it.
class ControlReader {
public:
    explicit ControlReader(const std::string& directory) {
        const FileDescriptor file(
            ::open((directory + "/" + kControlFileName).c_str(), O_RDONLY | O_CLOEXEC));
        void* mapped = file.is_open() ? ::mmap(nullptr, kControlSizeBytes, PROT_READ, MAP_SHARED,
                                               file.number(), 0)
                                      : MAP_FAILED;
        if (mapped == MAP_FAILED) {
            throw std::runtime_error("no control page in " + directory);
        }
        page_ = static_cast<const ControlPage*>(mapped);
    }
    ~ControlReader() {
        ::munmap(const_cast<void*>(static_cast<const void*>(page_)), kControlSizeBytes);
    }
    ControlReader(const ControlReader&) = delete;
    ControlReader& operator=(const ControlReader&) = delete;

    const ControlPage& page() const { return *page_; }
    /// Acquire: pairs with the publisher's release store.
    std::uint64_t generation() const {
        return page_->slots[0].generation.load(std::memory_order_acquire);
    }

private:
    const ControlPage* page_ = nullptr;
};

class SnapshotDirectory : public TemporaryDirectory {
public:
    SnapshotDirectory() : TemporaryDirectory("burgee-shm") {}

    /// Names of everything in the directory but `control`, sorted.
    std::vector<std::string> files() const {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(path())) {
            if (entry.path().filename() != kControlFileName) {
                names.push_back(entry.path().filename());
            }
        }
        std::ranges::sort(names);
        return names;
    }

    static std::string snapshot_name(std::uint64_t generation) {
        return SnapshotFileName{kLayoutMajor, generation}.text();
    }

    /// Bytes of a generation's file; empty when it is gone.
    std::vector<std::byte> read(std::uint64_t generation) const {
        const FileDescriptor file(
            ::open(this->file(snapshot_name(generation)).c_str(), O_RDONLY | O_CLOEXEC));
        struct ::stat status {};
        if (!file.is_open() || ::fstat(file.number(), &status) != 0) {
            return {};
        }
        std::vector<std::byte> bytes(static_cast<std::size_t>(status.st_size));
        return read_all(file, bytes, 0) == 0 ? bytes : std::vector<std::byte>{};
    }

    void write(const std::string& name, const std::string& content, unsigned mode = 0644) const {
        std::ofstream(file(name), std::ios::binary) << content;
        ::chmod(file(name).c_str(), mode);
    }
};

}  // namespace burgee::test
