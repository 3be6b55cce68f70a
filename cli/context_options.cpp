// Gives command-line words the types that a service would have given them.

#include "cli/context_options.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

namespace burgee::cli {
namespace {

constexpr std::size_t kNumberTextMax = 512;  // the longest shortest text of a double has 343

/// The number whose text is `text` to the last character. Another text of the same number, such as
/// 01234 or 2.10, is a code or a version, and would come out as another word.
std::optional<std::int64_t> integer_of(std::string_view text) {
    std::int64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    const bool is_read = error == std::errc{} && stop == end;
    return is_read && std::to_string(number) == text ? std::optional(number) : std::nullopt;
}

/// The same; of the two shortest texts, 0.00001 and 1e-05, each will do.
std::optional<double> double_of(std::string_view text) {
    double number = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || stop != end || !std::isfinite(number)) {
        return std::nullopt;
    }
    std::array<char, kNumberTextMax> shortest{};
    for (const auto format : {std::chars_format::fixed, std::chars_format::scientific}) {
        const auto written =
            std::to_chars(shortest.data(), shortest.data() + shortest.size(), number, format);
        if (written.ec == std::errc{} && text == std::string_view(shortest.data(), written.ptr)) {
            return number;
        }
    }
    return std::nullopt;
}

bool is_quoted(std::string_view value) {
    return value.size() >= 2 && value.front() == '"' && value.back() == '"';
}

Attribute attribute_of(std::string_view name, std::string_view value) {
    if (is_quoted(value)) {
        return {name, value.substr(1, value.size() - 2)};
    }
    if (value == "true" || value == "false") {
        return {name, value == "true"};
    }
    if (const auto integer = integer_of(value)) {
        return {name, *integer};
    }
    if (const auto number = double_of(value)) {
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
