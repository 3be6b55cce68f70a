#pragma once

// The bytes of a spool segment: table, struct and proofs. docs/spool_format.md tells the rules of
// recovery that go with them. Little endian, fixed width; everything starts at a multiple of 8.
//
//   a segment:  header (4 096 bytes, two copies) | frame | frame | ... | old bytes that never
//   validate
//
// Every checksum of a frame is XXH3-64 seeded with the segment's salt, which is random and known
// only here: bytes of an earlier life of the file, or bytes a client chose, never pass for a frame.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace burgee::daemon {

static_assert(std::endian::native == std::endian::little, "the format is the memory's order");

inline constexpr std::array<char, 8> kSegmentMagic = {'B', 'U', 'R', 'G', 'E', 'E', 'W', '1'};
inline constexpr std::uint32_t kSpoolFormatVersion = 1;
inline constexpr std::uint64_t kSegmentHeaderSize =
    4096;                                                 ///< one page, so that frames start on one
inline constexpr std::uint64_t kHeaderCopyOffset = 2048;  ///< another sector than the first copy's
inline constexpr std::uint32_t kSpoolFrameMagic = 0x46574742;      // "BGWF"
inline constexpr std::uint32_t kFrameEventsSizeMax = 128U << 10U;  ///< twice a client's frame
inline constexpr std::uint32_t kFramePayloadSizeMax = kFrameEventsSizeMax + 64;
inline constexpr std::uint32_t kSpoolEventSizeMin = 64;  ///< bytes; an event starts with its size

enum class SpoolFrameType : std::uint16_t {
    kEvents = 1,     ///< EventsPrefix, then `count` events
    kSessions = 2,   ///< SessionRecord times n: where every session stands; count 0
    kWatermark = 3,  ///< nothing; only its durable_lsn matters; count 0
    kGap = 4,        ///< GapRecord times n: events the disk lost; count 0
    kRefusals = 5,   ///< RefusalRecord times n: numbers refused for good; count 0
    kTotals = 6,     ///< TotalsRecord times n: what sessions have told so far; count 0
};

///   offset size field         meaning
///   ------ ---- ------------- ---------------------------------------------------------------
///        0    8 magic         kSegmentMagic
///        8    4 version       kSpoolFormatVersion; a later one is refused, nothing is touched
///       12    4 header_size   kSegmentHeaderSize
///       16   16 spool_id      random; with an LSN it names an event for ever
///       32    8 segment_no    1, 2, 3, ... of this spool
///       40    8 first_lsn     of the first event; also the file's name, 20 digits
///       48    8 salt          random, seeds the checksums of the frames
///       56    8 segment_size  bytes reserved for the file
///       64    8 checksum      hash64 of the bytes [0, 64)
struct SegmentHeader {
    std::array<char, 8> magic;
    std::uint32_t version;
    std::uint32_t header_size;
    std::array<std::uint8_t, 16> spool_id;
    std::uint64_t segment_no;
    std::uint64_t first_lsn;
    std::uint64_t salt;
    std::uint64_t segment_size;
    std::uint64_t checksum;
};

///   offset size field             meaning
///   ------ ---- ----------------- -----------------------------------------------------------
///        0    4 magic             kSpoolFrameMagic
///        4    4 payload_size      bytes that follow, a multiple of 8
///        8    8 first_lsn         of its first event; with count 0, of the next one
///       16    4 count             events in the payload
///       20    2 type              SpoolFrameType
///       22    2 flags             zero
///       24    8 durable_lsn       highest LSN known to be on disk when this was written; 0 none
///       32    8 payload_checksum  of the payload, seeded with the salt
///       40    8 header_checksum   of the bytes [0, 40), seeded with the salt
struct SpoolFrameHeader {
    std::uint32_t magic;
    std::uint32_t payload_size;
    std::uint64_t first_lsn;
    std::uint32_t count;
    std::uint16_t type;
    std::uint16_t flags;
    std::uint64_t durable_lsn;
    std::uint64_t payload_checksum;
    std::uint64_t header_checksum;
};

