#include "cli/flag_advice.hpp"

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "sync/flag_check.hpp"
#include "sync/flag_text.hpp"

namespace burgee::cli {
namespace {

std::string rule_place(std::size_t number) {
    return "segments.rules[" + std::to_string(number) + "]";
}

class Adviser {
public:
    explicit Adviser(const FlagDefinition& flag) : flag_(flag) {}

    void look_at_expiry(std::int64_t now_unix_ms) {
        if (flag_.expires_unix_ms && *flag_.expires_unix_ms <= now_unix_ms) {
            warn("expires_at",
                 "has passed: hosts answer off with reason EXPIRED until it is set "
                 "anew");
        }
    }

    void look_at_rules() {
        std::map<std::string_view, std::size_t> names;
        for (std::size_t number = 0; number < flag_.rules.size(); ++number) {
            const Rule& rule = flag_.rules[number];
            const auto [known, is_new] = names.insert({rule.name, number});
            if (!is_new && !rule.name.empty()) {
                warn(rule_place(number) + ".name",
                     "\"" + sync::shown_text(rule.name) + "\" is the name of " +
                         rule_place(known->second) + ", too: tell them apart");
            }
        }
        for (std::size_t number = 0; number + 1 < flag_.rules.size(); ++number) {
            if (flag_.rules[number].constraints.empty()) {
                warn(rule_place(number + 1),
                     "never matches, nor does what follows: " + rule_place(number) +
                         " before it has no constraints and takes everybody; move it to the end");
                return;
            }
        }
    }

    void look_at_weights() {
        for (std::size_t index = 0; index < flag_.variants.size(); ++index) {
            if (flag_.status == Status::kAbTest && flag_.variants[index].weight == 0) {
                warn("variants[" + std::to_string(index) + "].weight",
                     "is 0: nobody gets \"" + sync::shown_text(flag_.variants[index].name) +
                         "\" by chance; give it a share or remove it");
            }
        }
    }

    std::vector<FlagProblem> take() { return std::move(warnings_); }

private:
    void warn(std::string field, std::string message) {
        warnings_.push_back(
            {sync::shown_name(flag_.name), std::move(field), std::move(message), false});
    }

    const FlagDefinition& flag_;
    std::vector<FlagProblem> warnings_;
};

}  // namespace

std::vector<FlagProblem> flag_advice(const FlagDefinition& flag, std::int64_t now_unix_ms) {
    Adviser adviser(flag);
    if (flag.status != Status::kDisabled) {
        adviser.look_at_expiry(now_unix_ms);
    }
    adviser.look_at_rules();
    adviser.look_at_weights();
    return adviser.take();
}

}  // namespace burgee::cli
