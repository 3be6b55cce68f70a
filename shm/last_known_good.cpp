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

namespace burgee {
namespace {

using Error = LastKnownGoodError;
using Fault = LastKnownGoodFault;

constexpr const char* kTemporaryName = "lkg.L1.new";  // one writer a directory: one name is enough

Error system_error(const std::string& directory, const std::string& what) {
    return {.fault = Fault::kSystem,
            .message = "cannot " + what + " " + directory + "/" + kLastKnownGoodName + ": " +
                       std::strerror(errno)};
}

Error refusal(Fault fault, const std::string& directory, const std::string& why) {
    return {.fault = fault,
            .message = directory + "/" + kLastKnownGoodName + " is not used: " + why};
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

}  // namespace

boost::system::result<void, LastKnownGoodError> save_last_known_good(
    const std::string& directory, std::span<const std::byte> image) {
    const FileDescriptor opened = open_directory(directory);
    if (!opened.is_open()) {
        return system_error(directory, "open the directory of");
    }
    if (!write_durably(opened, image)) {
        const Error error = system_error(directory, "write");
        ::unlinkat(opened.number(), kTemporaryName, 0);
        return error;
    }
    if (::renameat(opened.number(), kTemporaryName, opened.number(), kLastKnownGoodName) != 0 ||
        ::fsync(opened.number()) != 0) {
        return system_error(directory, "replace");
    }
    return {};
}

boost::system::result<std::vector<std::byte>, LastKnownGoodError> load_last_known_good(
    const std::string& directory) {
    const FileDescriptor opened = open_directory(directory);
    if (!opened.is_open()) {
        return system_error(directory, "open the directory of");
    }
    const FileDescriptor file = open_at(opened, kLastKnownGoodName, O_RDONLY | O_NONBLOCK);
    if (!file.is_open() && errno == ENOENT) {
        return refusal(Fault::kAbsent, directory, "there is none yet");
    }
    if (!file.is_open() && errno != ELOOP) {
        return system_error(directory, "open");
    }
    struct ::stat status {};
    if (!file.is_open() || ::fstat(file.number(), &status) != 0 || !S_ISREG(status.st_mode)) {
        return refusal(Fault::kForeign, directory, "it is no regular file; remove it");
    }
    const bool has_our_owner = status.st_uid == ::geteuid() || status.st_uid == 0;
    if (!has_our_owner || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return refusal(Fault::kForeign, directory, "others may have written it; remove it");
    }
    const auto size_bytes = static_cast<std::uint64_t>(status.st_size);
    if (size_bytes > kSnapshotSizeMax) {
        return refusal(Fault::kDamaged, directory, describe(ViewError::kTooLarge));
    }
    std::vector<std::byte> image(size_bytes);
    if (const int error = read_all(file, image, 0); error != 0) {
        errno = error;
        return system_error(directory, "read");
    }
    SnapshotView view;
    ViewError error = SnapshotView::open(image.data(), image.size(), view);
    error = error == ViewError::kNone ? view.check_bodies() : error;
    if (error != ViewError::kNone) {
        return refusal(Fault::kDamaged, directory, std::string(describe(error)) + "; remove it");
    }
    return image;
}

}  // namespace burgee
