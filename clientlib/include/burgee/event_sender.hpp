#pragma once

// Takes measurements from any thread and sends them to the daemon from one thread of its own. This
// is what `Client` holds; senders of one directory share one channel, so a process has one thread
// and one connection for each daemon it knows, however many Clients it makes.

#include <burgee/event_channel.hpp>
#include <burgee/event_draft.hpp>

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string_view>

namespace burgee::detail {

/// The channels of this process, or of a shared library that shows none of its symbols. Never
/// destroyed: senders of static Clients may outlive anything. But when the process exits or the
/// library goes, channels whose Clients nobody destroyed are ended: their threads run its code.
class EventChannels {
public:
    static constexpr std::size_t kChannelCountMax = 16;  // beyond it senders do not share

    static EventChannels& instance() noexcept {
        static const Lifetime lifetime;
        return lifetime.channels;
    }

    /// The channel of `directory`, made when there is none. Null when there is no memory.
    EventChannel* take(std::string_view directory, const EventOptions& options) noexcept {
        const Hold hold(*this);
        for (Place& place : places_) {
            EventChannel* channel = place.channel.load();
            if (place.user_count != 0 && channel->serves(directory, options.expected_owner)) {
                ++place.user_count;
                return channel;
            }
        }
        auto* channel = new (std::nothrow) EventChannel(directory, options);
        Place* place = place_for_another();
        if (place != nullptr && channel != nullptr) {
            delete place->channel.exchange(channel);
            place->ended = 0;
            place->user_count = 1;
        }
        return channel;
    }

    /// Ends one use; the last one flushes (within EventTiming::exit_flush) and ends the channel. An
    /// ended channel is kept until its place is needed: threads may go on tracking while exit()
    /// runs the destructors of static Clients.
    void give_back(EventChannel* channel) noexcept {
        Place* ending = nullptr;
        {
            const Hold hold(*this);
            for (Place& place : places_) {
                if (channel != nullptr && place.channel.load() == channel) {
                    if (--place.user_count != 0) {
                        return;
                    }
                    ending = &place;
                }
            }
        }
        if (ending == nullptr) {
            delete channel;  // it shared nothing
            return;
        }
        channel->end();
        const Hold hold(*this);
        ending->ended = ++ended_count_;
    }

private:
    /// Made before the first Client, so that it ends after all static ones.
    struct Lifetime {
        Lifetime() noexcept : channels(*new (storage()) EventChannels) {
            static_assert(std::is_trivially_destructible_v<EventChannels>);
        }
        Lifetime(const Lifetime&) = delete;
        Lifetime& operator=(const Lifetime&) = delete;
        ~Lifetime() { channels.end_all(); }

        static void* storage() noexcept {
            alignas(EventChannels) static unsigned char bytes[sizeof(EventChannels)];
            return bytes;
        }

        EventChannels& channels;
    };

    /// Ends what is in use, each within its exit flush.
    void end_all() noexcept {
        for (Place& place : places_) {
            if (EventChannel* channel = place.channel.load(); channel != nullptr) {
                channel->end();
            }
        }
    }

    struct Place {
        std::atomic<EventChannel*> channel{nullptr};
        std::uint32_t user_count = 0;
        std::uint64_t ended = 0;  ///< the channel is over, as the n-th; 0 = it is not
    };

    /// An empty place, else that of the channel which ended longest ago. Null when all are in use.
    Place* place_for_another() noexcept {
        Place* found = nullptr;
        for (Place& place : places_) {
            if (place.channel.load() == nullptr) {
                return &place;
            }
            if (place.ended != 0 && (found == nullptr || place.ended < found->ended)) {
                found = &place;
            }
        }
        return found;
    }

