#include "shm/last_known_good.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <burgee/snapshot_view.hpp>

#include "shm/file_descriptor.hpp"
#include "shm/snapshot_file_name.hpp"

namespace burgee {
namespace {

using Error = LastKnownGoodError;
using Fault = LastKnownGoodFault;

constexpr const char* kTemporaryName = "lkg.L1.new";  // one writer a directory: one name is enough

Error system_error(const std::string& path, const std::string& what) {
    return {.fault = Fault::kSystem,
            .message = "cannot " + what + " " + path + ": " + std::strerror(errno)};
}

Error refusal(Fault fault, const std::string& path, const std::string& why) {
    return {.fault = fault, .message = path + " is not used: " + why};
}

FileDescriptor open_directory(const std::string& path) {
    return FileDescriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

bool write_durably(const FileDescriptor& directory, std::span<const std::byte> image) {
    ::unlinkat(directory.number(), kTemporaryName, 0);  // left by a kill
    const FileDescriptor file =
        open_at(directory, kTemporaryName, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (!file.is_open()) {
        return false;
    }
    errno = reserve(file, image.size());
    if (errno == 0) {
        errno = write_all(file, image, 0);
    }
    return errno == 0 && ::fdatasync(file.number()) == 0;
}

boost::system::result<std::vector<std::byte>, Error> load(const std::string& directory,
                                                          const std::string& name) {
    const std::string path = directory + "/" + name;
    const FileDescriptor opened = open_directory(directory);
    if (!opened.is_open()) {
        return system_error(path, "open the directory of");
    }
    const FileDescriptor file = open_at(opened, name.c_str(), O_RDONLY | O_NONBLOCK);
    if (!file.is_open() && errno == ENOENT) {
        return refusal(Fault::kAbsent, path, "there is none yet");
    }
    if (!file.is_open() && errno != ELOOP) {
        return system_error(path, "open");
    }
    struct ::stat status {};
    if (!file.is_open() || ::fstat(file.number(), &status) != 0 || !S_ISREG(status.st_mode)) {
        return refusal(Fault::kForeign, path, "it is no regular file; remove it");
    }
    const bool has_our_owner = status.st_uid == ::geteuid() || status.st_uid == 0;
    if (!has_our_owner || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return refusal(Fault::kForeign, path, "others may have written it; remove it");
    }
    const auto size_bytes = static_cast<std::uint64_t>(status.st_size);
    if (size_bytes > kSnapshotSizeMax) {
        return refusal(Fault::kDamaged, path, describe(ViewError::kTooLarge));
    }
    std::vector<std::byte> image(size_bytes);
    if (const int error = read_all(file, image, 0); error != 0) {
        errno = error;
        return system_error(path, "read");
    }
    SnapshotView view;
    ViewError error = SnapshotView::open(image.data(), image.size(), view);
    error = error == ViewError::kNone ? view.check_bodies() : error;
    if (error != ViewError::kNone) {
        return refusal(Fault::kDamaged, path, std::string(describe(error)) + "; remove it");
    }
    return image;
}

}  // namespace

boost::system::result<void, LastKnownGoodError> save_last_known_good(
    const std::string& directory, std::span<const std::byte> image) {
    const std::string path = directory + "/" + kLastKnownGoodName;
    const FileDescriptor opened = open_directory(directory);
    if (!opened.is_open()) {
        return system_error(path, "open the directory of");
    }
    if (!write_durably(opened, image)) {
        const Error error = system_error(path, "write");
        ::unlinkat(opened.number(), kTemporaryName, 0);
        return error;
    }
    if (::renameat(opened.number(), kTemporaryName, opened.number(), kLastKnownGoodName) != 0 ||
        ::fsync(opened.number()) != 0) {
        return system_error(path, "replace");
    }
    return {};
}

boost::system::result<std::vector<std::byte>, LastKnownGoodError> load_last_known_good(
    const std::string& directory) {
    return load(directory, kLastKnownGoodName);
}

boost::system::result<std::vector<std::byte>, LastKnownGoodError> load_newest_snapshot(
    const std::string& directory, const std::string& run_directory, std::uint64_t generation) {
    auto on_disk = load_last_known_good(directory);
    SnapshotView view;  // empty, of generation 0, when there is none
    if (on_disk) {
        SnapshotView::open(on_disk->data(), on_disk->size(), view);
    }
    if (generation > view.header().generation) {
        auto in_force = load(run_directory, SnapshotFileName{kLayoutMajor, generation}.text());
        if (in_force) {
            return in_force;
        }
    }
    return on_disk;
}

}  // namespace burgee
