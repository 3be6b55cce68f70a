#include "cli/plan_basis.hpp"

#include "cli/plan_matrix.hpp"

namespace burgee::cli {
namespace {

bool has_targeting(const FlagDefinition& flag) {
    return !flag.audience.empty() || !flag.rules.empty() || !flag.requirements.empty();
}

}  // namespace

bool is_of_all_units(const FlagDefinition& before, const FlagDefinition& after) {
    return !has_targeting(before) && !has_targeting(after);
}

std::vector<std::string> unknown_parts(const FlagDefinition& before, const FlagDefinition& after) {
    std::vector<std::string> unknown;
    const auto add = [&](bool differs, bool is_there, const std::string& what) {
        if (differs) {
            unknown.push_back(what + " would change: whom that moves depends on attributes");
        } else if (is_there) {
            unknown.push_back(what + ": how many units it lets through or answers itself");
        }
    };
    add(before.requirements != after.requirements, !before.requirements.empty(), "requires");
    add(before.audience != after.audience, !before.audience.empty(), "audience");
    add(before.rules != after.rules, !before.rules.empty(), "rules");
    if (!before.rules.empty() && before.rules == after.rules && !draws_same(before, after)) {
        unknown.emplace_back("rules that serve by bucket would move units, too");
    }
    if (before.bucket_by != after.bucket_by) {
        unknown.emplace_back(
            "bucket_by would change: whether contexts have the attributes it names");
    }
    return unknown;
}

}  // namespace burgee::cli
