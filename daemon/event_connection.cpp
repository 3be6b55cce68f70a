#include "daemon/event_connection.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

namespace burgee::daemon {

EventConnection::Received EventConnection::receive(std::span<std::byte> buffer,
                                                   std::span<std::byte>* frame) {
    iovec place{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_iov = &place;
    message.msg_iovlen = 1;
    ssize_t size = 0;
    do {
        size = ::recvmsg(socket.native_handle(), &message, MSG_DONTWAIT);
    } while (size < 0 && errno == EINTR);
    if (size < 0) {
        return errno == EAGAIN ? Received::kNothing : Received::kClosed;
    }
    // The end of the stream and an empty message look the same; no frame of ours is empty.
    if (size == 0) {
        return Received::kClosed;
    }
    if ((message.msg_flags & MSG_TRUNC) != 0) {
        return Received::kTooLong;
    }
    *frame = buffer.first(static_cast<std::size_t>(size));
    return Received::kFrame;
}

EventConnection::Sent EventConnection::send_outbox() {
    Outbox& outbox = talk.outbox();
    const auto send = [this](const auto& frame) {
        ssize_t size = 0;
        do {
            size =
                ::send(socket.native_handle(), &frame, sizeof frame, MSG_DONTWAIT | MSG_NOSIGNAL);
        } while (size < 0 && errno == EINTR);
        return size >= 0 ? Sent::kAll : errno == EAGAIN ? Sent::kBlocked : Sent::kClosed;
    };
    if (outbox.welcome) {
        if (const Sent sent = send(*outbox.welcome); sent != Sent::kAll) {
            return sent;
        }
        outbox.welcome.reset();
    }
    for (auto range = outbox.nacks.begin(); range != outbox.nacks.end(); ++range) {
        for (; range->count > 0; ++range->first_seq, --range->count) {
            if (const Sent sent = send(nack_frame(range->first_seq, range->reason));
                sent != Sent::kAll) {
                outbox.nacks.erase(outbox.nacks.begin(), range);
                return sent;
            }
        }
    }
    outbox.nacks = {};  // with its memory: thousands of connections are refused something once
    if (outbox.ack) {
        if (const Sent sent = send(*outbox.ack); sent != Sent::kAll) {
            return sent;
        }
        outbox.ack.reset();
    }
    return Sent::kAll;
}

}  // namespace burgee::daemon
