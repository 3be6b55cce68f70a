#pragma once

// The queue between the threads that track and the one that sends: a bounded ring of bytes, many
// producers, one consumer. Events lie in it exactly as they travel (EventHeader and texts), so the
// sender hands the ring's own bytes to the kernel and keeps no second copy until they are decided.
//
// Invariants
//  1. head <= tail <= head + capacity; both only grow and are bytes since the ring was formatted.
//  2. Bytes in [tail, head + capacity) are zero. So a record whose first word is zero is reserved
//     but not written yet, and the padding of an event needs no writing.
//  3. A record never straddles the end of the data: a padding record fills the rest of the lap.
//  4. Only the consumer moves head and only it reads texts, after the first word said they are
//     there.
//  5. Nothing is ever evicted: a record that does not fit its class's limit is refused.
//
// The layout holds offsets only, so it could lie in memory that another process maps too.

#include <burgee/event_wire.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace burgee::detail {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "wire and ring are little endian");

inline constexpr std::uint64_t kEventRingMagic = 0x3147'4e49'5245'4742;  // "BGERING1"
inline constexpr std::uint32_t kEventRingVersion = 1;
inline constexpr std::uint64_t kEventRingSizeDefault = 1'048'576;  // bytes; some 8 000 events
inline constexpr std::uint64_t kEventRingSizeMin = 4ULL * kEventSizeMax;
inline constexpr std::uint32_t kRingPaddingBit = 0x8000'0000;  // of a record's size: no event

/// Lies in front of the data. Producers share one pair of cache lines, the consumer has another.
///
///   offset size field              meaning
///   ------ ---- ------------------ --------------------------------------------------------
///        0    8 magic              kEventRingMagic
///        8    4 version            kEventRingVersion
///       12    4 header_size_bytes  where the data begins: 384
///       16    8 capacity_bytes     of the data, a power of two
///      128    8 tail               bytes ever reserved, padding included
///      136    8 accepted_count     events ever reserved
///      256    8 head               bytes ever given back
struct EventRingHeader {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t header_size_bytes;
    std::uint64_t capacity_bytes;
    alignas(128) std::atomic<std::uint64_t> tail;
    std::atomic<std::uint64_t> accepted_count;
    alignas(128) std::atomic<std::uint64_t> head;
};

static_assert(sizeof(EventRingHeader) == 384);
static_assert(sizeof(std::atomic<std::uint64_t>) == 8);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(std::is_trivially_destructible_v<EventRingHeader>);

/// The first word of a record, which also says that the rest is there: EventHeader's first 8 bytes.
struct RecordWord {
    std::uint32_t size_bytes;
    EventClass event_class;
    std::uint8_t unit_kind;
    std::uint8_t in_experiment;
    std::uint8_t is_automatic;
};
static_assert(sizeof(RecordWord) == 8);

/// A view of a ring in memory that somebody else owns; copies see the same ring.
class EventRing {
public:
    /// What reserve() gave: where to write, or null when the event is refused.
    struct Reservation {
        std::byte* record;
        bool passed_half;  ///< this very reservation took the ring over half full
    };

    /// What lies at a position; `record` is null when nothing is there (yet).
    struct Found {
        const std::byte* record;
        std::uint32_t size_bytes;
        EventClass event_class;
        std::uint64_t position;  ///< of the event itself, padding skipped
    };

    EventRing() = default;

    /// Looks at `memory`, which holds kHeaderSize + `capacity_bytes` bytes, aligned to 128 and all
    /// zero or a ring of that size. `capacity_bytes` is a power of two of at least
    /// kEventRingSizeMin.
    EventRing(std::byte* memory, std::uint64_t capacity_bytes) noexcept
        : header_(reinterpret_cast<EventRingHeader*>(memory)),
          data_(memory + sizeof(EventRingHeader)),
          capacity_bytes_(capacity_bytes) {}

    static constexpr std::uint64_t memory_size_bytes(std::uint64_t capacity_bytes) noexcept {
        return sizeof(EventRingHeader) + capacity_bytes;
    }

    /// Writes the describing fields. Zero memory works without them: they are for foreign readers.
    void describe() noexcept {
        header_->magic = kEventRingMagic;
        header_->version = kEventRingVersion;
        header_->header_size_bytes = sizeof(EventRingHeader);
        header_->capacity_bytes = capacity_bytes_;
    }

    std::uint64_t capacity_bytes() const noexcept { return capacity_bytes_; }

