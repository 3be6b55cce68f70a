#include "shm/control_file.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <memory>
#include <span>

#include <burgee/snapshot_layout.hpp>

#include "shm/mappable_file.hpp"

namespace burgee {
namespace {

constexpr int kOpenAttemptsMax = 8;  // each lost race means that another daemon just started
constexpr ::mode_t kControlMode = 0644;
constexpr const char* kNewControlName = "control.new";
// No host publishes this often in the age of the universe: a page that says so is damaged.
constexpr std::uint64_t kPlausibleGenerationMax = 1ULL << 62U;

PublishError error_of(PublishFault fault, std::string message) {
    return {.fault = fault, .message = std::move(message)};
}

PublishError directory_error(const std::string& path, const std::string& what) {
    return error_of(PublishFault::kDirectory, "directory " + path + " " + what);
}

PublishResult<FileDescriptor> open_directory(const std::string& path) {
    FileDescriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory.is_open()) {
        return directory_error(path, std::string("cannot be opened: ") + std::strerror(errno) +
                                         "; create it for the user of burgeed");
    }
    struct ::stat status {};
    if (::fstat(directory.number(), &status) != 0) {
        return system_error_of(errno, "examine " + path);
    }
    if (status.st_uid != ::geteuid() && status.st_uid != 0) {
        return directory_error(path, "belongs to user " + std::to_string(status.st_uid) +
                                         ": it must belong to the user of burgeed, or root");
    }
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return directory_error(path, "is writable by group or others: chmod go-w");
    }
    return directory;
}

/// An open file description lock: it belongs to this descriptor, outlives no process, and a fork
/// that closes its copy does not drop it. False when another process holds it.
bool lock_first_byte(const FileDescriptor& file) {
    struct ::flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 0;
    lock.l_len = 1;
    return ::fcntl(file.number(), F_OFD_SETLK, &lock) == 0;
}

PublishError second_daemon(const std::string& path) {
    return error_of(PublishFault::kSecondDaemon,
                    "another burgeed publishes into " + path +
                        ": stop it, or give this one a directory of its own");
}

bool is_usable(const ControlPage& page) {
    return page.magic == kControlMagic && page.abi == kControlAbi &&
           page.size_bytes == kControlSizeBytes &&
           std::ranges::all_of(page.slots, [](const ControlSlot& slot) {
               return slot.generation.load(std::memory_order_relaxed) <= kPlausibleGenerationMax;
           });
}

/// Tells whoever has the old page mapped to look for the new one. The page is written through the
/// file, because a short one must not be mapped: touching what lies behind its end kills.
void retire(const FileDescriptor& old_file) {
    const std::uint64_t state = kStateRetired;
    (void)write_all(old_file, std::as_bytes(std::span(&state, 1)), offsetof(ControlPage, state));
}

std::uint64_t random_instance() {
    std::uint64_t number = 0;
    if (::getrandom(&number, sizeof(number), 0) != static_cast<::ssize_t>(sizeof(number))) {
        number = boot_ns();
    }
    return number;
}

}  // namespace

std::uint64_t boot_ns() {
    struct ::timespec now {};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec);
}

struct ControlFile::Region {
    boost::interprocess::mapped_region mapped;
};

ControlFile::ControlFile() = default;
ControlFile::ControlFile(ControlFile&&) noexcept = default;
ControlFile::~ControlFile() = default;

PublishResult<ControlFile> ControlFile::open(const std::string& directory) {
    PublishResult<FileDescriptor> opened = open_directory(directory);
    if (!opened) {
        return std::move(opened).error();
    }
    ControlFile control;
    control.directory_ = std::move(*opened);
    for (int attempt = 0; attempt < kOpenAttemptsMax; ++attempt) {
        PublishResult<bool> is_ready = control.adopt(directory);
        if (!is_ready) {
            return is_ready.error();
        }
        if (*is_ready) {
            ControlPage& page = control.page();
            page.instance.store(random_instance(), std::memory_order_relaxed);
            page.state.store(kStateRunning, std::memory_order_release);
            return control;
        }
    }
    return second_daemon(directory);
}

