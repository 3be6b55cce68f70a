#pragma once

// The project's own source files, as the tidiness tests read them: paths from the root, lines,
// includes.

#include <filesystem>
#include <string>
#include <vector>

namespace burgee::test {

struct Include {
    std::string header;
    bool is_angled = false;  ///< <header>, not "header"
    int line = 0;            ///< from 1
};

struct SourceFile {
    std::string path;  ///< from the project's root, with slashes
    std::vector<std::string> lines;

    std::vector<Include> includes() const;
};

/// Every .hpp and .cpp below the given folders of the project, in the order of their paths.
/// Throws if a folder is missing.
std::vector<SourceFile> source_files(const std::vector<std::string>& folders);

/// The project's root.
std::filesystem::path project_root();

}  // namespace burgee::test
