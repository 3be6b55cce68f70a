#include "tests/fault/spool_life.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <new>
#include <stdexcept>

#include "tests/daemon/spool_events.hpp"
#include "tests/fault/accounting.hpp"

namespace burgee::test {
namespace {

using daemon::Spool;
using daemon::SpoolBatch;

constexpr std::uint32_t kBatchEvents = 700;  // just under the 128 KiB that a batch may have
constexpr int kBatchesInGroup = 4;
constexpr std::uint32_t kGroupEvents = kBatchEvents * kBatchesInGroup;
constexpr std::size_t kGroups = 15;                   // seven segments of 1 MiB
constexpr int kAttemptsMax = 4;                       // one fault makes at most two calls fail
constexpr std::uint64_t kNumberBase = 1'000'000'000;  // of session 1, see event_number()

[[noreturn]] void give_up() {
    ::_exit(3);
}

/// Tries until it works; counts what did not.
template <class Try>
auto insist(SpoolNotes& notes, Try&& attempt) {
    for (int count = 0; count < kAttemptsMax; ++count) {
        auto result = attempt();
        if (result) {
            return result;
        }
        notes.refusals.fetch_add(1);
    }
    give_up();
}

std::unique_ptr<Spool> open(const std::string& directory, SpoolNotes& notes) {
    return std::move(*insist(notes, [&] {
        auto opened = Spool::open(directory, SpoolLife::options());
        notes.failed_openings.fetch_add(opened ? 0U : 1U);
        return opened;
    }));
}

void deliver(Spool& spool, std::uint64_t next_lsn, SpoolNotes& notes) {
    notes.cursor.store(next_lsn);  // before: from here on nobody is owed what lies below
    spool.release(next_lsn);
}

void change_id(Spool& spool, SpoolNotes& notes) {
    const auto change = insist(notes, [&] { return spool.propose_id(spool.durable_end_lsn()); });
    insist(notes, [&] { return spool.adopt_id(); });
    notes.adopted_id = change->id;
    notes.has_adopted_id.store(true);
}

}  // namespace

void SpoolNotes::reset() {
    sent = 0;
    acknowledged = 0;
    cursor = 1;
    refusals = 0;
    failed_openings = 0;
    steps = 0;
    has_adopted_id = false;
    adopted_id = {};
}

SharedNotes::SharedNotes() {
    void* memory = ::mmap(nullptr, sizeof(SpoolNotes), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        throw std::runtime_error("no memory to share");
    }
    notes_ = new (memory) SpoolNotes{};
    notes_->reset();
}

SharedNotes::~SharedNotes() {
    ::munmap(notes_, sizeof(SpoolNotes));
}

daemon::SpoolOptions SpoolLife::options() {
    daemon::SpoolOptions options;
    options.segment_size_bytes = 1 << 20;
    options.replay_window_bytes = 0;
    return options;
}

SpoolLife::SpoolLife() {
    for (std::size_t index = 0; index < kGroups; ++index) {
        Group group;
        group.first_seq = index * kGroupEvents + 1;
        group.events = make_events(1, group.first_seq, kGroupEvents);
        groups_.push_back(std::move(group));
    }
}

void SpoolLife::append(Spool& spool, std::size_t index, SpoolNotes& notes) const {
    const Group& group = groups_[index];
    insist(notes, [&] {
        std::size_t offset = 0;
        std::uint64_t seq = group.first_seq;
        for (int number = 0; number < kBatchesInGroup; ++number, seq += kBatchEvents) {
            const std::size_t begin = offset;
            for (std::uint32_t event = 0; event < kBatchEvents; ++event) {
                std::uint32_t size_bytes = 0;
                std::memcpy(&size_bytes, group.events.data() + offset, sizeof size_bytes);
                offset += size_bytes;
            }
            daemon::StagedBatch batch = make_batch(1, seq, kBatchEvents, {});
            batch.events = std::span(group.events).subspan(begin, offset - begin);
            if (!spool.stage(batch)) {
                give_up();  // the disk is not asked here
            }
        }
        notes.sent.store(std::max(notes.sent.load(), seq - 1));
        return spool.commit();
    });
    notes.acknowledged.store(group.first_seq + kGroupEvents - 1);
}

void SpoolLife::live(const std::string& directory, SpoolNotes& notes) const {
    auto spool = open(directory, notes);
    for (std::size_t index = 0; index < groups_.size(); ++index) {
        append(*spool, index, notes);
        if (index == 1 || index == 8) {
            insist(notes, [&] { return spool->tick(); });
        }
        if (index == 5) {  // two full segments become spares
            deliver(*spool, spool->durable_end_lsn() - kGroupEvents, notes);
        }
        if (index == 7) {
            spool.reset();
            spool = open(directory, notes);
            spool->release(notes.cursor.load());
        }
        if (index == 10) {
            change_id(*spool, notes);
        }
        if (index == 12) {  // more full segments than spares are kept: some are deleted
            deliver(*spool, spool->durable_end_lsn(), notes);
        }
        notes.steps.fetch_add(1);
    }
}

std::string SpoolLife::judge(const std::string& directory, const SpoolNotes& notes) const {
    auto opened = Spool::open(directory, options());
    if (!opened) {
        return "does not open: " + opened.error().message;
    }
    Spool& spool = **opened;
    const std::uint64_t acknowledged = notes.acknowledged;
    const std::uint64_t end = spool.durable_end_lsn();
    // One session, no refusals: event n has the LSN n, whatever died in between.
    if (end < acknowledged + 1 || end > notes.sent + 1) {
        return "ends at " + std::to_string(end) + ", acknowledged " + std::to_string(acknowledged) +
               ", sent " + std::to_string(notes.sent);
    }
    const std::uint64_t from = std::max(spool.oldest_lsn(), std::uint64_t{1});
    if (from > notes.cursor) {
        return "events from " + std::to_string(notes.cursor) + " on are owed, it begins at " +
               std::to_string(from);
    }
    SpoolBatch batch;
    const auto numbers = read_numbers(spool, from, &batch);
    for (std::size_t index = 0; index < numbers.size(); ++index) {
        if (numbers[index] != kNumberBase + from + index) {
            return "event " + std::to_string(from + index) + " holds " +
                   std::to_string(numbers[index]);
        }
    }
    if (from + numbers.size() != end || !batch.gaps.empty() ||
        spool.statistics().events_lost != 0) {
        return "events are called lost";
    }
    const auto sessions = spool.sessions();
    if (end > 1 && (sessions.size() != 1 || sessions[0].last_seq != end - 1)) {
        return "the session does not know where it stands";
    }
    if (notes.has_adopted_id && spool.spool_id() != notes.adopted_id) {
        return "the id it had adopted is forgotten";
    }
    const std::uint64_t cursor = std::clamp<std::uint64_t>(notes.cursor, 1, end);
    spool.release(cursor);
    read_numbers(spool, cursor, &batch);
    if (std::string wrong = complaint(spool.statistics(), batch); !wrong.empty()) {
        return wrong;
    }
    const auto fresh = make_events(1, end, 1);
    if (!spool.stage(make_batch(1, end, 1, fresh)) || !spool.commit()) {
        return "takes nothing any more";
    }
    return "";
}

}  // namespace burgee::test
