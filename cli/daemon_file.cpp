// One bounded read; a missing file only means that there is no daemon to speak.

#include "cli/daemon_file.hpp"

#include <sys/stat.h>

#include <ctime>
#include <fstream>

namespace burgee::cli {
namespace {

constexpr std::streamsize kContentSizeMax = 1 << 20;  // a hundred times what burgeed writes

}  // namespace

std::optional<DaemonFile> read_daemon_file(const std::string& path) {
    struct stat facts {};
    std::ifstream file(path, std::ios::binary);
    if (!file || ::stat(path.c_str(), &facts) != 0) {
        return std::nullopt;
    }
    DaemonFile report;
    report.content.resize(static_cast<std::size_t>(kContentSizeMax));
    file.read(report.content.data(), kContentSizeMax);
    report.content.resize(static_cast<std::size_t>(file.gcount()));
    const std::int64_t age_seconds = std::time(nullptr) - facts.st_mtime;
    report.age_seconds = age_seconds < 0 ? 0 : age_seconds;
    return report;
}

}  // namespace burgee::cli
