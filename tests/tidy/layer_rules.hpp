#pragma once

// The table of tests/tidy/layers.txt, and what it says about one include.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/tidy/source_tree.hpp"

namespace burgee::test {

class LayerRules {
public:
    /// Reads the table; throws std::runtime_error with the line that it does not understand.
    explicit LayerRules(const std::vector<std::string>& lines);

    /// Why `file` must not include this; none if it may. `public_headers` are the paths of the
    /// headers that are included as <burgee/...>.
    std::optional<std::string> objection(const std::string& file, const Include& include,
                                         const std::vector<std::string>& public_headers) const;

    /// The module a path from the root belongs to; empty if to none.
    std::string module_of(const std::string& path) const;

private:
    std::optional<std::string> module_objection(const std::string& from,
                                                const std::string& header_path) const;
    std::optional<std::string> library_objection(const std::string& from,
                                                 const std::string& header) const;

    std::map<std::string, std::string> module_by_path_;
    std::map<std::string, std::set<std::string>> may_include_;
    std::map<std::string, std::set<std::string>> homes_by_library_;
    std::vector<std::string> system_prefixes_;
};

}  // namespace burgee::test
