#include "shm/publisher.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

#include <burgee/checksum.hpp>
#include <burgee/snapshot_view.hpp>

#include "shm/mappable_file.hpp"
#include "shm/snapshot_file_name.hpp"
#include "shm/snapshot_image.hpp"

namespace burgee {
namespace {

constexpr int kLinkAttemptsMax = 16;  // names in our way were put there by hand, one at a time

PublishError error_of(PublishFault fault, std::string message) {
    return {.fault = fault, .message = std::move(message)};
}

PublishError removed(const std::string& directory) {
    return error_of(PublishFault::kDirectory,
                    "directory " + directory + " was removed: create it again");
}

/// A directory that we hold open but that no path leads to any more.
bool is_removed(const FileDescriptor& directory) {
    struct ::stat status {};
    return ::fstat(directory.number(), &status) == 0 && status.st_nlink == 0;
}

/// Whether the process may write files of this size: beyond, the kernel would not only refuse but
/// send SIGXFSZ, which ends a daemon that does not expect it.
bool is_allowed(std::uint64_t size_bytes) {
    struct ::rlimit limit {};
    return ::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
           size_bytes <= limit.rlim_cur;
}

/// Whether `size_bytes` leave a tenth of the file system free. Asked beforehand because a full /run
/// hurts everybody; a file system that does not say how large it is may always be tried.
bool has_room_for(const FileDescriptor& directory, std::uint64_t size_bytes) {
    struct ::statvfs status {};
    if (::fstatvfs(directory.number(), &status) != 0 || status.f_blocks == 0) {
        return true;
    }
    const std::uint64_t total = std::uint64_t{status.f_blocks} * status.f_frsize;
    const std::uint64_t free = std::uint64_t{status.f_bavail} * status.f_frsize;
    return free > total / 10 && size_bytes < free - total / 10;
}

/// Everything a reader will do with the file, before any reader can.
std::string fault_in(const std::byte* data, std::uint64_t size_bytes, const ReadBack& read_back) {
    SnapshotView view;
    ViewError error = SnapshotView::open(data, size_bytes, view);
    if (error == ViewError::kNone) {
        error = view.check_bodies();
    }
    if (error != ViewError::kNone) {
        return describe(error);
    }
    for (const std::uint64_t name_hash : read_back.present) {
        const FlagRecord* flag = view.find(name_hash);
        if (flag == nullptr || hash64(view.name(*flag)) != name_hash) {
            return "a flag that should be there is not found";
        }
    }
    for (const std::uint64_t name_hash : read_back.absent) {
        if (view.find(name_hash) != nullptr) {
            return "a flag that was removed is found";
        }
    }
    return {};
}

PublishResult<void> read_back_file(const FileDescriptor& file, std::uint64_t size_bytes,
                                   const ReadBack& read_back) {
    using boost::interprocess::mapped_region;
    try {
        const mapped_region region(MappableFile(file), boost::interprocess::read_only, 0,
                                   size_bytes, nullptr, MAP_SHARED | MAP_POPULATE);
        const std::string fault =
            fault_in(static_cast<const std::byte*>(region.get_address()), size_bytes, read_back);
        if (!fault.empty()) {
            return error_of(PublishFault::kBadImage,
                            "the new snapshot is not announced: " + fault +
                                "; the old one stays in force, please report this");
        }
    } catch (const boost::interprocess::interprocess_exception& error) {
        return system_error_of(error.get_native_error(), "map a new snapshot");
    }
    return {};
}

}  // namespace

PublishError system_error_of(int error_number, const std::string& what) {
    const bool has_no_room =
        error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG;
    const std::string reason = std::strerror(error_number);
    return error_of(
        has_no_room ? PublishFault::kNoSpace : PublishFault::kSystem,
        "cannot " + what + ": " + reason + (has_no_room ? "; free space or raise the limit" : ""));
}

Publisher::Publisher(std::string directory, PublisherOptions options, ControlFile control)
    : directory_(std::move(directory)), options_(options), control_(std::move(control)) {
    generation_max_ = current_generation();
}

Publisher::~Publisher() {
    if (control_.is_open()) {
        set_state(kStateRunning, false);
    }
}

PublishResult<Publisher> Publisher::open(const std::string& directory, PublisherOptions options) {
    PublishResult<ControlFile> control = ControlFile::open(directory);
    if (!control) {
        return control.error();
    }
    Publisher publisher(directory, options, std::move(*control));
    if (const Result<void> swept = publisher.sweep(); !swept) {
        return swept.error();
    }
    return publisher;
}

/// Numbers past every file there is, then removes those that no reader can be led to: never
/// announced before a kill, long replaced, or of another layout.
PublishResult<void> Publisher::sweep() {
    const int listed =
        ::openat(control_.directory().number(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::unique_ptr<::DIR, int (*)(::DIR*)> directory(::fdopendir(listed), ::closedir);
    if (directory == nullptr) {
        const int error = errno;
        FileDescriptor(listed).close();
        return system_error_of(error, "list " + directory_);
    }
    const std::uint64_t current = current_generation();
    while (const ::dirent* entry = ::readdir(directory.get())) {
        const auto name = SnapshotFileName::parse(entry->d_name);
        if (!name && std::string_view(entry->d_name) != "control.new") {
            continue;
        }
        const bool is_ours = name && name->layout_major == kLayoutMajor;
        if (is_ours) {
            raise_generation(name->generation);
        }
        const bool is_in_force = is_ours && name->generation <= current &&
                                 name->generation + 1 >= current && current != 0;
        if (is_in_force) {
            linked_.push_back({name->generation, std::chrono::steady_clock::now()});
        } else {
            ::unlinkat(control_.directory().number(), entry->d_name, 0);
        }
    }
    std::ranges::sort(linked_, {}, &LinkedFile::generation);
    return {};
}

PublishResult<std::uint64_t> Publisher::publish(std::span<const std::byte> image,
                                                const ReadBack& read_back) {
    if (image.size() > options_.snapshot_size_max) {
        return error_of(PublishFault::kTooLarge,
                        "the snapshot has " + std::to_string(image.size()) +
                            " bytes, the limit is " + std::to_string(options_.snapshot_size_max) +
                            ": remove flags or raise the limit");
    }
    SnapshotView view;
    const ViewError error = SnapshotView::open(image.data(), image.size(), view);
    if (error != ViewError::kNone) {
        return error_of(PublishFault::kBadImage,
                        std::string("nothing to publish: ") + describe(error));
    }
    if (is_removed(control_.directory())) {
        return removed(directory_);
    }
    if (!is_allowed(image.size())) {
        return system_error_of(EFBIG, "write a snapshot of " + std::to_string(image.size()) +
                                          " bytes in " + directory_);
    }
    retire_old_files();  // before room is asked for: what waits here must not stop what comes
    if (!has_room_for(control_.directory(), image.size())) {
        return error_of(PublishFault::kNoSpace, "the file system of " + directory_ +
                                                    " has no room for " +
                                                    std::to_string(image.size()) +
                                                    " bytes and a tenth in reserve: enlarge it");
    }
    const std::uint64_t generation = std::max(view.header().generation, next_generation());
    Result<FileDescriptor> file = write_file(image, restamped_header(image, generation));
    if (!file) {
        return file.error();
    }
    if (const Result<void> checked = read_back_file(*file, image.size(), read_back); !checked) {
        return checked.error();
    }
    const Result<std::uint64_t> linked = link_as_next(*file, image, generation);
    if (linked) {
        announce(*linked, view.header().content_hash);
        retire_old_files();
    }
    return linked;
}

/// Writes a file that has no name yet: until it gets one, a kill leaves nothing behind. Room is
/// reserved first, bodies follow, the header comes last; the file is never mapped for writing.
PublishResult<FileDescriptor> Publisher::write_file(std::span<const std::byte> image,
                                                    const SnapshotHeader& header) {
    const std::string what = "write a snapshot in " + directory_;
    FileDescriptor file = open_at(control_.directory(), ".", O_TMPFILE | O_RDWR, 0600);
    if (!file.is_open()) {
        return system_error_of(errno, what + " (the file system must know O_TMPFILE)");
    }
    int error = reserve(file, image.size());
    if (error == 0) {
        error = write_all(file, image.subspan(sizeof(header)), sizeof(header));
    }
    if (error == 0) {
        error = write_all(file, std::as_bytes(std::span(&header, 1)), 0);
    }
    if (error == 0 && ::fchmod(file.number(), 0444) != 0) {
        error = errno;
    }
    if (error != 0) {
        return system_error_of(error, what);
    }
    return file;
}

/// Gives the file its name. A name in our way means a number that was used before: the next one is
/// stamped into the header, which is allowed as long as the file has no name.
PublishResult<std::uint64_t> Publisher::link_as_next(const FileDescriptor& file,
                                                     std::span<const std::byte> image,
                                                     std::uint64_t generation) {
    const std::string source = "/proc/self/fd/" + std::to_string(file.number());
    for (int attempt = 0; attempt < kLinkAttemptsMax; ++attempt, ++generation) {
        if (attempt > 0) {
            const SnapshotHeader header = restamped_header(image, generation);
            const int error = write_all(file, std::as_bytes(std::span(&header, 1)), 0);
            if (error != 0) {
                return system_error_of(error, "number a snapshot in " + directory_);
            }
        }
        const std::string name = SnapshotFileName{kLayoutMajor, generation}.text();
        if (::linkat(AT_FDCWD, source.c_str(), control_.directory().number(), name.c_str(),
                     AT_SYMLINK_FOLLOW) == 0) {
            return generation;
        }
        if (errno == ENOENT) {
            return removed(directory_);
        }
        if (errno != EEXIST) {
            return system_error_of(errno, "link " + directory_ + "/" + name);
        }
    }
    return error_of(PublishFault::kDirectory,
                    "directory " + directory_ + " is full of snapshots that burgeed did not make");
}

void Publisher::announce(std::uint64_t generation, std::uint64_t content_hash) {
    ControlSlot& slot = control_.slot();
    slot.content_hash.store(content_hash, std::memory_order_relaxed);
    slot.published_boot_ns.store(boot_ns(), std::memory_order_relaxed);
    // Release: pairs with the reader's acquire of `generation`; the file is complete and linked.
    slot.generation.store(generation, std::memory_order_release);
    raise_generation(generation);
    linked_.push_back({generation, std::chrono::steady_clock::now()});
}

std::size_t Publisher::retire_old_files() {
    const auto now = std::chrono::steady_clock::now();
    std::size_t count = 0;
    while (linked_.size() > 2 && now - linked_.front().linked_at >= options_.retire_after) {
        const std::string name = SnapshotFileName{kLayoutMajor, linked_.front().generation}.text();
        ::unlinkat(control_.directory().number(), name.c_str(), 0);
        linked_.pop_front();
        ++count;
    }
    return count;
}

void Publisher::raise_generation(std::uint64_t generation) {
    generation_max_ = std::max(generation_max_, generation);
}

std::uint64_t Publisher::current_generation() const {
    return control_.slot().generation.load(std::memory_order_acquire);
}

void Publisher::beat() {
    ControlPage& page = control_.page();
    page.heartbeat_boot_ns.store(boot_ns(), std::memory_order_relaxed);
    // Release: pairs with the acquire of a reader that watches the count.
    page.heartbeat_count.fetch_add(1, std::memory_order_release);
}

void Publisher::set_state(ControlState bit, bool on) {
    std::atomic<std::uint64_t>& state = control_.page().state;
    if (on) {
        state.fetch_or(bit, std::memory_order_release);
    } else {
        state.fetch_and(~static_cast<std::uint64_t>(bit), std::memory_order_release);
    }
}

std::uint64_t Publisher::state() const {
    return control_.page().state.load(std::memory_order_acquire);
}

bool Publisher::is_control_current() const {
    return control_.is_at(directory_);
}

}  // namespace burgee
