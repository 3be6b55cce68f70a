// Output to people and pipes, and the few inputs that may come from files.

#include "cli/terminal.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <utility>

#include "cli/exit_code.hpp"

namespace burgee::cli {
namespace {

// More than any flag may hold; a slip such as "@/dev/zero" ends here.
constexpr std::size_t kInputSizeMax = 1U << 20U;

std::string_view escape_code(Colour colour) {
    switch (colour) {
        case Colour::kGood:
            return "\033[32m";
        case Colour::kBad:
            return "\033[31m";
        case Colour::kDim:
            return "\033[2m";
    }
    return "";
}

std::string read_bounded(std::istream& stream, const std::string& name) {
    std::string content(kInputSizeMax + 1, '\0');
    stream.read(content.data(), static_cast<std::streamsize>(content.size()));
    content.resize(static_cast<std::size_t>(stream.gcount()));
    if (content.size() > kInputSizeMax) {
        throw Failure(ExitCode::kUsage, name + " is larger than 1 MiB: that cannot be a flag");
    }
    return content;
}

}  // namespace

Terminal::Terminal(GlobalOptions options)
    : options_(std::move(options)),
      is_coloured_(isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr) {}

void Terminal::print(std::string_view text) const {
    std::cout << text << std::flush;
    if (!std::cout) {
        throw Failure(ExitCode::kFailed, "cannot write to stdout: is the disk full?");
    }
}

void Terminal::print_line(std::string_view text) const {
    print(std::string(text) + "\n");
}

void Terminal::advise(std::string_view text) const {
    if (!is_json() && !is_name()) {
        std::cerr << text << "\n";
    }
}

std::string Terminal::coloured(std::string_view text, Colour colour) const {
    if (!is_coloured_ || is_json() || is_name()) {
        return std::string(text);
    }
    return std::string(escape_code(colour)) + std::string(text) + "\033[0m";
}

std::string text_or_file(const std::string& text) {
    if (!text.starts_with("@")) {
        return text;
    }
    if (text == "@-") {
        return read_bounded(std::cin, "stdin");
    }
    const std::string path = text.substr(1);
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw Failure(ExitCode::kNotFound, "cannot read " + path + ": give @FILE a readable file");
    }
    return read_bounded(file, path);
}

}  // namespace burgee::cli