/// One attempt: takes the file that is there, or makes one. False when another process was faster
/// and the file has to be looked at again.
PublishResult<bool> ControlFile::adopt(const std::string& directory_path) {
    const std::string path = directory_path + "/" + kControlFileName;
    file_ = open_at(directory_, kControlFileName, O_RDWR | O_NONBLOCK);
    if (!file_.is_open() && errno == ENOENT) {
        return create(directory_path, false);
    }
    struct ::stat status {};
    const bool is_regular =
        file_.is_open() && ::fstat(file_.number(), &status) == 0 && S_ISREG(status.st_mode);
    if (!is_regular || status.st_uid != ::geteuid()) {
        return error_of(PublishFault::kControl,
                        path + " is no regular file of this user: remove it and start again");
    }
    if (!lock_first_byte(file_)) {
        return second_daemon(directory_path);
    }
    if (!is_at(directory_path)) {
        return false;  // replaced between open and lock
    }
    const bool is_private = (status.st_mode & (S_IWGRP | S_IWOTH)) == 0 && status.st_nlink == 1;
    if (!is_private || status.st_size != static_cast<::off_t>(kControlSizeBytes)) {
        return create(directory_path, true);
    }
    if (::fchmod(file_.number(), kControlMode) != 0) {
        return system_error_of(errno, "make " + path + " readable");
    }
    if (PublishResult<void> mapped = map(directory_path); !mapped) {
        return mapped.error();
    }
    if (!is_usable(page()) || !choose_slot()) {
        return create(directory_path, true);
    }
    return true;
}

/// Builds a page without a name, locks it, and only then gives it its name.
PublishResult<bool> ControlFile::create(const std::string& directory_path, bool replaces) {
    const std::string what = "create the control page in " + directory_path;
    FileDescriptor created = open_at(directory_, ".", O_TMPFILE | O_RDWR, kControlMode);
    if (!created.is_open()) {
        return system_error_of(errno, what);
    }
    const auto fresh = std::make_unique<ControlPage>();  // value-initialized: all zero
    fresh->magic = kControlMagic;
    fresh->abi = kControlAbi;
    fresh->size_bytes = kControlSizeBytes;
    fresh->slots[0].layout_major.store(kLayoutMajor, std::memory_order_relaxed);
    int error = reserve(created, kControlSizeBytes);
    error = error != 0 ? error : write_all(created, std::as_bytes(std::span(fresh.get(), 1)), 0);
    if (error == 0 && ::fchmod(created.number(), kControlMode) != 0) {
        error = errno;
    }
    if (error != 0 || !lock_first_byte(created)) {
        return system_error_of(error != 0 ? error : errno, what);
    }
    const std::string source = "/proc/self/fd/" + std::to_string(created.number());
    const char* name = replaces ? kNewControlName : kControlFileName;
    if (replaces) {
        ::unlinkat(directory_.number(), kNewControlName,
                   0);  // left by a kill between link and rename
    }
    if (::linkat(AT_FDCWD, source.c_str(), directory_.number(), name, AT_SYMLINK_FOLLOW) != 0) {
        return errno == EEXIST ? PublishResult<bool>(false) : system_error_of(errno, what);
    }
    if (replaces && ::renameat(directory_.number(), kNewControlName, directory_.number(),
                               kControlFileName) != 0) {
        return system_error_of(errno, what);
    }
    if (replaces) {
        retire(file_);
    }
    file_ = std::move(created);
    slot_number_ = 0;
    PublishResult<void> mapped = map(directory_path);
    return mapped ? PublishResult<bool>(true) : mapped.error();
}

PublishResult<void> ControlFile::map(const std::string& directory_path) {
    try {
        region_ = std::make_unique<Region>(
            Region{{MappableFile(file_), boost::interprocess::read_write, 0, kControlSizeBytes}});
        page_ = static_cast<ControlPage*>(region_->mapped.get_address());
    } catch (const boost::interprocess::interprocess_exception& error) {
        return system_error_of(error.get_native_error(),
                               "map the control page in " + directory_path);
    }
    return {};
}

/// Finds the slot of our layout, or a free one. Slots of other layouts are closed: nobody will
/// publish into them any more, and their readers must not take old flags for current ones.
bool ControlFile::choose_slot() {
    auto& slots = page().slots;
    const auto major = [](const ControlSlot& slot) {
        return slot.layout_major.load(std::memory_order_relaxed);
    };
    auto own = std::ranges::find(slots, kLayoutMajor, major);
    if (own == slots.end()) {
        own = std::ranges::find(slots, 0U, major);
    }
    if (own == slots.end()) {
        return false;
    }
    for (ControlSlot& slot : slots) {
        // Release: pairs with the reader's acquire of layout_major when it attaches.
        slot.layout_major.store(&slot == &*own ? kLayoutMajor : 0, std::memory_order_release);
    }
    slot_number_ = static_cast<std::size_t>(own - slots.begin());
    return true;
}

bool ControlFile::is_at(const std::string& directory_path) const {
    struct ::stat own {};
    struct ::stat found {};
    const std::string path = directory_path + "/" + kControlFileName;
    return ::fstat(file_.number(), &own) == 0 && ::lstat(path.c_str(), &found) == 0 &&
           own.st_ino == found.st_ino && own.st_dev == found.st_dev;
}

}  // namespace burgee
