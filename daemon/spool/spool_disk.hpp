#pragma once

// The few calls through which the spool touches a disk, so that a test can put a disk there that
// loses power, flips bits, fails and fills up. The real one is thin: each call is one system call.
// All results are errno values, 0 for success; nothing throws.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace burgee::daemon {

/// One open file. Thread safety: reads and writes of different ranges may run at the same time.
class SpoolFile {
public:
    virtual ~SpoolFile() = default;
    /// Reads `target.size()` bytes at `offset`; `*read_bytes` is less only at the end of the file.
    virtual int read(std::span<std::byte> target, std::uint64_t offset,
                     std::size_t* read_bytes) const = 0;
    /// Writes all of `source`, or fails.
    virtual int write(std::span<const std::byte> source, std::uint64_t offset) = 0;
    /// fdatasync. After a failure this file is never synced again: Linux reports an error once.
    virtual int sync() = 0;
    /// Makes the file at least `size_bytes` long with its blocks reserved; old contents stay.
    virtual int allocate(std::uint64_t size_bytes) = 0;
    /// Lets the system begin to carry this range to the disk; waits for nothing, promises nothing.
    virtual void begin_write_back(std::uint64_t /*offset*/, std::uint64_t /*size_bytes*/) {}
    virtual std::uint64_t size_bytes() const = 0;
};

/// One directory. Names are single path components, or "quarantine/<name>".
class SpoolDisk {
public:
    virtual ~SpoolDisk() = default;
    /// What to call it in messages.
    virtual std::string name() const = 0;
    /// Takes the lock of the directory until this object dies. EAGAIN: somebody else has it.
    virtual int lock() = 0;
    virtual int list(std::vector<std::string>* names) const = 0;
    /// Opens for reading and writing; `create` makes an empty file, or empties an old one.
    virtual int open(const std::string& name, bool create, std::unique_ptr<SpoolFile>* file) = 0;
    virtual int rename(const std::string& from, const std::string& to) = 0;
    virtual int remove(const std::string& name) = 0;
    /// fsync of the directory: names are durable after it.
    virtual int sync_names() = 0;
};

/// The directory at `path`. Nothing is opened before lock().
std::unique_ptr<SpoolDisk> make_directory_disk(std::string path);

/// The directory at `path`, only to be read: nothing is made, changed or removed in it, which gives
/// EROFS, and it may lie on a disk that is mounted read-only. lock() keeps others from writing
/// while this object lives, if the directory has the file that every writer locks; without that
/// file nobody has written here, or somebody took it away.
std::unique_ptr<SpoolDisk> make_read_only_disk(std::string path);

}  // namespace burgee::daemon
