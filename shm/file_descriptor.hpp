#pragma once

// An open file that closes itself, and the transfers that every writer here needs: all bytes or an
// error, whatever signals and short writes come between. Relied on by publisher and
// last-known-good.

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace burgee {

class FileDescriptor {
public:
    FileDescriptor() noexcept = default;
    explicit FileDescriptor(int number) noexcept : number_(number) {}
    FileDescriptor(FileDescriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept;
    ~FileDescriptor() { close(); }

    int number() const noexcept { return number_; }
    bool is_open() const noexcept { return number_ >= 0; }
    void close() noexcept;

private:
    int number_ = -1;
};

/// Opens `name` in `directory` with O_CLOEXEC and O_NOFOLLOW added; closed and errno set on
/// failure.
FileDescriptor open_at(const FileDescriptor& directory, const char* name, int flags,
                       unsigned mode = 0);

/// Writes all of `bytes` at `offset`. @return 0 or an errno; ENOSPC and EFBIG mean "no room".
int write_all(const FileDescriptor& file, std::span<const std::byte> bytes, std::uint64_t offset);

/// Fills `bytes` from `offset` on. @return 0 or an errno; EIO when the file ends before.
int read_all(const FileDescriptor& file, std::span<std::byte> bytes, std::uint64_t offset);

/// Reserves `size_bytes` bytes, so that neither a later write nor a reader can meet a full file
/// system. @return 0 or an errno.
int reserve(const FileDescriptor& file, std::uint64_t size_bytes);

}  // namespace burgee
