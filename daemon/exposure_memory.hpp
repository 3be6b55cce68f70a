#pragma once

// Which exposures this host has stored, so that of those evaluate() tells by itself each is stored
// once, whichever process tells it: the exact half of automatic exposure. Explicit impressions are
// none of its business. Used by the event server's thread alone; the opening of the spool fills it
// before. docs/decisions/exposures_once_a_host.md says why it is kept in memory.
//
// Invariants:
//   1. Every exposure it holds is in the spool's files or was, or is on its way there in a batch
//      before any batch that was sifted since. So an acknowledged repetition implies a durable
//      exposure.
//   2. `pending_` are those on their way, in the order of their batches.
//   3. At most `count_max` exposures, and always the half of that which were met last. The others
//   are forgotten together; one that is met again is stored once more.

#include <burgee/event_view.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>

#include "daemon/number_set.hpp"

namespace burgee::daemon {

/// 393 216: two tables of 2^18 places of 16 bytes, three quarters full, 8 MiB. Chosen by feel
/// within the daemon's 64 MiB.
inline constexpr std::size_t kExposuresMax = 2 * (std::size_t{3} << 16U);

/// What a batch has of exposures that evaluate() told.
struct ExposureCounts {
    std::uint32_t first = 0;     ///< this host's first: stored
    std::uint32_t repeated = 0;  ///< known: acknowledged and not stored
};

class ExposureMemory {
public:
    explicit ExposureMemory(std::size_t count_max = kExposuresMax);

    /// Events that the spool holds already.
    /// @param events  of one frame, back to back; their sizes were checked, what is in them was not
    void remember(std::span<const std::byte> events);

    struct Sifted {
        ExposureCounts counts;
        std::uint32_t kept_count = 0;
        std::size_t kept_size_bytes = 0;  ///< what is kept lies at the front of the given bytes
    };
    /// Takes the exposures out that are known, moves the rest together, and holds the first ones as
    /// pending: settle() or withdraw() must follow for as many.
    /// @param events  checked events of one batch, back to back
    /// Cost: some 60 ns for a known exposure, 170 ns for a new one, 14 ns for any other event.
    Sifted sift(std::span<std::byte> events);

    /// The oldest `count` pending ones are durable.
    void settle(std::size_t count);
    /// The newest `count` pending ones were not queued.
    void withdraw(std::size_t count);
    /// None of the pending ones was stored.
    void withdraw_all() { withdraw(pending_.size()); }

    std::size_t size() const { return young_.size() + old_.size(); }
    std::size_t pending_count() const { return pending_.size(); }

private:
    WideNumber number_of(const EventView& event) const;
    /// @return whether it was known; it is, afterwards.
    bool meet(const WideNumber& number);

    std::size_t half_max_;
    std::uint64_t seeds_[2];  ///< random: nobody can make up exposures that collide
    NumberSet young_;         ///< met since the last time `old_` was forgotten
    NumberSet old_;
    std::deque<WideNumber> pending_;
};

}  // namespace burgee::daemon
