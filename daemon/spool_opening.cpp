#include "daemon/spool_opening.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <boost/asio/post.hpp>

#include "daemon/owned_directory.hpp"
#include "shm/assertion.hpp"

namespace burgee::daemon {
namespace {

// A person mends what is wrong with a directory and wants to see it work; an attempt costs one read
// of all that is kept. Chosen by feel.
constexpr std::chrono::milliseconds kPauseMin{1'000};
constexpr std::chrono::milliseconds kPauseMax{30'000};

}  // namespace

SpoolResult<std::unique_ptr<Spool>> open_spool(const Config& config, ExposureMemory* exposures) {
    const std::string directory = (config.state_directory / "spool").string();
    for (const std::string& each : {config.state_directory.string(), directory}) {
        if (const std::string complaint = directory_complaint(each, 0700); !complaint.empty()) {
            return SpoolError{SpoolErrorCode::kBadDirectory, complaint};
        }
    }
    SpoolOptions options;
    options.segment_size_bytes = config.spool_segment_mib << 20U;
    options.cap_bytes = config.spool_cap_mib << 20U;
    if (exposures != nullptr) {
        options.on_recovered_events = [exposures](std::span<const std::byte> events) {
            exposures->remember(events);
        };
    }
    return Spool::open(directory, options);
}

SpoolOpening::SpoolOpening(boost::asio::io_context& io_context, Attempt attempt,
                           std::function<void(Outcome)> take)
    : io_context_(io_context),
      attempt_(std::move(attempt)),
      take_(std::move(take)),
      pause_timer_(io_context),
      pause_(kPauseMin) {}

SpoolOpening::~SpoolOpening() {
    stop();
}

void SpoolOpening::begin() {
    BURGEE_ASSERT(!thread_.joinable());
    thread_ = std::thread([this] {
        boost::asio::post(io_context_,
                          [this, outcome = attempt_()]() mutable { finish(std::move(outcome)); });
    });
}

void SpoolOpening::begin_later() {
    pause_timer_.expires_after(pause_);
    pause_ = std::min(pause_ * 2, kPauseMax);
    pause_timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error && !is_stopped_) {
            begin();
        }
    });
}

void SpoolOpening::finish(Outcome outcome) {
    if (is_stopped_) {
        return;
    }
    thread_.join();
    take_(std::move(outcome));
}

void SpoolOpening::stop() {
    is_stopped_ = true;
    pause_timer_.cancel();
    if (thread_.joinable()) {
        thread_.join();
    }
}

}  // namespace burgee::daemon
