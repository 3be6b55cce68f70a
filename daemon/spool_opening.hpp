#pragma once

// Opens the spool away from the main loop: recovery reads every byte that is kept, and a sick disk
// may take as long as it likes, while heartbeats go on and flags are served. Relied on by burgeed.

#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/config.hpp"
#include "daemon/exposure_memory.hpp"
#include "daemon/spool/spool.hpp"

namespace burgee::daemon {

/// Opens the spool of this configuration, making its directories. @error as Spool::open()
/// @param exposures  hears what the spool holds; null when nobody asks
SpoolResult<std::unique_ptr<Spool>> open_spool(const Config& config,
                                               ExposureMemory* exposures = nullptr);

class SpoolOpening {
public:
    /// What an attempt came to; owned by whoever takes it.
    using Outcome = SpoolResult<std::unique_ptr<Spool>>;
    /// How an attempt is made; called on a thread of its own.
    using Attempt = std::function<Outcome()>;

    /// @param take  called on the io_context's thread with the outcome of every attempt.
    SpoolOpening(boost::asio::io_context& io_context, Attempt attempt,
                 std::function<void(Outcome)> take);
    /// Waits for an attempt under way.
    ~SpoolOpening();
    SpoolOpening(const SpoolOpening&) = delete;
    SpoolOpening& operator=(const SpoolOpening&) = delete;

    /// Begins an attempt. Precondition, asserted: none is under way.
    void begin();
    /// The same after a pause that doubles from 1 s to 30 s.
    void begin_later();
    /// No further attempt; take() is not called any more. Waits for one under way.
    void stop();

private:
    void finish(Outcome outcome);

    boost::asio::io_context& io_context_;
    Attempt attempt_;
    std::function<void(Outcome)> take_;
    boost::asio::steady_timer pause_timer_;
    std::chrono::milliseconds pause_;
    bool is_stopped_ = false;  // of the io_context's thread, as all but attempt_
    std::thread thread_;
};

}  // namespace burgee::daemon
