#include "daemon/owned_directory.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace burgee::daemon {

std::string directory_complaint(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) == 0) {
        ::chmod(path.c_str(), mode);
        return "";
    }
    struct stat facts {};
    if (errno != EEXIST) {
        return path + ": cannot be made: " + std::strerror(errno);
    }
    if (::stat(path.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode)) {
        return path + ": is no directory; name another in the configuration";
    }
    if (facts.st_uid != ::geteuid()) {
        return path + ": belongs to somebody else (uid " + std::to_string(facts.st_uid) +
               "); chown it or name another";
    }
    return "";
}

}  // namespace burgee::daemon
