#pragma once

// Fills a daemon's spool as fast as it takes events, and watches the daemon's memory meanwhile.
// Shared by the end-to-end test of a full spool and by its benchmark.

#include <burgee/checksum.hpp>
#include <burgee/event_wire.hpp>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/child_process.hpp"

namespace burgee::test {

/// One session on events.sock that sends prepared frames. Throws std::runtime_error when the daemon
/// does not behave.
class BacklogFiller {
public:
    static constexpr std::uint32_t kEventsInFrame = 50;
    static constexpr std::uint32_t kUnits = 100'000;

    /// @param experiment_id    that the events name; the flag's variants are control and treatment
    /// @param metadata_size    bytes of JSON in each event, so that a spool fills with fewer of
    /// them
    BacklogFiller(std::string socket_path, std::array<std::uint8_t, 16> experiment_id,
                  std::size_t metadata_size)
        : socket_path_(std::move(socket_path)) {
        std::mt19937_64 random(4'711);
        for (std::vector<std::byte>& frame : frames_) {
            frame = make_frame(experiment_id, metadata_size, random);
        }
        session_id_.fill(0xB1);
    }
    ~BacklogFiller() { hang_up(); }
    BacklogFiller(const BacklogFiller&) = delete;
    BacklogFiller& operator=(const BacklogFiller&) = delete;

    /// Sends until the daemon says that it is full. @return events that are durable.
    std::uint64_t fill() {
        std::uint32_t credits = greet();
        std::uint64_t sent = durable_;
        // The number before the first that was refused: all up to it are stored or will be, none
        // behind it is.
        std::optional<std::uint64_t> end;
        while (durable_ != end) {
            while (!end && (sent - durable_) / kEventsInFrame < credits) {
                send_frame(sent + 1);
                sent += kEventsInFrame;
            }
            std::array<std::byte, 64> answer{};
            AckFrame ack{};
            if (::recv(fd_, answer.data(), answer.size(), 0) < ssize_t{sizeof(FrameHeader)}) {
                throw std::runtime_error("burgeed hung up");
            }
            std::memcpy(&ack, answer.data(), sizeof ack);
            if (ack.header.type == static_cast<std::uint16_t>(FrameType::kAck)) {
                durable_ = ack.durable_seq;
                credits = ack.credits;
            } else {
                NackFrame nack{};
                std::memcpy(&nack, answer.data(), sizeof nack);
                end = std::min(nack.seq - 1, end.value_or(nack.seq - 1));
            }
        }
        hang_up();
        return durable_;
    }

    /// What is durable by the word of the daemon that runs now. After a restart it may be a little
    /// more than was acknowledged: a part of the refused group that had found room before the rest.
    std::uint64_t durable_count() {
        greet();
        hang_up();
        return durable_;
    }

private:
    std::vector<std::byte> make_frame(std::array<std::uint8_t, 16> experiment_id,
                                      std::size_t metadata_size, std::mt19937_64& random) const {
        const std::string metadata = "{\"pad\":\"" + std::string(metadata_size - 10, 'x') + "\"}";
        const auto now = std::chrono::system_clock::now().time_since_epoch();
        std::vector<std::byte> frame(sizeof(BatchFrame));
        for (std::uint32_t index = 0; index < kEventsInFrame; ++index) {
            const std::string variant = random() % 2 == 0 ? "control" : "treatment";
            const std::string metric = "quality_score";
            const std::string user = "user-" + std::to_string(random() % kUnits);
            const std::string texts = variant + metric + user + metadata;
            EventHeader header{};
            header.size_bytes =
                static_cast<std::uint32_t>((sizeof header + texts.size() + 7) / 8 * 8);
            header.unit_kind = static_cast<std::uint8_t>(UnitKind::kUserId);
            header.in_experiment = 1;
            header.experiment_id = experiment_id;
            header.phase = 1;
            header.variant_size = static_cast<std::uint16_t>(variant.size());
            header.metric_size = static_cast<std::uint16_t>(metric.size());
            header.user_id_size = static_cast<std::uint16_t>(user.size());
            header.metadata_size = static_cast<std::uint16_t>(metadata.size());
            header.created_unix_ms =
                std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
            header.value = 1;
            const std::size_t offset = frame.size();
            frame.resize(offset + header.size_bytes);
            std::memcpy(frame.data() + offset, &header, sizeof header);
            std::memcpy(frame.data() + offset + sizeof header, texts.data(), texts.size());
        }
        return frame;
    }

    void send_frame(std::uint64_t first_seq) {
        std::vector<std::byte>& frame = frames_[first_seq / kEventsInFrame % frames_.size()];
        BatchFrame batch{};
        batch.header = {kFrameMagic, static_cast<std::uint16_t>(FrameType::kBatch),
                        kProtocolVersion, static_cast<std::uint32_t>(frame.size()), 0};
        batch.first_seq = first_seq;
        batch.count = kEventsInFrame;
        batch.checksum =
            hash64(frame.data() + sizeof batch, frame.size() - sizeof batch, first_seq);
        std::memcpy(frame.data(), &batch, sizeof batch);
        if (::send(fd_, frame.data(), frame.size(), MSG_NOSIGNAL) < 0) {
            throw std::runtime_error("cannot send to burgeed");
        }
    }

    /// Connects anew and goes on where the daemon says. @return the credits.
    std::uint32_t greet() {
        hang_up();
        fd_ = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        socket_path_.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
        HelloFrame hello{};
        hello.header = {kFrameMagic, static_cast<std::uint16_t>(FrameType::kHello),
                        kProtocolVersion, sizeof hello, 0};
        hello.session_id = session_id_;
        hello.next_seq = durable_ + 1;
        hello.version_min = hello.version_max = kProtocolVersion;
        WelcomeFrame welcome{};
        if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            ::send(fd_, &hello, sizeof hello, MSG_NOSIGNAL) < 0 ||
            ::recv(fd_, &welcome, sizeof welcome, 0) != sizeof welcome ||
            welcome.outcome == static_cast<std::uint32_t>(SessionOutcome::kExpired)) {
            throw std::runtime_error("burgeed does not welcome us");
        }
        durable_ = std::max(durable_, welcome.last_durable_seq);
        return welcome.credits;
    }