    /// Held for a moment when a sender is made or ended. It carries the holder's process id, so
    /// that one that was held while another thread forked means nothing in the child.
    class Hold {
    public:
        explicit Hold(EventChannels& channels) noexcept : channels_(channels) {
            const pid_t own = getpid();
            pid_t holder = 0;
            while (!channels_.holder_.compare_exchange_weak(holder, own)) {
                if (holder == own) {
                    sched_yield();
                    holder = 0;
                }
            }
        }
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;
        ~Hold() { channels_.holder_.store(0); }

    private:
        EventChannels& channels_;
    };

    EventChannels() noexcept { pthread_atfork(nullptr, nullptr, &EventChannels::on_forked_child); }

    static void on_forked_child() noexcept {
        for (Place& place : instance().places_) {
            if (EventChannel* channel = place.channel.load(); channel != nullptr) {
                channel->forget_parent();
            }
        }
    }

    std::atomic<pid_t> holder_{0};
    std::uint64_t ended_count_ = 0;
    std::array<Place, kChannelCountMax> places_{};
};

/// A use of the channel to the daemon that serves `directory`.
///
/// Fork: a child has an empty ring, zero counters and a session of its own, and starts its thread
/// at its first offer; what the parent had not sent is the parent's. A sender must not be made or
/// ended in another thread at the moment of the fork if the child is to end it too. Exit: the last
/// sender's destructor waits at most 500 ms for events to become durable; a thread that goes on
/// tracking through a static sender after that is refused. `_exit` and fatal signals lose what was
/// not acknowledged.
class EventSender {
public:
    /// Costs address space and two system calls; the ring's memory and the thread come with the
    /// first offer. `options` count for the first sender of a directory; senders that expect
    /// different owners share no channel.
    explicit EventSender(std::string_view directory, const EventOptions& options = {}) noexcept
        : channel_(EventChannels::instance().take(directory, options)) {}
    EventSender(const EventSender&) = delete;
    EventSender& operator=(const EventSender&) = delete;
    ~EventSender() { EventChannels::instance().give_back(channel_); }

    /// Copies the event into the ring and returns. An event is dropped, and counted by reason and
    /// class, when it is not sendable or when the ring has no room for its class: ordinary events
    /// need a ring at most three quarters full, first exposures, conversions and errors any room.
    /// @return whether it was taken.
    /// Thread safety: any thread, no lock; NOT async-signal-safe: the first offer starts a thread.
    /// Cost: some 40 ns; a system call at a process's first offer and when the ring passes half.
    bool offer(const EventDraft& draft) noexcept {
        return channel_ != nullptr && channel_->offer(draft);
    }

    /// Whether this process has told the exposure of this number, or is telling it.
    /// Thread safety: any thread, no lock, no system call. Cost: one cache line.
    bool has_told(std::uint64_t hash) const noexcept {
        return channel_ != nullptr && channel_->has_told(hash);
    }

    /// Offers an exposure that evaluate() tells by itself, once a process: of threads that meet it
    /// together one offers it. What was refused is not told, and counts as dropped once a process,
    /// however often it is tried again.
    /// @param hash  exposure_hash() of the draft
    /// @return whether it is told.
    /// Thread safety and cost: as offer().
    bool tell(const EventDraft& exposure, std::uint64_t hash) const noexcept {
        return channel_ != nullptr && channel_->tell(exposure, hash);
    }

    /// Waits until every event accepted before the call is decided, at most `deadline` (above a
    /// year it is a year), or until the last sender of the directory ends.
    /// Thread safety: any thread. A daemon that is away is tried every 50 ms meanwhile, and a
    /// thread that could not be started every second.
    FlushResult flush(std::chrono::milliseconds deadline) noexcept {
        return channel_ != nullptr ? channel_->flush(deadline) : FlushResult{};
    }

    /// The process's numbers; both identities of EventCounters hold in what is returned. While
    /// others offer, `in_flight` may count what they offered during the call.
    /// Thread safety: any thread. Cost: some 50 loads.
    EventCounters counters() const noexcept {
        return channel_ != nullptr ? channel_->counters() : EventCounters{};
    }

private:
    EventChannel* channel_;
};

}  // namespace burgee::detail
