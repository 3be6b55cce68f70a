#pragma once

// Who is asking, from the command line: --user, --session and --attribute NAME=VALUE.

#include <optional>
#include <string>
#include <vector>

#include <burgee/context.hpp>

#include "cli/command.hpp"

namespace burgee::cli {

struct ContextOptions {
    std::optional<std::string> user;
    std::optional<std::string> session;
    std::vector<std::string> attributes;  ///< NAME=VALUE
};

/// The arguments that fill `options`, which must outlive them.
std::vector<Argument> context_arguments(ContextOptions& options);

/// The context; it borrows its texts from `options`. A value that is true, false, or a number in
/// its shortest form becomes one, everything else is text, and of one in double quotes what stands
/// between them; --user and --session are always text. Throws Failure kUsage naming an attribute
/// that is not NAME=VALUE, or when there are too many.
Context make_context(const ContextOptions& options);

}  // namespace burgee::cli
