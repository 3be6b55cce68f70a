#include "tests/fault/private_mount.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/child_process.hpp"

namespace burgee::test {
namespace {

/// Once a thread: from here on what it and its children mount is theirs alone.
bool leave_common_namespace() {
    thread_local const bool has_left =
        ::unshare(CLONE_NEWNS) == 0 &&
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    return has_left;
}

}  // namespace

PrivateMount::PrivateMount(Kind kind, std::uint64_t size_mib) {
    if (!leave_common_namespace()) {
        return;
    }
    if (kind == Kind::kExt4 && mount_ext4(size_mib)) {
        kind_ = "ext4 on a loop device";
    } else if (mount_memory(size_mib)) {
        kind_ = "tmpfs";
    }
}

PrivateMount::~PrivateMount() {
    if (is_mounted()) {
        ::umount2(path().c_str(), MNT_DETACH);
    }
}

bool PrivateMount::mount_ext4(std::uint64_t size_mib) {
    const std::string image = images_.file("disk");
    std::ofstream(image).flush();
    std::filesystem::resize_file(image, size_mib << 20U);
    // mount(8) finds a free loop device and lets go of it with the mount.
    return run_child({"mkfs.ext4", "-q", "-m", "0", image}).exit.code == 0 &&
           run_child({"mount", "-o", "loop", image, path()}).exit.code == 0;
}

bool PrivateMount::mount_memory(std::uint64_t size_mib) {
    const std::string size = "size=" + std::to_string(size_mib) + "m";
    return ::mount("none", path().c_str(), "tmpfs", 0, size.c_str()) == 0;
}

}  // namespace burgee::test
