#pragma once

// The file behind the control page: finds or makes it, keeps it to one process, and maps it. The
// writer's only way to the page; readers map the file themselves.
//
// Invariants:
//   1. While a ControlFile lives, its process holds the kernel's write lock on byte 0 of the file,
//   so
//      readers can tell a hung daemon from a dead one and a second daemon is refused.
//   2. `control` appears and is replaced whole: no reader ever sees half a page.
//   3. A usable page is adopted, with its inode and its generations.

#include <cstdint>
#include <memory>
#include <string>

#include <burgee/control_page.hpp>

#include "shm/file_descriptor.hpp"
#include "shm/publish_error.hpp"

namespace burgee {

class ControlFile {
public:
    ControlFile(ControlFile&&) noexcept;
    ~ControlFile();

    /// Opens `directory`, which must belong to us or root and be writable by nobody else, and
    /// adopts or makes its `control`. An unusable page of ours is marked kStateRetired and
    /// replaced. Errors: kDirectory, kControl, kSecondDaemon, kNoSpace, kSystem.
    static PublishResult<ControlFile> open(const std::string& directory);

    ControlPage& page() const { return *page_; }
    /// The slot of kLayoutMajor.
    ControlSlot& slot() const { return page().slots[slot_number_]; }
    const FileDescriptor& directory() const { return directory_; }
    bool is_open() const { return file_.is_open(); }

    /// Whether the path `directory_path`/control still leads to this file.
    bool is_at(const std::string& directory_path) const;

private:
    struct Region;  ///< Boost's mapping; known to control_file.cpp alone

    ControlFile();
    PublishResult<bool> adopt(const std::string& directory_path);
    PublishResult<bool> create(const std::string& directory_path, bool replaces);
    PublishResult<void> map(const std::string& directory_path);
    bool choose_slot();

    FileDescriptor directory_;
    FileDescriptor file_;  ///< holds the lock
    std::unique_ptr<Region> region_;
    ControlPage* page_ = nullptr;
    std::size_t slot_number_ = 0;
};

/// CLOCK_BOOTTIME in nanoseconds; for diagnostic fields only.
std::uint64_t boot_ns();

}  // namespace burgee
