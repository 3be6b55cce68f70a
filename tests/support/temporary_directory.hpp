#pragma once

// A directory of a test's own, removed with everything in it at the end. Lies under /tmp and keeps
// its name short, because the path of a Unix socket has room for 107 bytes only.

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>

namespace burgee::test {

class TemporaryDirectory {
public:
    /// Creates `/tmp/<prefix>-XXXXXX`, mode 0700, owned by us. Throws std::runtime_error when it
    /// cannot.
    explicit TemporaryDirectory(const std::string& prefix = "burgee")
        : path_("/tmp/" + prefix + "-XXXXXX") {
        if (::mkdtemp(path_.data()) == nullptr) {
            throw std::runtime_error("cannot create the directory " + path_);
        }
    }
    ~TemporaryDirectory() {
        std::error_code ignored;  // what cannot be removed is left for the next boot to clean
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    const std::string& path() const { return path_; }

    /// `path()/name`; creates nothing.
    std::string file(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

}  // namespace burgee::test
