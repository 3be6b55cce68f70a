#pragma once

// Reads the numbered cases of tests/golden, which any other client must pass too.

#include <burgee/context.hpp>

#include <simdjson.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace burgee::test {

/// One parsed file; elements are valid while it lives. Throws what simdjson throws.
class GoldenFile {
public:
    explicit GoldenFile(std::string_view name) : document_(parser_.load(path_of(name))) {}
    /// A file of this format, or a std::runtime_error: what another one means is not known.
    GoldenFile(std::string_view name, std::string_view format) : GoldenFile(name) {
        if (text("format") != format) {
            throw std::runtime_error("tests/golden has another format: " + text("format"));
        }
    }

    simdjson::dom::array cases(std::string_view key) const { return document_[key].get_array(); }
    std::string text(std::string_view key) const {
        return std::string(std::string_view(document_[key]));
    }

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

/// "case 17: an empty text", for SCOPED_TRACE.
inline std::string title_of(simdjson::dom::element row) {
    return "case " + std::to_string(std::uint64_t(row["number"])) + ": " + text_of(row["case"]);
}

/// Attributes as a case's `context` writes them; texts are borrowed from the file.
inline Context context_from(simdjson::dom::object attributes) {
    Context context;
    for (const auto& [name, value] : attributes) {
        switch (value.type()) {
            case simdjson::dom::element_type::STRING:
                context.set(name, std::string_view(value));
                break;
            case simdjson::dom::element_type::BOOL:
                context.set(name, bool(value));
                break;
            case simdjson::dom::element_type::INT64:
                context.set(name, std::int64_t(value));
                break;
            case simdjson::dom::element_type::UINT64:
                context.set(name, std::uint64_t(value));
                break;
            default:
                context.set(name, double(value));
        }
    }
    return context;
}

}  // namespace burgee::test
