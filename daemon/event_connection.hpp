#pragma once

// One accepted connection: its descriptor, its conversation, and how long it has been silent or
// stuck. Used by the event server alone.

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <span>

#include "daemon/ingest_conversation.hpp"

namespace burgee::daemon {

struct EventConnection {
    EventConnection(boost::asio::io_context& io_context, int descriptor, IngestParts& parts,
                    std::uint64_t connection_id)
        : id(connection_id), socket(io_context, descriptor), talk(parts, connection_id) {}

    enum class Received { kFrame, kNothing, kClosed, kTooLong };
    /// Takes one message into `buffer`. No room for control messages is offered, so descriptors
    /// that a client passes along are thrown away by the kernel.
    Received receive(std::span<std::byte> buffer, std::span<std::byte>* frame);

    enum class Sent { kAll, kBlocked, kClosed };
    /// Sends what waits in the outbox, in order, as far as the client takes it.
    Sent send_outbox();

    const std::uint64_t id;
    boost::asio::posix::stream_descriptor socket;
    IngestConversation talk;
    std::int64_t opened_ms = 0;
    std::int64_t heard_ms = 0;
    std::int64_t unread_since_ms = -1;  ///< when it last had read all answers; -1: it has now
    std::int64_t second_began_ms = 0;
    std::size_t unread_bytes = 0;  ///< its share of what lies unread
    std::uint32_t frames_this_second = 0;
    // What it waits for. The first two are waits of the socket, of which a second one never ends.
    bool is_awaiting_frame = false;
    bool is_awaiting_room = false;   ///< in its socket, for answers
    bool is_held = false;            ///< a report of its frames under way
    bool is_in_line = false;         ///< room in the queue
    bool is_listed_starved = false;  ///< an ACK with credits
};

}  // namespace burgee::daemon
