#include "shm/file_descriptor.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <cerrno>

namespace burgee {

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
        close();
        number_ = std::exchange(other.number_, -1);
    }
    return *this;
}

void FileDescriptor::close() noexcept {
    if (is_open()) {
        // Never repeated: after EINTR Linux has closed the number and may have given it away again.
        ::close(std::exchange(number_, -1));
    }
}

FileDescriptor open_at(const FileDescriptor& directory, const char* name, int flags,
                       unsigned mode) {
    int number = -1;
    do {
        number = ::openat(directory.number(), name, flags | O_CLOEXEC | O_NOFOLLOW, mode);
    } while (number < 0 && errno == EINTR);
    return FileDescriptor(number);
}

int write_all(const FileDescriptor& file, std::span<const std::byte> bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
        const ::ssize_t written =
            ::pwrite(file.number(), bytes.data(), bytes.size(), static_cast<::off_t>(offset));
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return written < 0 ? errno : ENOSPC;
        }
        bytes = bytes.subspan(static_cast<std::size_t>(written));
        offset += static_cast<std::uint64_t>(written);
    }
    return 0;
}

int read_all(const FileDescriptor& file, std::span<std::byte> bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
        const ::ssize_t taken =
            ::pread(file.number(), bytes.data(), bytes.size(), static_cast<::off_t>(offset));
        if (taken < 0 && errno == EINTR) {
            continue;
        }
        if (taken <= 0) {
            return taken < 0 ? errno : EIO;
        }
        bytes = bytes.subspan(static_cast<std::size_t>(taken));
        offset += static_cast<std::uint64_t>(taken);
    }
    return 0;
}

int reserve(const FileDescriptor& file, std::uint64_t size_bytes) {
    int error = 0;  // returned, not left in errno
    do {
        error = ::posix_fallocate(file.number(), 0, static_cast<::off_t>(size_bytes));
    } while (error == EINTR);
    return error;
}

}  // namespace burgee
