// What `track` costs the thread that calls it, with a peer that acknowledges everything: the
// caller's time, not the sender's. The median is printed because now and then the sender takes the
// core. Rings that fill would make offers cheap, so a benchmark with refused offers fails.

#include <burgee/event_sender.hpp>

#include <benchmark/benchmark.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace burgee {
namespace {

/// Acknowledges every BATCH at once, unread but for its numbers: the least a daemon could do.
class DrainingPeer {
public:
    explicit DrainingPeer(const std::string& directory) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string path = directory + "/" + kEventSocketName;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        listener_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            listen(listener_, 8) != 0) {
            std::abort();
        }
        thread_ = std::thread([this] { serve(); });
    }
    DrainingPeer(const DrainingPeer&) = delete;
    DrainingPeer& operator=(const DrainingPeer&) = delete;
    ~DrainingPeer() {
        is_stopping_.store(true);
        thread_.join();
        close(listener_);
    }

private:
    template <typename Frame>
    static Frame frame_of(FrameType type) {
        Frame frame{};
        frame.header = {kFrameMagic, static_cast<std::uint16_t>(type), kProtocolVersion,
                        sizeof(Frame), 0};
        return frame;
    }

    void serve() {
        std::vector<std::byte> frame(kFrameSizeMax);
        int client = -1;
        while (!is_stopping_.load()) {
            pollfd wait{client < 0 ? listener_ : client, POLLIN, 0};
            if (poll(&wait, 1, 10) <= 0) {
                continue;
            }
            if (client < 0) {
                client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
                continue;
            }
            if (recv(client, frame.data(), frame.size(), 0) <= 0) {
                close(client);
                client = -1;
                continue;
            }
            answer(client, frame);
        }
        close(client);
    }

    static void answer(int client, const std::vector<std::byte>& frame) {
        BatchFrame batch{};
        std::memcpy(&batch, frame.data(), sizeof batch);
        if (batch.header.type == static_cast<std::uint16_t>(FrameType::kHello)) {
            auto welcome = frame_of<WelcomeFrame>(FrameType::kWelcome);
            welcome.outcome = static_cast<std::uint32_t>(SessionOutcome::kNew);
            welcome.frame_size_max = kFrameSizeMax;
            welcome.credits = 4;
            send(client, &welcome, sizeof welcome, MSG_NOSIGNAL);
        } else {
            auto ack = frame_of<AckFrame>(FrameType::kAck);
            ack.durable_seq = batch.first_seq + batch.count - 1;
            ack.credits = 4;
            send(client, &ack, sizeof ack, MSG_NOSIGNAL);
        }
    }

    int listener_ = -1;
    std::atomic<bool> is_stopping_{false};
    std::thread thread_;
};

/// One directory, peer and sender for all benchmarks of the program.
struct TrackStage {
    std::string directory = [] {
        std::string pattern = "/tmp/burgee-track-XXXXXX";
        return std::string(mkdtemp(pattern.data()));
    }();
    DrainingPeer peer{directory};
    detail::EventSender sender{directory};

    ~TrackStage() {
        unlink((directory + "/" + kEventSocketName).c_str());
        rmdir(directory.c_str());
    }
};

TrackStage& stage() {
    static TrackStage only;
    return only;
}

std::vector<std::string> user_ids() {
    std::vector<std::string> ids;
    for (int number = 0; number < 100'000; ++number) {
        ids.push_back("user-" + std::to_string(number * 7'919));
    }
    return ids;
}

/// Bursts of 1 024 offers, each burst timed; between bursts the ring drains, unmeasured.
void track(benchmark::State& state, const char* metric) {
    static const std::vector<std::string> ids = user_ids();
    constexpr std::int64_t kBurst = 1'024;
    detail::EventSender& sender = stage().sender;
    EventDraft draft;
    draft.experiment_id[15] = 1;
    draft.phase = 1;
    draft.variant = "treatment";
    draft.metric = metric;
    draft.value = 0.85;
    draft.unit_kind = UnitKind::kUserId;
    std::size_t next = static_cast<std::size_t>(state.thread_index()) * 5'000;
    std::uint64_t refused = 0;
    std::vector<double> nanoseconds;
    for (auto _ : state) {
        const auto begin = std::chrono::steady_clock::now();
        for (std::int64_t number = 0; number < kBurst; ++number) {
            draft.user_id = ids[next];
            next = next + 1 == ids.size() ? 0 : next + 1;
            refused += sender.offer(draft) ? 0U : 1U;
        }
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        state.SetIterationTime(took.count());
        nanoseconds.push_back(took.count() * 1e9 / static_cast<double>(kBurst));
        sender.flush(std::chrono::seconds(10));
    }
    if (refused != 0) {
        state.SkipWithError("offers were refused: the figure would flatter");
    }
    std::nth_element(nanoseconds.begin(),
                     nanoseconds.begin() + static_cast<std::ptrdiff_t>(nanoseconds.size() / 2),
                     nanoseconds.end());
    state.counters["median_ns"] =
        benchmark::Counter(nanoseconds[nanoseconds.size() / 2], benchmark::Counter::kAvgThreads);
    state.SetItemsProcessed(state.iterations() * kBurst);
}

/// Events that one process gets acknowledged in a second, its own sender and the peer included.
void acknowledged_throughput(benchmark::State& state) {
    constexpr std::int64_t kEvents = 200'000;
    detail::EventSender& sender = stage().sender;
    EventDraft draft;
    draft.experiment_id[15] = 1;
    draft.variant = "treatment";
    draft.metric = "quality_score";
    draft.value = 0.85;
    draft.user_id = "user-123456";
    draft.unit_kind = UnitKind::kUserId;
    for (auto _ : state) {
        for (std::int64_t taken = 0; taken < kEvents;) {
            if (sender.offer(draft)) {
                ++taken;
            } else {
                std::this_thread::yield();
            }
        }
        sender.flush(std::chrono::seconds(10));
    }
    state.SetItemsProcessed(state.iterations() * kEvents);
}

BENCHMARK_CAPTURE(track, score, "quality_score")->UseManualTime()->Threads(1);
BENCHMARK_CAPTURE(track, impression, "impression")->UseManualTime()->Threads(1);
BENCHMARK_CAPTURE(track, score, "quality_score")->UseManualTime()->Threads(2);
BENCHMARK(acknowledged_throughput)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace burgee
