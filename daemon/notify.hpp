#pragma once

// Tells systemd how we are: one datagram to $NOTIFY_SOCKET, as sd_notify(3) does, without its library.
// Without a socket in the environment every call does nothing: burgeed runs by hand just as well.

#include <chrono>
#include <string>
#include <string_view>

namespace burgee::daemon {

/// Sends `state` ("READY=1", "STATUS=...", "WATCHDOG=1", "STOPPING=1") to the service manager.
///
/// @return true if the datagram was sent; false without $NOTIFY_SOCKET or when the send failed, which
///         is never a reason to stop.
/// Thread safety: any thread, as long as nobody changes the environment. Cost: one socket, one send.
bool notify_service_manager(std::string_view state);

/// Half of $WATCHDOG_USEC if the watchdog is meant for this process; zero if there is none.
std::chrono::microseconds watchdog_interval();

}  // namespace burgee::daemon
