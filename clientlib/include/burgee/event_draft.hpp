#pragma once

// What a caller hands to the event side: one measurement as views, and what came of all of them as
// numbers. `Client::track` fills a draft on its stack; nothing in it is kept after `offer` returns.

#include <burgee/event_wire.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace burgee {

/// One measurement before it is encoded. The views need to live only for the call that takes them.
struct EventDraft {
    std::array<std::uint8_t, 16>
        experiment_id{};               ///< uuid bytes; all zero = no experiment, refused
    std::uint32_t phase = 0;           ///< of the experiment; 0 = the current one
    std::string_view variant;          ///< 1 .. kEventTextSizeMax bytes
    std::string_view metric;           ///< 1 .. kEventTextSizeMax bytes
    double value = 0;                  ///< finite
    std::int64_t created_unix_ms = 0;  ///< 0 = the coarse real time of the offer
    std::string_view user_id;          ///< may be empty
    std::string_view session_id;       ///< may be empty
    std::string_view unit;  ///< the unit's text when unit_kind is kOther; ignored otherwise
    UnitKind unit_kind = UnitKind::kNone;
    bool in_experiment = true;  ///< false when the variant was chosen by hand
    bool is_automatic = false;  ///< an exposure that evaluate() tells by itself
    std::string_view metadata;  ///< a JSON object of at most kMetadataSizeMax bytes, or empty
};

/// Counts by reason and class; indices are the numbers of DropReason and EventClass.
using DropTable = std::array<std::array<std::uint64_t, kEventClassCount>, kDropReasonCount>;

inline std::uint64_t total(const DropTable& table) noexcept {
    std::uint64_t sum = 0;
    for (const auto& classes : table) {
        for (const std::uint64_t count : classes) {
            sum += count;
        }
    }
    return sum;
}

/// What became of this process's events since its first offer (a forked child starts at zero).
/// Two identities hold in every value that is handed out:
///   offered  = accepted + total(refused)
///   accepted = acknowledged + in_flight + total(lost)
struct EventCounters {
    std::uint64_t offered = 0;       ///< events offered; automatic exposures: see docs/client.md
    std::uint64_t accepted = 0;      ///< offers that were taken into the ring
    std::uint64_t acknowledged = 0;  ///< durable on this host, says the daemon
    std::uint64_t in_flight = 0;     ///< in the ring: not sent yet, or sent and not decided yet
    DropTable refused{};             ///< never taken: offer() returned false
    DropTable lost{};                ///< taken, then refused by the daemon or left undecided by it
    std::uint64_t connections = 0;   ///< conversations the daemon welcomed
    std::uint64_t sessions = 0;      ///< session ids used; more than one means one expired
    /// Tries to connect that found the directory or the socket of someone we cannot trust, or a
    /// directory that others can write: nothing was sent.
    std::uint64_t untrusted = 0;

    std::uint64_t dropped(DropReason reason, EventClass event_class) const noexcept {
        const auto row = static_cast<std::size_t>(reason);
        const auto column = static_cast<std::size_t>(event_class);
        return refused[row][column] + lost[row][column];
    }
};

/// What a flush reached; the three numbers are the process's totals at its return.
struct FlushResult {
    std::uint64_t accepted = 0;  ///< taken so far
    std::uint64_t durable = 0;   ///< acknowledged so far
    std::uint64_t pending = 0;   ///< taken and not decided yet, later offers of others included
    bool complete = false;       ///< every event accepted before the call is decided
};

}  // namespace burgee
