#include "daemon/spool/spool_disk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>

namespace burgee::daemon {
namespace {

/// A file descriptor that closes itself.
class Descriptor {
public:
    explicit Descriptor(int number = -1) : number_(number) {}
    ~Descriptor() {
        if (number_ >= 0) {
            ::close(number_);
        }
    }
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    int get() const { return number_; }

private:
    int number_;
};

class RealFile final : public SpoolFile {
public:
    RealFile(Descriptor descriptor, std::uint64_t size_bytes)
        : descriptor_(std::move(descriptor)), size_bytes_(size_bytes) {}

    int read(std::span<std::byte> target, std::uint64_t offset,
             std::size_t* read_bytes) const override {
        *read_bytes = 0;
        while (*read_bytes < target.size()) {
            const ssize_t part =
                ::pread(descriptor_.get(), target.data() + *read_bytes, target.size() - *read_bytes,
                        static_cast<off_t>(offset + *read_bytes));
            if (part < 0 && errno != EINTR) {
                return errno;
            }
            if (part == 0) {
                break;
            }
            *read_bytes += part > 0 ? static_cast<std::size_t>(part) : 0;
        }
        return 0;
    }

    int write(std::span<const std::byte> source, std::uint64_t offset) override {
        while (!source.empty()) {
            const ssize_t part = ::pwrite(descriptor_.get(), source.data(), source.size(),
                                          static_cast<off_t>(offset));
            if (part < 0 && errno != EINTR) {
                return errno;
            }
            if (part > 0) {
                source = source.subspan(static_cast<std::size_t>(part));
                offset += static_cast<std::uint64_t>(part);
            }
        }
        note_size(offset);
        return 0;
    }

    int sync() override { return ::fdatasync(descriptor_.get()) == 0 ? 0 : errno; }

    int allocate(std::uint64_t size_bytes) override {
        const int error = ::posix_fallocate(descriptor_.get(), 0, static_cast<off_t>(size_bytes));
        if (error == 0) {
            note_size(size_bytes);
        }
        return error;
    }

    void begin_write_back(std::uint64_t offset, std::uint64_t size_bytes) override {
        // What this misses, sync() finds.
        (void)::sync_file_range(descriptor_.get(), static_cast<off_t>(offset),
                                static_cast<off_t>(size_bytes), SYNC_FILE_RANGE_WRITE);
    }

    std::uint64_t size_bytes() const override {
        return size_bytes_.load(std::memory_order_relaxed);
    }

private:
    void note_size(std::uint64_t end) {
        // Relaxed: one thread writes a file, and the size orders nothing.
        size_bytes_.store(std::max(end, size_bytes()), std::memory_order_relaxed);
    }

    Descriptor descriptor_;
    // Asked for once, when the file is opened: a question later on could fail, and a segment whose
    // size is unknown must not pass for an empty one. Nobody else changes the file.
    std::atomic<std::uint64_t> size_bytes_;
};

enum class Access { kReadWrite, kReadOnly };

class RealDisk final : public SpoolDisk {
public:
    RealDisk(std::string path, Access access) : path_(std::move(path)), access_(access) {}

    std::string name() const override { return path_; }

    int lock() override {
        directory_ = Descriptor(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (directory_.get() < 0) {
            return errno;
        }
        lock_ = Descriptor(::openat(directory_.get(), "lock", open_flags(!is_read_only()), 0600));
        if (lock_.get() < 0) {
            return is_read_only() && errno == ENOENT ? 0 : errno;
        }
        // An open-file-description lock: the kernel drops it with the last descriptor, however the
        // process ended, and closing some other descriptor of the file does not.
        struct flock whole_file {};
        whole_file.l_type = is_read_only() ? F_RDLCK : F_WRLCK;
        whole_file.l_whence = SEEK_SET;
        if (::fcntl(lock_.get(), F_OFD_SETLK, &whole_file) != 0) {
            return errno == EACCES ? EAGAIN : errno;
        }
        if (is_read_only()) {
            return 0;
        }
        return ::mkdirat(directory_.get(), "quarantine", 0700) == 0 || errno == EEXIST ? 0 : errno;
    }

    int list(std::vector<std::string>* names) const override {
        const int copy = ::openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR* stream = copy < 0 ? nullptr : ::fdopendir(copy);
        if (stream == nullptr) {
            const int error = errno;
            if (copy >= 0) {
                ::close(copy);
            }
            return error;
        }
        names->clear();
        errno = 0;
        while (const dirent* entry = ::readdir(stream)) {
            names->emplace_back(entry->d_name);
        }
        const int error = errno;
        ::closedir(stream);
        return error;
    }

    int open(const std::string& file_name, bool create, std::unique_ptr<SpoolFile>* file) override {
        if (is_read_only() && create) {
            return EROFS;
        }
        const int flags = open_flags(create) | (create ? O_TRUNC : 0);
        Descriptor descriptor(::openat(directory_.get(), file_name.c_str(), flags, 0600));
        struct stat status {};
        if (descriptor.get() < 0 || ::fstat(descriptor.get(), &status) != 0) {
            return errno;
        }
        if (S_ISDIR(status.st_mode)) {
            return EISDIR;  // which the kernel says by itself of one that is to be written
        }
        *file = std::make_unique<RealFile>(std::move(descriptor),
                                           static_cast<std::uint64_t>(status.st_size));
        return 0;
    }

    int rename(const std::string& from, const std::string& to) override {
        if (is_read_only()) {
            return EROFS;
        }
        return ::renameat(directory_.get(), from.c_str(), directory_.get(), to.c_str()) == 0
                   ? 0
                   : errno;
    }

    int remove(const std::string& file_name) override {
        if (is_read_only()) {
            return EROFS;
        }
        return ::unlinkat(directory_.get(), file_name.c_str(), 0) == 0 ? 0 : errno;
    }

    int sync_names() override { return ::fsync(directory_.get()) == 0 ? 0 : errno; }

private:
    bool is_read_only() const { return access_ == Access::kReadOnly; }

    int open_flags(bool create) const {
        // To open a pipe to read would wait for its writer.
        const int access = is_read_only() ? O_RDONLY | O_NONBLOCK : O_RDWR;
        return access | (create ? O_CREAT : 0) | O_CLOEXEC | O_NOFOLLOW;
    }

    std::string path_;
    Access access_;
    Descriptor directory_;
    Descriptor lock_;
};

}  // namespace

std::unique_ptr<SpoolDisk> make_directory_disk(std::string path) {
    return std::make_unique<RealDisk>(std::move(path), Access::kReadWrite);
}

std::unique_ptr<SpoolDisk> make_read_only_disk(std::string path) {
    return std::make_unique<RealDisk>(std::move(path), Access::kReadOnly);
}

}  // namespace burgee::daemon
