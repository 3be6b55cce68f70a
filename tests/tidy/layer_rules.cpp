#include "tests/tidy/layer_rules.hpp"

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace burgee::test {
namespace {

/// The entry with the longest key that `text` starts with; end() if there is none.
template <typename Map>
typename Map::const_iterator longest_prefix(const Map& entries, const std::string& text) {
    auto longest = entries.end();
    for (auto entry = entries.begin(); entry != entries.end(); ++entry) {
        if (text.starts_with(entry->first) &&
            (longest == entries.end() || entry->first.size() > longest->first.size())) {
            longest = entry;
        }
    }
    return longest;
}

}  // namespace

LayerRules::LayerRules(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
        std::istringstream words(line);
        std::string verb;
        std::string subject;
        if (!(words >> verb) || verb.front() == '#') {
            continue;
        }
        words >> subject;
        std::set<std::string> objects;
        for (std::string word; words >> word;) {
            objects.insert(word);
        }
        if (verb == "module") {
            for (const std::string& path : objects) {
                module_by_path_[path] = subject;
            }
        } else if (verb == "may") {
            may_include_[subject] = objects;
        } else if (verb == "library") {
            homes_by_library_[subject] = objects;
        } else if (verb == "system") {
            system_prefixes_.push_back(subject);
            system_prefixes_.insert(system_prefixes_.end(), objects.begin(), objects.end());
        } else {
            throw std::runtime_error("not understood: " + line);
        }
    }
}

std::string LayerRules::module_of(const std::string& path) const {
    const auto found = longest_prefix(module_by_path_, path);
    return found == module_by_path_.end() ? "" : found->second;
}

std::optional<std::string> LayerRules::objection(
    const std::string& file, const Include& include,
    const std::vector<std::string>& public_headers) const {
    const std::string from = module_of(file);
    if (!include.is_angled) {
        return module_objection(from, include.header);
    }
    if (!include.header.starts_with("burgee/")) {
        return library_objection(from, include.header);
    }
    const auto found = std::ranges::find_if(public_headers, [&](const std::string& path) {
        return path.ends_with("include/" + include.header);
    });
    if (found == public_headers.end()) {
        return "there is no such public header";
    }
    return module_objection(from, *found);
}

std::optional<std::string> LayerRules::module_objection(const std::string& from,
                                                        const std::string& header_path) const {
    const std::string to = module_of(header_path);
    if (to.empty()) {
        return "internal headers are named by their path from the root";
    }
    const auto allowed = may_include_.find(from);
    if (from == to || (allowed != may_include_.end() && allowed->second.contains(to))) {
        return std::nullopt;
    }
    return from + " must not include " + to;
}

std::optional<std::string> LayerRules::library_objection(const std::string& from,
                                                         const std::string& header) const {
    const auto library = longest_prefix(homes_by_library_, header);
    if (library != homes_by_library_.end()) {
        return library->second.contains(from)
                   ? std::nullopt
                   : std::optional(library->first + " does not live in " + from);
    }
    const bool is_standard = header.find_first_of("./") == std::string::npos;
    const bool is_system = std::ranges::any_of(
        system_prefixes_, [&](const std::string& prefix) { return header.starts_with(prefix); });
    if (is_standard || is_system) {
        return std::nullopt;
    }
    return "<" + header + "> has no home in tests/tidy/layers.txt";
}

}  // namespace burgee::test
