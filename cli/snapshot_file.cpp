// Opens by path and checks with the client's own view.

#include "cli/snapshot_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cli/exit_code.hpp"
#include "cli/table.hpp"

namespace burgee::cli {
namespace {

class Descriptor {
public:
    explicit Descriptor(int number) : number_(number) {}
    ~Descriptor() {
        if (number_ >= 0) {
            ::close(number_);
        }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    [[nodiscard]] int number() const { return number_; }

private:
    int number_;
};

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
    throw Failure(ExitCode::kFailed, printable(path) + " is not a usable snapshot: " + why);
}

}  // namespace

SnapshotFile::SnapshotFile(const std::string& path) : path_(path) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.number() < 0) {
        throw Failure(ExitCode::kNotFound,
                      "cannot open " + printable(path) + ": " + std::strerror(errno));
    }
    struct stat facts {};
    if (::fstat(file.number(), &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_size <= 0) {
        refuse(path, "it is empty or no regular file");
    }
    size_bytes_ = static_cast<std::size_t>(facts.st_size);
    void* bytes = ::mmap(nullptr, size_bytes_, PROT_READ, MAP_SHARED, file.number(), 0);
    if (bytes == MAP_FAILED) {
        refuse(path, std::strerror(errno));
    }
    const ViewError error =
        SnapshotView::open(static_cast<const std::byte*>(bytes), size_bytes_, view_);
    if (error != ViewError::kNone) {
        ::munmap(bytes, size_bytes_);
        refuse(path, std::string(describe(error)));
    }
    bytes_ = bytes;
}

SnapshotFile::~SnapshotFile() {
    ::munmap(bytes_, size_bytes_);
}

}  // namespace burgee::cli
