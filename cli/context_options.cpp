// Gives command-line words the types that a service would have given them.

#include "cli/context_options.hpp"

#include <charconv>
#include <cmath>
#include <string_view>

namespace burgee::cli {
namespace {

template <typename Number>
std::optional<Number> number_of(std::string_view text) {
    Number number{};
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    return error == std::errc{} && stop == end && !text.empty() ? std::optional(number)
                                                                : std::nullopt;
}

Attribute attribute_of(std::string_view name, std::string_view value) {
    if (value == "true" || value == "false") {
        return {name, value == "true"};
    }
    if (const auto integer = number_of<std::int64_t>(value)) {
        return {name, *integer};
    }
    const auto number = number_of<double>(value);
    if (number && std::isfinite(*number)) {
        return {name, *number};
    }
    return {name, value};
}

}  // namespace

std::vector<Argument> context_arguments(ContextOptions& options) {
    return {
        {"-u,--user", &options.user, "the context's user_id"},
        {"-s,--session", &options.session, "the context's session_id"},
        {"-a,--attr,--attribute", &options.attributes,
         "NAME=VALUE of the context; repeat for more"},
    };
}

Context make_context(const ContextOptions& options) {
    Context context;
    if (options.user) {
        context.set(Attribute("user_id", *options.user));
    }
    if (options.session) {
        context.set(Attribute("session_id", *options.session));
    }
    for (const std::string& text : options.attributes) {
        const std::string_view view = text;
        const std::size_t equals = view.find('=');
        if (equals == std::string_view::npos || equals == 0) {
            throw Failure(ExitCode::kUsage, "--attribute " + text + " is not NAME=VALUE");
        }
        context.set(attribute_of(view.substr(0, equals), view.substr(equals + 1)));
    }
    if (context.ignored_count() > 0) {
        throw Failure(ExitCode::kUsage, "a context holds at most " +
                                            std::to_string(kAttributeCountMax) + " attributes");
    }
    return context;
}

}  // namespace burgee::cli