/// Opens the payload of an EVENTS frame: from these a recovery knows where every session stands.
/// `seq_count` may exceed the events: refused ones use up their numbers.
struct EventsPrefix {
    std::array<std::uint8_t, 16> session_id;
    std::uint64_t first_seq;
    std::int64_t staged_unix_ms;
    std::uint32_t seq_count;
    std::uint32_t reserved;
};

struct SessionRecord {
    std::array<std::uint8_t, 16> session_id;
    std::uint64_t last_seq;
    std::int64_t seen_unix_ms;
};

/// Numbers [first_seq, first_seq + count) of a session that were refused for good. They are used
/// up: the session's position passes over them.
struct RefusalRecord {
    std::array<std::uint8_t, 16> session_id;
    std::uint64_t first_seq;
    std::uint32_t count;
    std::uint32_t reason;  ///< NackReason of the event protocol
};

/// Running totals of a session that only grow; the spool keeps them and asks nothing. burgeed keeps
/// what the client has dropped, by reason and class in the order of BatchFrame::dropped.
inline constexpr std::size_t kSessionTotalsCount = 20;
using SessionTotals = std::array<std::uint64_t, kSessionTotalsCount>;

struct TotalsRecord {
    std::array<std::uint8_t, 16> session_id;
    std::int64_t seen_unix_ms;
    SessionTotals totals;
};

/// Damage found once, so that a later recovery does not count it again.
struct GapRecord {
    std::uint64_t first_lsn;
    std::uint64_t count;       ///< events lost; 0 when only bookkeeping was hit
    std::uint64_t segment_no;  ///< where; 0 when the whole segment is gone
    std::uint64_t offset;
    std::uint64_t size_bytes;
};

inline constexpr std::array<char, 8> kIdChangeMagic = {'B', 'U', 'R', 'G', 'E', 'E', 'I', '1'};

/// The file `new-id`: an id that this spool is about to take.
///
///   offset size field      meaning
///   ------ ---- ---------- ---------------------------------------------------------------
///        0    8 magic      kIdChangeMagic
///        8   16 spool_id   the new one; once a segment has it, the file means nothing
///       24    8 first_lsn  of the first event that travels under it
///       32    8 checksum   hash64 of the bytes [0, 32)
struct IdChangeRecord {
    std::array<char, 8> magic;
    std::array<std::uint8_t, 16> spool_id;
    std::uint64_t first_lsn;
    std::uint64_t checksum;
};

static_assert(sizeof(SegmentHeader) == 72);
static_assert(offsetof(SegmentHeader, spool_id) == 16);
static_assert(offsetof(SegmentHeader, salt) == 48);
static_assert(offsetof(SegmentHeader, checksum) == 64);
static_assert(sizeof(SpoolFrameHeader) == 48);
static_assert(offsetof(SpoolFrameHeader, first_lsn) == 8);
static_assert(offsetof(SpoolFrameHeader, durable_lsn) == 24);
static_assert(offsetof(SpoolFrameHeader, header_checksum) == 40);
static_assert(sizeof(EventsPrefix) == 40);
static_assert(sizeof(SessionRecord) == 32);
static_assert(sizeof(GapRecord) == 40);
static_assert(sizeof(RefusalRecord) == 32);
static_assert(sizeof(TotalsRecord) == 24 + 8 * kSessionTotalsCount);
static_assert(std::has_unique_object_representations_v<RefusalRecord>);
static_assert(std::has_unique_object_representations_v<TotalsRecord>);
static_assert(std::has_unique_object_representations_v<SegmentHeader>);
static_assert(std::has_unique_object_representations_v<SpoolFrameHeader>);
static_assert(std::has_unique_object_representations_v<EventsPrefix>);
static_assert(std::has_unique_object_representations_v<SessionRecord>);
static_assert(std::has_unique_object_representations_v<GapRecord>);
static_assert(sizeof(IdChangeRecord) == 40);
static_assert(offsetof(IdChangeRecord, first_lsn) == 24);
static_assert(std::has_unique_object_representations_v<IdChangeRecord>);

}  // namespace burgee::daemon
