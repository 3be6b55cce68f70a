#include "daemon/refusal_log.hpp"

#include <spdlog/spdlog.h>

#include <utility>

namespace burgee::daemon {
namespace {

/// Between two lines of a kind. Chosen by feel, change freely.
constexpr std::int64_t kIntervalMs = 10'000;

}  // namespace

RefusalLog::RefusalLog(Write write)
    : write_(write ? std::move(write) : [](const std::string& line) { spdlog::warn("{}", line); }) {
}

void RefusalLog::note(NackReason reason, std::string_view why, std::int64_t now_unix_ms) {
    const auto [kind, is_first] = kinds_.try_emplace(why);
    // A clock that stepped back says nothing about how long ago the last line was.
    const std::int64_t since_ms = now_unix_ms - kind->second.logged_unix_ms;
    if (!is_first && since_ms >= 0 && since_ms < kIntervalMs) {
        ++kind->second.silent_count;
        return;
    }
    std::string line = "events: refused one as ";
    line += reason == NackReason::kTooBig ? "TOO_BIG: " : "INVALID: ";
    line += why;
    if (const std::uint64_t more = std::exchange(kind->second.silent_count, 0); more != 0) {
        line += "; " + std::to_string(more) + " more for this reason since the last such line";
    }
    kind->second.logged_unix_ms = now_unix_ms;
    write_(line);
}

}  // namespace burgee::daemon
