#pragma once

// Opens what the daemon left in its directory, and only that. Whoever can write there could feed a
// service any answer, or hear all that it measures, so owner, mode and kind are checked on the open
// descriptor, never on a name that others can change.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <optional>

namespace burgee::detail {

/// A descriptor that closes itself.
class FileDescriptor {
public:
    FileDescriptor() noexcept = default;
    explicit FileDescriptor(int descriptor) noexcept : descriptor_(descriptor) {}
    FileDescriptor(FileDescriptor&& other) noexcept : descriptor_(other.descriptor_) {
        other.descriptor_ = -1;
    }
    FileDescriptor& operator=(FileDescriptor&&) = delete;
    ~FileDescriptor() {
        if (is_open()) {
            ::close(descriptor_);
        }
    }
    bool is_open() const noexcept { return descriptor_ >= 0; }
    int get() const noexcept { return descriptor_; }

private:
    int descriptor_ = -1;
};

/// Which file it is, whatever it is called.
struct FileIdentity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;

    bool operator==(const FileIdentity& other) const noexcept {
        return device == other.device && inode == other.inode;
    }
    bool operator!=(const FileIdentity& other) const noexcept { return !(*this == other); }
};

inline FileIdentity identity_of(const struct stat& facts) noexcept {
    return {facts.st_dev, facts.st_ino};
}

inline bool is_writable_by_others(const struct stat& facts) noexcept {
    return (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

inline FileDescriptor open_directory(const char* path) noexcept {
    return FileDescriptor(::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

/// Whether the owner of an open directory may tell us what to do: root, ourselves, `expected`, or,
/// when nobody is expected by name, whoever was given the directory by a parent that only root or
/// we can write (systemd-tmpfiles makes /run/burgee so). Others must not be able to write in it.
inline bool is_trusted_directory(int directory, const struct stat& facts,
                                 std::optional<uid_t> expected) noexcept {
    const uid_t self = ::geteuid();
    if (is_writable_by_others(facts)) {
        return false;
    }
    if (facts.st_uid == 0 || facts.st_uid == self) {
        return true;
    }
    if (expected.has_value()) {
        return facts.st_uid == *expected;
    }
    struct stat parent {};
    return ::fstatat(directory, "..", &parent, AT_SYMLINK_NOFOLLOW) == 0 &&
           (parent.st_uid == 0 || parent.st_uid == self) && !is_writable_by_others(parent);
}

/// O_NONBLOCK: a FIFO put in the file's place must not stop us.
inline FileDescriptor open_file(int directory, const char* name) noexcept {
    return FileDescriptor(
        ::openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
}

inline bool is_of_root_or_owner(const struct stat& file, const struct stat& directory) noexcept {
    return file.st_uid == 0 || file.st_uid == directory.st_uid;
}

/// Whether an open file is a plain file of root or the directory's owner that others cannot write.
inline bool is_trusted_file(const struct stat& file, const struct stat& directory) noexcept {
    return S_ISREG(file.st_mode) && is_of_root_or_owner(file, directory) &&
           !is_writable_by_others(file);
}

/// Whether a name in a trusted directory is a socket of root or the directory's owner. Only those
/// two can change what the name leads to; others may write to a socket, which is to connect.
inline bool is_trusted_socket(const struct stat& socket, const struct stat& directory) noexcept {
    return S_ISSOCK(socket.st_mode) && is_of_root_or_owner(socket, directory);
}

}  // namespace burgee::detail
