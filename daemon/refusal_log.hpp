#pragma once

// Says in the log why events are refused, so that whoever sends them can mend it: one line for the
// first of a kind, then one in ten seconds at most for each kind. Never what an event holds: its
// texts may name a person. Used by the event server's thread alone.

#include <burgee/event_wire.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace burgee::daemon {

class RefusalLog {
public:
    using Write = std::function<void(const std::string& line)>;

    /// @param write  takes a line; empty: the log of the process, as a warning.
    explicit RefusalLog(Write write = {});

    /// An event was refused for good.
    /// @param why  of a fixed set: event_check.cpp names all there are.
    void note(NackReason reason, std::string_view why, std::int64_t now_unix_ms);

private:
    struct Kind {
        std::int64_t logged_unix_ms = 0;
        std::uint64_t silent_count = 0;  ///< since then
    };

    Write write_;
    std::map<std::string_view, Kind> kinds_;
};

}  // namespace burgee::daemon
