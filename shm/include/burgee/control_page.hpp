#pragma once

// The control page: 4 096 bytes in the file `control` that tell readers which snapshot is current.
// Written by burgeed alone, mapped read-only by every client, the same inode for as long as its
// directory lives. Its layout is frozen for ever as "control ABI 1": snapshots change, this does not.
//
// Invariants:
//   1. `generation` of a slot is the only linearization point; no reader combines two fields.
//   2. A generation is stored only after its snapshot file is complete and linked.
//   3. A generation never decreases while the page lives.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace burgee {

inline constexpr std::array<char, 8> kControlMagic{'B', 'U', 'R', 'G', 'E', 'E', 'C', '1'};
inline constexpr std::uint32_t kControlAbi = 1;
inline constexpr std::size_t kControlSizeBytes = 4096;
inline constexpr std::size_t kControlSlotCount = 8;
inline constexpr const char* kControlFileName = "control";

/// Bits of ControlPage::state.
enum ControlState : std::uint64_t {
    kStateRunning = 1U << 0U,        ///< a daemon owns this page and is alive or was killed
    kStateDatabaseDown = 1U << 1U,   ///< the last poll of Postgres failed
    kStateStale = 1U << 2U,          ///< flags are older than the daemon's staleness limit
    kStateShedding = 1U << 3U,       ///< events are being refused: the spool is full
    kStateDiskFull = 1U << 4U,       ///< the spool's disk refuses writes
    kStatePublishFailed = 1U << 5U,  ///< the newest snapshot could not be published
    kStateGuardHeld = 1U << 6U,      ///< a suspicious set of flags is held back
    kStateRetired = 1U << 7U,        ///< this page was replaced; open the directory again
};

/// One published layout. Each field is a naturally aligned 8-byte atomic: wider atomics and
/// failing compare-exchanges fault on a read-only mapping.
///
///   offset size field               meaning
///   ------ ---- ------------------- ---------------------------------------------------------
///        0    8 layout_major        kLayoutMajor of the snapshots in this slot; 0 = slot empty
///        8    8 generation          the current snapshot's number, 1, 2, 3, ...; 0 = none yet
///       16    8 content_hash        of the current snapshot; diagnostic
///       24    8 published_boot_ns   CLOCK_BOOTTIME of the publication; diagnostic
///       32   32 reserved            zero
struct ControlSlot {
    std::atomic<std::uint64_t> layout_major;
    std::atomic<std::uint64_t> generation;
    std::atomic<std::uint64_t> content_hash;
    std::atomic<std::uint64_t> published_boot_ns;
    std::array<std::uint64_t, 4> reserved;
};

/// The whole page.
///
///   offset size field               meaning
///   ------ ---- ------------------- ---------------------------------------------------------
///        0    8 magic               kControlMagic
///        8    4 abi                 kControlAbi
///       12    4 size_bytes          kControlSizeBytes
///       16    8 instance            random, new at each start of the daemon
///       24    8 heartbeat_count     + 1 every 250 ms
///       32    8 heartbeat_boot_ns   CLOCK_BOOTTIME of the last beat; diagnostic
///       40    8 state               ControlState bits
///       48   16 reserved_head       zero
///       64  512 slots               kControlSlotCount published layouts
///      576 3520 reserved_tail       zero
struct ControlPage {
    std::array<char, 8> magic;
    std::uint32_t abi;
    std::uint32_t size_bytes;
    std::atomic<std::uint64_t> instance;
    std::atomic<std::uint64_t> heartbeat_count;
    std::atomic<std::uint64_t> heartbeat_boot_ns;
    std::atomic<std::uint64_t> state;
    std::array<std::uint64_t, 2> reserved_head;
    std::array<ControlSlot, kControlSlotCount> slots;
    std::array<std::uint64_t, 440> reserved_tail;
};

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(sizeof(ControlSlot) == 64);
static_assert(offsetof(ControlSlot, generation) == 8);
static_assert(offsetof(ControlSlot, content_hash) == 16);
static_assert(offsetof(ControlSlot, published_boot_ns) == 24);
static_assert(sizeof(ControlPage) == kControlSizeBytes);
static_assert(offsetof(ControlPage, abi) == 8);
static_assert(offsetof(ControlPage, size_bytes) == 12);
static_assert(offsetof(ControlPage, instance) == 16);
static_assert(offsetof(ControlPage, heartbeat_count) == 24);
static_assert(offsetof(ControlPage, heartbeat_boot_ns) == 32);
static_assert(offsetof(ControlPage, state) == 40);
static_assert(offsetof(ControlPage, slots) == 64);
static_assert(offsetof(ControlPage, reserved_tail) == 576);
static_assert(std::is_standard_layout_v<ControlPage>);

}  // namespace burgee
