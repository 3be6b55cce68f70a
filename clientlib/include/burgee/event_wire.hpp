#pragma once

// What travels over `events.sock` (SOCK_SEQPACKET, one frame a message): the producer owns the
// format, so it lives with the client; the daemon includes it, and spools the event bytes as they came.
// docs/event_protocol.md tells the conversation:
//
//   client                                   daemon
//   HELLO {session, next_seq}        ->
//                                    <-      WELCOME {NEW | RESUMED | EXPIRED, last_durable_seq, ...}
//   BATCH {first_seq, count, events} ->
//                                    <-      ACK {durable_seq}   after the spool is synced, cumulative
//                                    <-      NACK {seq, reason}  this event is refused, the rest stands
//
// Little endian, fixed width, every struct and event a multiple of 8 bytes.

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace burgee {

inline constexpr const char* kEventSocketName = "events.sock";
inline constexpr std::uint32_t kFrameMagic = 0x31454742;  // "BGE1"
inline constexpr std::uint16_t kProtocolVersion = 1;
inline constexpr std::uint32_t kFrameSizeMax = 65'536;     // reliability 4.7
inline constexpr std::uint32_t kBatchEventsMax = 4'096;    // keeps a frame's work under a millisecond
inline constexpr std::uint32_t kMetadataSizeMax = 1'024;   // bytes of JSON text
inline constexpr std::uint32_t kEventTextSizeMax = 512;    // bytes of a variant, metric or id
inline constexpr std::uint32_t kEventSizeMax = 4'096;      // one event with all its texts

enum class FrameType : std::uint16_t { kHello = 1, kWelcome = 2, kBatch = 3, kAck = 4, kNack = 5 };

enum class SessionOutcome : std::uint32_t {
    kNew = 1,      ///< never seen: starts at the HELLO's next_seq
    kResumed = 2,  ///< known: events up to last_durable_seq are safe, send the rest again
    kExpired = 3,  ///< was known and is forgotten: start a new session, count undecided ones as lost
};

enum class NackReason : std::uint32_t {
    kFull = 1,     ///< the spool takes no more; the batch was not taken, send it again later
    kInvalid = 2,  ///< this event can never be stored; its number is used up
    kTooBig = 3,   ///< likewise, over a size limit
};

/// Which events outlive which when room is short.
enum class EventClass : std::uint8_t {
    kOrdinary = 0,    ///< response times, scores, custom metrics, repeated impressions
    kExposure = 1,    ///< the first impression of a unit
    kConversion = 2,
    kError = 3,
};
inline constexpr std::size_t kEventClassCount = 4;

/// Why the client did not send an event. Numbers index BatchFrame::dropped.
enum class DropReason : std::uint8_t {
    kRingFull = 0,        ///< no room in the ring for this class
    kSessionExpired = 1,  ///< undecided when the daemon forgot the session
    kTooBig = 2,          ///< a text over its limit
    kInvalid = 3,         ///< not finite, empty variant or metric, refused by the daemon
    kNoExperiment = 4,    ///< the evaluation names no experiment
};
inline constexpr std::size_t kDropReasonCount = 5;

/// Where the unit of an event comes from.
enum class UnitKind : std::uint8_t {
    kNone = 0,       ///< no unit: stored raw, not analysed
    kUserId = 1,     ///< the text of user_id
    kSessionId = 2,  ///< the text of session_id
    kOther = 3,      ///< another attribute: its text travels as `unit`
};

///   offset size field       meaning
///   ------ ---- ----------- -----------------------------------------------------------------
///        0    4 magic       kFrameMagic
///        4    2 type        FrameType
///        6    2 version     kProtocolVersion
///        8    4 size_bytes  the whole frame; equals the message's length
///       12    4 reserved    zero
struct FrameHeader {
    std::uint32_t magic;
    std::uint16_t type;
    std::uint16_t version;
    std::uint32_t size_bytes;
    std::uint32_t reserved;
};

/// Client's first frame. `next_seq` is the first number it will send; numbers start at 1.
struct HelloFrame {
    FrameHeader header;
    std::array<std::uint8_t, 16> session_id;  ///< random, new for each process
    std::uint64_t next_seq;
    std::uint16_t version_min;
    std::uint16_t version_max;
    std::uint32_t reserved;
};

struct WelcomeFrame {
    FrameHeader header;
    std::uint64_t last_durable_seq;  ///< of this session; next_seq - 1 for a new one
    std::uint32_t outcome;           ///< SessionOutcome
    std::uint32_t frame_size_max;    ///< bytes, at most kFrameSizeMax
    std::uint32_t credits;           ///< frames that may be under way without an ACK
    std::uint32_t reserved;
};

/// Followed by `count` events, back to back. `dropped` is the process's running total by reason and
/// class since the session began: the daemon keeps the difference, so a repeated frame counts once.
struct BatchFrame {
    FrameHeader header;
    std::uint64_t first_seq;
    std::uint64_t checksum;  ///< hash64 of the event bytes, seeded with first_seq
    std::uint32_t count;     ///< 1 .. kBatchEventsMax; 0 only to report drops
    std::uint32_t reserved;
    std::array<std::array<std::uint64_t, kEventClassCount>, kDropReasonCount> dropped;
};

struct AckFrame {
    FrameHeader header;
    std::uint64_t durable_seq;  ///< this number and all before it are on disk
    std::uint32_t credits;
    std::uint32_t dropped_sum;  ///< of the session's drop totals that are on disk, modulo 2^32
};

struct NackFrame {
    FrameHeader header;
    std::uint64_t seq;
    std::uint32_t reason;  ///< NackReason
    std::uint32_t reserved;
};

/// One event; its texts follow in the order of the sizes, then zeros up to a multiple of 8.
///
///   offset size field             meaning
///   ------ ---- ----------------- -----------------------------------------------------------
///        0    4 size_bytes        header, texts and padding: a multiple of 8, <= kEventSizeMax
///        4    1 event_class       EventClass
///        5    1 unit_kind         UnitKind
///        6    1 in_experiment     1 = the variant was drawn by chance; 0 = by hand, not analysed
///        7    1 is_automatic      1 = an exposure evaluate() told by itself: stored once a host
///        8   16 experiment_id     uuid
///       24    4 phase             of the experiment; 0 = unknown (tracked by id): the current one
///       28    2 variant_size      bytes, 1 .. kEventTextSizeMax
///       30    2 metric_size       bytes, 1 .. kEventTextSizeMax
///       32    8 created_unix_ms   client's coarse real time at track()
///       40    8 value             finite
///       48    2 user_id_size      0 = none
///       50    2 session_id_size   0 = none
///       52    2 unit_size         0 unless unit_kind is kOther
///       54    2 metadata_size     0 = none, at most kMetadataSizeMax
struct EventHeader {
    std::uint32_t size_bytes;
    std::uint8_t event_class;
    std::uint8_t unit_kind;
    std::uint8_t in_experiment;
    std::uint8_t is_automatic;
    std::array<std::uint8_t, 16> experiment_id;
    std::uint32_t phase;
    std::uint16_t variant_size;
    std::uint16_t metric_size;
    std::int64_t created_unix_ms;
    double value;
    std::uint16_t user_id_size;
    std::uint16_t session_id_size;
    std::uint16_t unit_size;
    std::uint16_t metadata_size;
};

static_assert(sizeof(FrameHeader) == 16);
static_assert(sizeof(HelloFrame) == 48);
static_assert(sizeof(WelcomeFrame) == 40);
static_assert(sizeof(BatchFrame) == 40 + 8 * kEventClassCount * kDropReasonCount);
static_assert(sizeof(AckFrame) == 32);
static_assert(sizeof(NackFrame) == 32);
static_assert(sizeof(EventHeader) == 56);
static_assert(offsetof(EventHeader, experiment_id) == 8);
static_assert(offsetof(EventHeader, created_unix_ms) == 32);
static_assert(offsetof(EventHeader, user_id_size) == 48);
static_assert(std::is_trivially_copyable_v<EventHeader>);
static_assert(std::has_unique_object_representations_v<FrameHeader>);
static_assert(std::has_unique_object_representations_v<BatchFrame>);

}  // namespace burgee
