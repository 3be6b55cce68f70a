#pragma once

// Makes the bytes behind a segment's header out of a fuzzer's input: frames that are signed with
// the segment's salt, so that what they say gets past the checksums, and loose bytes between them.

#include <burgee/checksum.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "daemon/spool/spool_format.hpp"
#include "tests/fuzz/input_reader.hpp"

namespace burgee::fuzz {

class FrameMaker {
public:
    static constexpr std::uint64_t kSalt = 0x5A17;

    explicit FrameMaker(InputReader& input) : input_(input) {}

    /// A frame that says what the input says, with a payload of `size` bytes.
    void add_frame(std::size_t size) {
        daemon::SpoolFrameHeader frame{};
        frame.type = input_.take<std::uint8_t>();
        frame.count = input_.take<std::uint32_t>();
        frame.first_lsn = next_lsn + input_.take<std::uint16_t>();
        frame.durable_lsn = input_.take<std::uint64_t>();
        std::vector<std::uint8_t> payload(size, 0);
        const auto given = input_.take_bytes(size);
        std::copy(given.begin(), given.end(), payload.begin());
        add_signed(frame, payload);
    }

    /// A frame of events whose sizes are right.
    void add_events(std::size_t size) {
        daemon::SpoolFrameHeader frame{};
        frame.type = static_cast<std::uint16_t>(daemon::SpoolFrameType::kEvents);
        frame.first_lsn = next_lsn;
        frame.durable_lsn = next_lsn - 1;
        frame.count = static_cast<std::uint32_t>(size % 9) + 1;
        std::vector<std::uint8_t> payload(sizeof(daemon::EventsPrefix), 0);
        const auto prefix = input_.take_bytes(payload.size());
        std::copy(prefix.begin(), prefix.end(), payload.begin());
        for (std::uint32_t number = 0; number < frame.count; ++number) {
            const std::uint32_t event_size = daemon::kSpoolEventSizeMin + 8 * number;
            const std::size_t offset = payload.size();
            payload.resize(offset + event_size, 0);
            std::memcpy(payload.data() + offset, &event_size, sizeof event_size);
        }
        add_signed(frame, payload);
    }

    void add_loose(std::size_t size) { append(input_.take_bytes(size)); }

    /// What was made so far; the next frame begins a new list.
    std::vector<std::byte> take() { return std::exchange(bytes_, {}); }

    std::uint64_t next_lsn = 1;  ///< one past the last frame's events

private:
    void add_signed(daemon::SpoolFrameHeader& frame, std::span<const std::uint8_t> payload) {
        frame.magic = daemon::kSpoolFrameMagic;
        frame.payload_size = static_cast<std::uint32_t>(payload.size());
        frame.payload_checksum = hash64(payload.data(), payload.size(), kSalt);
        frame.header_checksum =
            hash64(&frame, offsetof(daemon::SpoolFrameHeader, header_checksum), kSalt);
        next_lsn = frame.first_lsn + frame.count;
        append({reinterpret_cast<const std::uint8_t*>(&frame), sizeof frame});
        append(payload);
    }

    void append(std::span<const std::uint8_t> bytes) {
        const auto added = std::as_bytes(bytes);
        bytes_.insert(bytes_.end(), added.begin(), added.end());
    }

    InputReader& input_;
    std::vector<std::byte> bytes_;
};

}  // namespace burgee::fuzz
