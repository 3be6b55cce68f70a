#pragma once

// A small file system for one test, in a mount namespace of the test's own thread: nobody else sees
// it, and it is gone with the test. Needs root; who has not got it is told what to do instead.

#include <cstdint>
#include <string>

#include "tests/support/temporary_directory.hpp"

namespace burgee::test {

class PrivateMount {
public:
    enum class Kind {
        kMemory,  ///< tmpfs: fast, keeps everything until it is unmounted
        kExt4,    ///< ext4 on a loop device: a journal, and blocks that run out as on a disk
    };

    /// Mounts a file system of `size_mib`. kExt4 falls back to kMemory where there is no loop
    /// device or no mkfs.ext4, and both to an ordinary directory without the right to mount.
    PrivateMount(Kind kind, std::uint64_t size_mib);
    ~PrivateMount();
    PrivateMount(const PrivateMount&) = delete;
    PrivateMount& operator=(const PrivateMount&) = delete;

    const std::string& path() const { return directory_.path(); }
    /// What it has become: "ext4 on a loop device", "tmpfs", "an ordinary directory".
    const std::string& kind() const { return kind_; }
    bool is_mounted() const { return kind_ != kOrdinary; }

private:
    static constexpr const char* kOrdinary = "an ordinary directory";

    bool mount_ext4(std::uint64_t size_mib);
    bool mount_memory(std::uint64_t size_mib);

    TemporaryDirectory images_{"burgee-image"};
    TemporaryDirectory directory_{"burgee-mount"};
    std::string kind_ = kOrdinary;
};

}  // namespace burgee::test
