#pragma once

// Servers that refuse to run as root are lent the identity of whoever owns a directory that such a
// server uses already. For everybody but root that is oneself, and nothing is done.

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>
#include <string>

namespace burgee::test {

/// For ChildOptions::run_as: the owner of `directory` when we are root, empty otherwise.
inline std::string server_user(const std::string& directory) {
    struct stat status {};
    if (::geteuid() != 0 || ::stat(directory.c_str(), &status) != 0) {
        return {};
    }
    const passwd* entry = ::getpwuid(status.st_uid);
    return entry == nullptr ? std::string("nobody") : entry->pw_name;
}

/// Makes `user` the owner of `directory`, which others may enter; nothing when `user` is empty.
inline void give_to_user(const std::string& directory, const std::string& user) {
    const passwd* entry = user.empty() ? nullptr : ::getpwnam(user.c_str());
    if (entry != nullptr && ::chown(directory.c_str(), entry->pw_uid, entry->pw_gid) != 0) {
        throw std::runtime_error("cannot give " + directory + " to " + user);
    }
    std::filesystem::permissions(directory, std::filesystem::perms(0755));
}

}  // namespace burgee::test