    /// Takes room for one event. Ordinary events get it while the ring stays within three quarters,
    /// the others while it is not full. Any thread; no lock, no system call; a failed exchange
    /// means that another thread got its room.
    /// @param size_bytes of the whole event: a multiple of 8, at most kEventSizeMax.
    Reservation reserve(std::uint32_t size_bytes, EventClass event_class) noexcept {
        const std::uint64_t limit =
            event_class == EventClass::kOrdinary ? capacity_bytes_ / 4 * 3 : capacity_bytes_;
        // Acquire: pairs with the release in release(); the bytes below head + capacity are zero.
        // Head is read before tail, so the room is under-estimated at worst.
        std::uint64_t head = header_->head.load(std::memory_order_acquire);
        std::uint64_t tail = header_->tail.load(std::memory_order_relaxed);
        for (;;) {
            const std::uint64_t index = tail & (capacity_bytes_ - 1);
            const std::uint64_t padding =
                size_bytes <= capacity_bytes_ - index ? 0 : capacity_bytes_ - index;
            const std::uint64_t used_before = tail - head;
            const std::uint64_t used_after = used_before + padding + size_bytes;
            if (used_after > limit) {
                const std::uint64_t head_now = header_->head.load(std::memory_order_acquire);
                if (head_now == head) {
                    return {nullptr, false};
                }
                head = head_now;
                tail = header_->tail.load(std::memory_order_relaxed);
                continue;
            }
            // Relaxed: tail hands out room, the record's first word hands over its contents.
            if (header_->tail.compare_exchange_weak(tail, tail + padding + size_bytes,
                                                    std::memory_order_relaxed)) {
                // Before the record is committed, so that no event is decided before it is counted.
                header_->accepted_count.fetch_add(1, std::memory_order_relaxed);
                if (padding != 0) {
                    write_padding(index, padding);
                }
                const std::uint64_t half = capacity_bytes_ / 2;
                return {data_ + (padding == 0 ? index : 0),
                        used_before <= half && used_after > half};
            }
        }
    }

    /// Hands a written record to the consumer. Everything but its first 8 bytes has been written.
    static void commit(std::byte* record, const RecordWord& word) noexcept {
        std::uint64_t bits = 0;
        std::memcpy(&bits, &word, sizeof bits);
        // Release: pairs with the acquire in find(); the texts are there before the word is.
        __atomic_store_n(reinterpret_cast<std::uint64_t*>(record), bits, __ATOMIC_RELEASE);
    }

    /// The first event at or after `position`, which is a boundary in [head, tail]. Consumer only.
    Found find(std::uint64_t position) const noexcept {
        const std::uint64_t tail = header_->tail.load(std::memory_order_relaxed);
        while (position < tail) {
            const std::byte* record = data_ + (position & (capacity_bytes_ - 1));
            // Acquire: pairs with the release in commit() and write_padding().
            const std::uint64_t bits =
                __atomic_load_n(reinterpret_cast<const std::uint64_t*>(record), __ATOMIC_ACQUIRE);
            RecordWord word{};
            std::memcpy(&word, &bits, sizeof word);
            if (bits == 0) {
                break;
            }
            if ((word.size_bytes & kRingPaddingBit) == 0) {
                return {record, word.size_bytes, word.event_class, position};
            }
            position += word.size_bytes & ~kRingPaddingBit;
        }
        return {nullptr, 0, EventClass::kOrdinary, position};
    }

    /// Gives back everything before `position`. Consumer only. Cost: one pass over the bytes, which
    /// keeps invariant 2.
    void release(std::uint64_t position) noexcept {
        const std::uint64_t head = header_->head.load(std::memory_order_relaxed);
        const std::uint64_t index = head & (capacity_bytes_ - 1);
        const std::uint64_t size = position - head;
        const std::uint64_t first =
            size <= capacity_bytes_ - index ? size : capacity_bytes_ - index;
        std::memset(data_ + index, 0, first);
        std::memset(data_, 0, size - first);
        // Release: pairs with the acquire in reserve(), the zeros are there before the room is; and
        // with that in head(), whoever sees events gone sees what was counted of them before.
        header_->head.store(position, std::memory_order_release);
    }

    /// Acquire: pairs with the release in release().
    std::uint64_t head() const noexcept { return header_->head.load(std::memory_order_acquire); }
    std::uint64_t tail() const noexcept { return header_->tail.load(std::memory_order_relaxed); }
    /// Whether more than half is taken, by events on their way too. Consumer only.
    bool is_over_half() const noexcept { return tail() - head() > capacity_bytes_ / 2; }
    std::uint64_t accepted_count() const noexcept {
        return header_->accepted_count.load(std::memory_order_relaxed);
    }

private:
    void write_padding(std::uint64_t index, std::uint64_t size_bytes) noexcept {
        const std::uint64_t bits = static_cast<std::uint32_t>(size_bytes) | kRingPaddingBit;
        __atomic_store_n(reinterpret_cast<std::uint64_t*>(data_ + index), bits, __ATOMIC_RELEASE);
    }

    EventRingHeader* header_ = nullptr;
    std::byte* data_ = nullptr;
    std::uint64_t capacity_bytes_ = 0;
};

}  // namespace burgee::detail
