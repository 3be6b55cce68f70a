// Half of a program in plain C++17, without exceptions and run-time types; the other half includes
// the same headers, so that linking the two shows duplicate symbols.

#include <burgee/client.hpp>
#include <burgee/evaluate.hpp>
#include <burgee/evaluation_trace.hpp>
#include <burgee/regex_match.hpp>

#include <cstdint>

namespace {

/// A service's own trace: everything that targeting can hand over.
struct CountSteps {
    static constexpr bool kEnabled = true;
    int decided = 0;
    int constraints = 0;
    void record(const burgee::TraceStep& step) { decided += step.has_decided ? 1 : 0; }
    void record(const burgee::ConstraintStep& step) { constraints += step.holds ? 1 : 2; }
};

}  // namespace

bool asks_by_handle(const burgee::Client& client, const burgee::Context& user) {
    const burgee::Flag flag(client, "f");
    return burgee::gated(
        flag, user, [] { return true; }, [] { return false; });
}

/// The whole order of rules, with targeting, in its plain and its traced form.
bool asks_by_rules(const burgee::Context& user) {
    const burgee::SnapshotView none;
    burgee::FlagRecord flag{};
    flag.status = static_cast<std::uint8_t>(burgee::Status::kEnabled);
    flag.path = static_cast<std::uint8_t>(burgee::EvaluationPath::kFull);
    CountSteps trace;
    const burgee::Answer traced = burgee::evaluate(none, flag, user, trace);
    const burgee::Answer plain = burgee::evaluate(none, flag, user);
    return traced.is_enabled && plain.is_enabled && plain.reason == burgee::Reason::kStatic &&
           trace.decided == 1 && trace.constraints == 0 &&
           !burgee::regex_matches(nullptr, 0, "text");
}
