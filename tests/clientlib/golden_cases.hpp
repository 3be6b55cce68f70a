#pragma once

// Reads the numbered cases of tests/golden, which any other client must pass too.

#include <simdjson.h>

#include <string>
#include <string_view>

namespace burgee::test {

/// One parsed file; elements are valid while it lives. Throws what simdjson throws.
class GoldenFile {
public:
    explicit GoldenFile(std::string_view name) : document_(parser_.load(path_of(name))) {}

    simdjson::dom::array cases(std::string_view key) const { return document_[key].get_array(); }

private:
    static std::string path_of(std::string_view name) {
        std::string path = BURGEE_GOLDEN_DIRECTORY "/";
        return path.append(name);
    }

    simdjson::dom::parser parser_;
    simdjson::dom::element document_;
};

inline std::string text_of(simdjson::dom::element element) {
    return std::string(std::string_view(element));
}

}  // namespace burgee::test
