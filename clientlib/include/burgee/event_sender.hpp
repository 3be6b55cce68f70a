#pragma once

// Takes measurements from any thread and sends them to the daemon from one thread of its own.

#include <burgee/event_draft.hpp>

#include <chrono>
#include <string_view>

namespace burgee::detail {

class EventSender {
public:
    explicit EventSender(std::string_view directory);
    EventSender(const EventSender&) = delete;
    EventSender& operator=(const EventSender&) = delete;
    ~EventSender();

    bool offer(const EventDraft& draft) noexcept;
    FlushResult flush(std::chrono::milliseconds deadline) noexcept;
    EventCounters counters() const noexcept;
};

}  // namespace burgee::detail
