#pragma once

// Which exposures this process has told by itself, so that each is told once: automatic exposure
// (ClientOptions::exposure) asks it at every evaluation. It lies in EventProcess, which a forked
// child finds blank, so a child tells for itself. A second one holds those that were refused, so
// that each counts as one drop.
//
// It forgets rather than suppresses: what is forgotten is told again, which the daemon recognises.
// An exposure that was never told is taken for a told one only if its 64-bit number is that of
// another one in the table: with a full table the chance is 2^-48.
//
// Invariants
//  1. (Of the first.) A number is in the table only if somebody who claimed it had its event taken, or is about to
//     learn whether it is. Who was refused gives it up.
//  2. Of threads that claim one number at once a single one succeeds, as long as nobody gives up
//     and nothing is pushed out meanwhile; then two may, and it is told twice.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace burgee::detail {

/// Thread safety: any thread, no locks. All zero is empty. Cost: one cache line.
class ExposureTable {
public:
    static constexpr std::size_t kSetSize = 8;  // a cache line
    /// 512 KiB, of which only what is used takes memory. Chosen by feel, change freely.
    static constexpr std::size_t kSetCount = 8'192;

    /// Whether the exposure is told, or being told. Never 0 as a number.
    bool holds(std::uint64_t hash) const noexcept {
        // Relaxed throughout: a number stands alone, it publishes nothing.
        bool is_held = false;
        for (const std::atomic<std::uint64_t>& place : sets_[set_of(hash)].places) {
            is_held = is_held || place.load(std::memory_order_relaxed) == hash;
        }
        return is_held;
    }

    /// Enters the exposure. In a full set it pushes another one out, which is forgotten.
    /// @return  whether the caller is the one who has to tell it.
    bool claim(std::uint64_t hash) noexcept {
        Set& set = sets_[set_of(hash)];
        for (std::size_t attempt = 0; attempt < kAttemptsMax; ++attempt) {
            std::atomic<std::uint64_t>* place = &set.places[victim_of(hash)];
            std::uint64_t before = place->load(std::memory_order_relaxed);
            for (std::atomic<std::uint64_t>& each : set.places) {
                const std::uint64_t held = each.load(std::memory_order_relaxed);
                if (held == hash) {
                    return false;
                }
                if (held == 0 && before != 0) {
                    place = &each;
                    before = 0;
                }
            }
            // Threads that claim one number choose the same place, so one of them finds it changed.
            if (place->compare_exchange_strong(before, hash, std::memory_order_relaxed)) {
                return true;
            }
        }
        return true;  // Others keep changing the set: told, and not remembered.
    }

    /// The claimed exposure was not told after all.
    void give_up(std::uint64_t hash) noexcept {
        for (std::atomic<std::uint64_t>& place : sets_[set_of(hash)].places) {
            std::uint64_t held = hash;
            place.compare_exchange_strong(held, 0, std::memory_order_relaxed);
        }
    }

    /// Everything may be told again. Cost: some 100 microseconds.
    void forget_all() noexcept {
        for (Set& set : sets_) {
            for (std::atomic<std::uint64_t>& place : set.places) {
                if (place.load(std::memory_order_relaxed) != 0) {  // touches no page that is blank
                    place.store(0, std::memory_order_relaxed);
                }
            }
        }
    }

private:
    struct alignas(64) Set {
        std::array<std::atomic<std::uint64_t>, kSetSize> places;
    };
    /// More than places, so that threads which fill a set together still find theirs.
    static constexpr std::size_t kAttemptsMax = 2 * kSetSize;

    static std::size_t set_of(std::uint64_t hash) noexcept { return (hash >> 32) % kSetCount; }
    static std::size_t victim_of(std::uint64_t hash) noexcept { return (hash >> 48) % kSetSize; }

    std::array<Set, kSetCount> sets_;
};
static_assert(std::is_trivially_destructible_v<ExposureTable>);

}  // namespace burgee::detail
