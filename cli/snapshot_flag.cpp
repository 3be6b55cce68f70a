// Collects the names that exist, once somebody has asked for one that does not.

#include "cli/snapshot_flag.hpp"

#include <vector>

#include "cli/table.hpp"
#include "shm/suggestion.hpp"

namespace burgee::cli {

Failure flag_not_found(const SnapshotView& view, const std::string& name) {
    constexpr std::uint64_t kNamesMax = 10'000;  // a suggestion is not worth a longer search
    std::vector<std::string> names;
    for (std::uint64_t number = 0; number < view.flag_count() && number < kNamesMax; ++number) {
        names.emplace_back(view.name(*view.flag(number)));
    }
    return Failure(ExitCode::kNotFound, "no flag \"" + printable(name) +
                                            "\" is published on this host" +
                                            did_you_mean(name, names));
}

}  // namespace burgee::cli
