#include "tests/tidy/source_tree.hpp"

#include <algorithm>
#include <fstream>
#include <regex>

namespace burgee::test {
namespace {

std::vector<std::string> lines_of(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) {
        lines.push_back(line);
    }
    return lines;
}

}  // namespace

std::vector<Include> SourceFile::includes() const {
    static const std::regex pattern(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
    std::vector<Include> all;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        std::smatch match;
        if (std::regex_search(lines[i], match, pattern)) {
            all.push_back({match[2].str(), match[1].str() == "<", static_cast<int>(i) + 1});
        }
    }
    return all;
}

std::vector<SourceFile> source_files(const std::vector<std::string>& folders) {
    std::vector<SourceFile> files;
    for (const std::string& folder : folders) {
        for (const auto& entry :
             std::filesystem::recursive_directory_iterator(project_root() / folder)) {
            const std::filesystem::path& path = entry.path();
            if (entry.is_regular_file() &&
                (path.extension() == ".hpp" || path.extension() == ".cpp")) {
                files.push_back(
                    {path.lexically_relative(project_root()).generic_string(), lines_of(path)});
            }
        }
    }
    std::ranges::sort(files, {}, &SourceFile::path);
    return files;
}

std::filesystem::path project_root() {
    return BURGEE_PROJECT_ROOT;
}

}  // namespace burgee::test
