// Events made durable a second: through the spool alone, over the socket with two client processes
// that send prepared frames, and with two that track each event through the client as a service
// does. Also how fast a restart reads a spool, and what readying room ahead is worth while a
// backlog grows. The disk is the real one: the figures are that disk's as much as ours.

#include <benchmark/benchmark.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <burgee/checksum.hpp>
#include <burgee/client.hpp>
#include <burgee/event_wire.hpp>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

#include "daemon/counters.hpp"
#include "daemon/event_server.hpp"
#include "daemon/spool/spool.hpp"
#include "tests/daemon/spool_events.hpp"

namespace burgee {
namespace {

namespace files = std::filesystem;
using daemon::Spool;

constexpr std::uint32_t kEventsInFrame = 600;  // about 62 KiB: what a busy client frames

class Directory {
public:
    Directory() {
        std::string pattern = (files::temp_directory_path() / "burgee-bench-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) {
            std::abort();
        }
        path = pattern;
        files::create_directory(path + "/spool");
    }
    ~Directory() { files::remove_all(path); }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;

    std::string path;
};

std::unique_ptr<Spool> open_spool(const Directory& directory) {
    daemon::SpoolOptions options;
    options.replay_window_bytes = 64 << 20;
    auto opened = Spool::open(directory.path + "/spool", options);
    if (!opened) {
        std::abort();
    }
    return std::move(*opened);
}

/// As a busy daemon does: a group of about 1 MiB, one sync, everything below delivered.
void durable_events_through_the_spool(benchmark::State& state) {
    const Directory directory;
    const auto spool = open_spool(directory);
    const auto events = test::make_events(1, 1, kEventsInFrame);
    std::uint64_t seq = 1;
    for (auto _ : state) {
        for (int frame = 0; frame < 16; ++frame, seq += kEventsInFrame) {
            if (!spool->stage(test::make_batch(1, seq, kEventsInFrame, events))) {
                state.SkipWithError("not staged");
            }
        }
        const auto end_lsn = spool->commit();
        if (!end_lsn) {
            state.SkipWithError("not stored");
            return;
        }
        spool->release(*end_lsn);
    }
    if (spool->durable_end_lsn() != seq) {
        state.SkipWithError("events are missing");
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(seq - 1));
    state.SetBytesProcessed(static_cast<std::int64_t>(spool->statistics().committed_bytes));
}
BENCHMARK(durable_events_through_the_spool)->UseRealTime()->Unit(benchmark::kMillisecond);

/// A backlog that grows by groups of 64 KiB, with room readied ahead (1) and without (0): what one
/// group waits. PostgreSQL is away, so no segment comes back.
void growing_backlog(benchmark::State& state) {
    const Directory directory;
    const auto spool = open_spool(directory);
    const auto events = test::make_events(1, 1, kEventsInFrame);
    std::uint64_t seq = 1;
    std::vector<double> waits_ms;
    for (auto _ : state) {
        (void)spool->stage(test::make_batch(1, seq, kEventsInFrame, events));
        seq += kEventsInFrame;
        const auto begin = std::chrono::steady_clock::now();
        if (!spool->commit()) {
            state.SkipWithError("not stored");
            return;
        }
        const std::chrono::duration<double, std::milli> wait =
            std::chrono::steady_clock::now() - begin;
        waits_ms.push_back(wait.count());
        if (state.range(0) != 0) {
            spool->prepare_ahead();
        }
    }
    std::sort(waits_ms.begin(), waits_ms.end());
    state.counters["p50_ms"] = waits_ms[waits_ms.size() / 2];
    state.counters["p99_ms"] = waits_ms[waits_ms.size() * 99 / 100];
    state.counters["max_ms"] = waits_ms.back();
    state.SetItemsProcessed(static_cast<std::int64_t>(seq - 1));
}
BENCHMARK(growing_backlog)
    ->Arg(0)
    ->Arg(1)
    ->UseRealTime()
    ->Iterations(8'000)
    ->Unit(benchmark::kMillisecond);

/// How a restart reads what is there, checksums included.
void recovery_scan(benchmark::State& state) {
    const Directory directory;
    constexpr std::uint64_t kScanBytes = 512ULL << 20;
    {
        const auto spool = open_spool(directory);
        const auto events = test::make_events(1, 1, kEventsInFrame);
        std::uint64_t seq = 1;
        while (spool->statistics().committed_bytes < kScanBytes) {
            for (int frame = 0; frame < 64; ++frame, seq += kEventsInFrame) {
                (void)spool->stage(test::make_batch(1, seq, kEventsInFrame, events));
            }
            (void)spool->commit();
        }
    }
    for (auto _ : state) {
        benchmark::DoNotOptimize(open_spool(directory)->durable_end_lsn());
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kScanBytes));
}
BENCHMARK(recovery_scan)->UseRealTime()->Unit(benchmark::kMillisecond);

int connect_to(const std::string& path) {
    const int descriptor = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    return ::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0
               ? descriptor
               : -1;
}

/// One client process: sends frames while it has credits, until `frames` are acknowledged.
int run_client(const std::string& path, std::uint64_t session, std::uint64_t frames) {
    const int descriptor = connect_to(path);
    HelloFrame hello{};
    hello.header = {kFrameMagic, static_cast<std::uint16_t>(FrameType::kHello), kProtocolVersion,
                    sizeof hello, 0};
    hello.session_id = test::session_id(session);
    hello.next_seq = 1;
    hello.version_min = hello.version_max = kProtocolVersion;
    WelcomeFrame welcome{};
    if (::send(descriptor, &hello, sizeof hello, 0) < 0 ||
        ::recv(descriptor, &welcome, sizeof welcome, 0) != sizeof welcome) {
        return 1;
    }
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto events =
        test::make_events(session, 1, kEventsInFrame,
                          std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
    BatchFrame batch{};
    batch.header = {kFrameMagic, static_cast<std::uint16_t>(FrameType::kBatch), kProtocolVersion,
                    static_cast<std::uint32_t>(sizeof batch + events.size()), 0};
    batch.count = kEventsInFrame;
    std::vector<std::byte> frame(sizeof batch + events.size());
    std::copy(events.begin(), events.end(), frame.begin() + sizeof batch);
    std::uint64_t sent = 0;
    std::uint64_t durable = 0;
    std::uint32_t credits = welcome.credits;
    while (durable < frames) {
        while (sent < frames && sent - durable < credits) {
            batch.first_seq = sent * kEventsInFrame + 1;
            batch.checksum = hash64(events.data(), events.size(), batch.first_seq);
            std::memcpy(frame.data(), &batch, sizeof batch);
            if (::send(descriptor, frame.data(), frame.size(), MSG_NOSIGNAL) < 0) {
                return 1;
            }
            ++sent;
        }
        AckFrame ack{};
        if (::recv(descriptor, &ack, sizeof ack, 0) != sizeof ack ||
            ack.header.type != static_cast<std::uint16_t>(FrameType::kAck)) {
            return 1;
        }
        durable = ack.durable_seq / kEventsInFrame;
        credits = ack.credits;
    }
    return 0;
}

/// One service: tracks each event by itself, as fast as the ring takes them, until all are durable.
int run_service(const std::string& directory, std::uint64_t events) {
    Client client(ClientOptions{directory});
    std::array<std::uint8_t, 16> id{};
    id[0] = 7;
    const ExperimentRef experiment(id, "treatment");
    for (std::uint64_t taken = 0; taken < events;) {
        const Context user{{"user_id", 100'000 + static_cast<int>(taken % 100'000)}};
        if (client.track(experiment, "quality_score", 0.85, user)) {
            ++taken;
        } else {
            const timespec pause{0, 200'000};  // the ring is full: the machine is what is measured
            ::nanosleep(&pause, nullptr);
        }
    }
    const bool is_complete = client.flush(std::chrono::seconds(60)).complete;
    return is_complete && client.counters().acknowledged == events ? 0 : 1;
}

/// Two processes that each make `events` durable by `run`; they, the server's thread and the
/// spool's thread share the machine's cores.
template <class Run>
void acknowledged_events(benchmark::State& state, std::uint64_t events, Run run) {
    std::int64_t acknowledged = 0;
    for (auto _ : state) {
        state.PauseTiming();
        const Directory directory;
        const auto spool = open_spool(directory);
        daemon::Counters counters;
        boost::asio::io_context io_context;
        daemon::EventServerOptions options;
        options.socket_path = directory.path + "/events.sock";
        // The children are born before the server's threads are.
        int gate[2];
        if (::pipe(gate) != 0) {
            std::abort();
        }
        std::vector<pid_t> children;
        for (std::uint64_t session = 1; session <= 2; ++session) {
            const pid_t child = ::fork();
            if (child == 0) {
                char go = 0;
                ::_exit(::read(gate[0], &go, 1) == 1 ? run(directory.path, session) : 1);
            }
            children.push_back(child);
        }
        daemon::EventServer server(io_context, options, *spool, counters);
        std::thread thread([&] { io_context.run(); });
        state.ResumeTiming();
        if (::write(gate[1], "gg", 2) != 2) {
            std::abort();
        }
        for (const pid_t child : children) {
            int status = 0;
            if (::waitpid(child, &status, 0) != child || status != 0) {
                state.SkipWithError("a client failed");
            }
        }
        state.PauseTiming();
        boost::asio::post(io_context, [&] { server.stop(); });
        thread.join();
        ::close(gate[0]);
        ::close(gate[1]);
        acknowledged += static_cast<std::int64_t>(spool->durable_end_lsn() - 1);
        state.ResumeTiming();
    }
    if (acknowledged != state.iterations() * static_cast<std::int64_t>(2 * events)) {
        state.SkipWithError("events are missing");
    }
    state.SetItemsProcessed(acknowledged);
}

void acknowledged_events_over_the_socket(benchmark::State& state) {
    constexpr std::uint64_t kFrames = 3'000;
    acknowledged_events(state, kFrames * kEventsInFrame,
                        [](const std::string& directory, std::uint64_t session) {
                            return run_client(directory + "/events.sock", session, kFrames);
                        });
}
BENCHMARK(acknowledged_events_over_the_socket)
    ->UseRealTime()
    ->Iterations(3)
    ->Unit(benchmark::kMillisecond);

void acknowledged_events_of_services(benchmark::State& state) {
    constexpr std::uint64_t kEvents = 2'000'000;
    acknowledged_events(state, kEvents, [](const std::string& directory, std::uint64_t) {
        return run_service(directory, kEvents);
    });
}
BENCHMARK(acknowledged_events_of_services)
    ->UseRealTime()
    ->Iterations(3)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace burgee
