#pragma once

// The life of a spool in miniature: first start, groups of events, segments that fill up, a
// watermark, delivery that recycles and deletes, a restart, a new id. Short enough to be run a
// thousand times, with a crash or a failure at another place each time; and the oracle that says
// afterwards whether every promise was kept. What was promised is noted in memory that outlives the
// process, never read from the spool.

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/spool/spool.hpp"

namespace burgee::test {

/// What a life has promised and was told, in memory that it shares with the test.
struct SpoolNotes {
    std::atomic<std::uint64_t> sent;             ///< highest number given to stage()
    std::atomic<std::uint64_t> acknowledged;     ///< highest number that commit() made durable
    std::atomic<std::uint64_t> cursor;           ///< events below were delivered
    std::atomic<std::uint64_t> refusals;         ///< errors that a call returned
    std::atomic<std::uint64_t> failed_openings;  ///< of them: of Spool::open()
    std::atomic<std::uint64_t> steps;            ///< of the script that are done
    std::atomic<bool> has_adopted_id;
    std::array<std::uint8_t, 16> adopted_id;

    void reset();
};

/// Notes in memory shared with children.
class SharedNotes {
public:
    SharedNotes();
    ~SharedNotes();
    SharedNotes(const SharedNotes&) = delete;
    SharedNotes& operator=(const SharedNotes&) = delete;
    SpoolNotes& operator*() const { return *notes_; }
    SpoolNotes* operator->() const { return notes_; }

private:
    SpoolNotes* notes_;
};

class SpoolLife {
public:
    SpoolLife();

    /// The whole life in `directory`, each failed call tried again as burgeed and its clients do.
    /// Ends the process with exit code 3 when something fails more often than one fault explains.
    void live(const std::string& directory, SpoolNotes& notes) const;

    /// Opens the spool as the next process and holds it against the notes: everything acknowledged
    /// is there once, whole and in order, nothing was invented, nothing is called lost, the session
    /// knows where it stands, the accounts balance and a new event is taken.
    /// @return  "", or what is wrong
    std::string judge(const std::string& directory, const SpoolNotes& notes) const;

    static daemon::SpoolOptions options();

private:
    struct Group {
        std::uint64_t first_seq = 0;
        std::vector<std::byte> events;
    };

    void append(daemon::Spool& spool, std::size_t index, SpoolNotes& notes) const;

    std::vector<Group> groups_;  // made before any child, so that children spend no time on it
};

}  // namespace burgee::test
