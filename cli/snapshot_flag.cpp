// Collects the names that exist, once somebody has asked for one that does not.

#include "cli/snapshot_flag.hpp"

#include <vector>

#include <burgee/experiment_ref.hpp>

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

namespace {

/// The one flag whose active experiment has this uuid or name.
const FlagRecord& flag_of_experiment(const SnapshotView& view, const std::string& experiment) {
    const ExperimentRef reference(std::string_view(experiment), "");
    const FlagRecord* found = nullptr;
    std::vector<std::string> names;
    for (std::uint64_t number = 0; number < view.flag_count(); ++number) {
        const FlagRecord& flag = *view.flag(number);
        const ExperimentRecord* active = experiment_of(view, flag);
        if (active == nullptr) {
            continue;
        }
        names.emplace_back(view.text(active->name_offset, active->name_size));
        if (reference.is_valid() ? active->id == reference.id : names.back() == experiment) {
            if (found != nullptr) {
                throw Failure(ExitCode::kUsage,
                              "several active experiments are called \"" + printable(experiment) +
                                  "\": name one by its id (burgee experiment list -o wide)");
            }
            found = &flag;
        }
    }
    if (found == nullptr) {
        throw Failure(ExitCode::kNotFound, "this host knows no active experiment \"" +
                                               printable(experiment) + "\"" +
                                               did_you_mean(experiment, names) +
                                               " (burgee experiment list --status active)");
    }
    return *found;
}

}  // namespace

PublishedVariant find_variant(const SnapshotView& view, const std::string& experiment,
                              const std::string& variant) {
    const FlagRecord& flag = flag_of_experiment(view, experiment);
    std::vector<std::string> names;
    PublishedVariant found{experiment_of(view, flag)->id, {}};
    for_each_variant(view, flag, [&](const VariantRecord& each) {
        names.emplace_back(view.name(each));
        found.variant = names.back() == variant ? view.name(each) : found.variant;
    });
    if (found.variant.empty()) {
        std::string all;
        for (const std::string& name : names) {
            all += (all.empty() ? "" : ", ") + printable(name);
        }
        throw Failure(ExitCode::kNotFound, "experiment \"" + printable(experiment) +
                                               "\" has no variant \"" + printable(variant) +
                                               "\", only " + all + did_you_mean(variant, names));
    }
    return found;
}

}  // namespace burgee::cli