    void hang_up() {
        if (fd_ >= 0) {
            ::close(fd_);
            fd_ = -1;
        }
    }

    std::string socket_path_;
    std::array<std::uint8_t, 16> session_id_{};
    std::array<std::vector<std::byte>, 64> frames_;
    std::uint64_t durable_ = 0;
    int fd_ = -1;
};

/// Looks at a process's resident memory every few milliseconds while it lives.
class MemoryWatch {
public:
    explicit MemoryWatch(pid_t pid)
        : path_("/proc/" + std::to_string(pid) + "/status"), thread_([this] { run(); }) {}
    ~MemoryWatch() {
        is_over_ = true;
        thread_.join();
    }
    MemoryWatch(const MemoryWatch&) = delete;
    MemoryWatch& operator=(const MemoryWatch&) = delete;

    /// The most since this was asked last, in MiB: all that is resident, pages of files included.
    double peak_mib() { return static_cast<double>(peak_kib_.exchange(0)) / 1'024; }

private:
    void run() {
        while (!is_over_) {
            const std::string status = read_file(path_);
            const std::size_t place = status.find("VmRSS:");
            if (place != std::string::npos) {
                const long now_kib = std::stol(status.substr(place + 6, 32));
                long peak_kib = peak_kib_.load();
                while (now_kib > peak_kib && !peak_kib_.compare_exchange_weak(peak_kib, now_kib)) {
                }
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }

    std::string path_;
    std::atomic<long> peak_kib_{0};
    std::atomic<bool> is_over_{false};
    std::thread thread_;
};

/// The experiment that create_load_flags() makes.
inline std::array<std::uint8_t, 16> load_experiment_id() {
    return {0x11, 0x11, 0x11, 0x11, 0x22, 0x22, 0x33, 0x33,
            0x44, 0x44, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55};
}

}  // namespace burgee::test
