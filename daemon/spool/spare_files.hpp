#pragma once

// The files of a spool that wait to become segments: their room is reserved, and what stands in
// them means nothing. Used by the segment store alone, under its lock.
//
// Invariant: a spare is filled with zeros while the segment before it is written, because a sync of
// room that is only reserved takes nearly twice as long as one of room that was written before.
// Nobody ever waits for it: a spare that is not filled serves as well.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/spool/spool_disk.hpp"

namespace burgee::daemon {

/// How the name of every spare file begins.
inline constexpr const char* kSparePrefix = "spare.";

class SpareFiles {
public:
    /// @param names  files that are there already, of `size_bytes` or more
    SpareFiles(SpoolDisk& disk, std::uint64_t size_bytes, const std::vector<std::string>& names);

    std::size_t count() const { return spares_.size(); }
    /// A name that no file has had.
    std::string new_name();

    /// Makes another one. @return errno: there is none then.
    int make();
    /// Takes over a file that has been a segment, so that its blocks were written.
    void add_used(std::string name) { spares_.push_back({std::move(name), true}); }
    /// Gives one away, a filled one if there is one. Precondition: count() > 0.
    std::string take();

    /// Fills `size_bytes` more, unless one is filled already or none is there.
    void fill(std::uint64_t size_bytes);

private:
    struct Spare {
        std::string name;
        bool is_filled = false;
    };
    struct Filling {
        std::string name;
        std::unique_ptr<SpoolFile> file;
        std::uint64_t offset = 0;
    };
    bool begin_filling();
    void end_filling(bool is_written);

    SpoolDisk& disk_;
    std::uint64_t size_bytes_;
    std::uint64_t next_no_ = 1;
    std::vector<Spare> spares_;
    std::optional<Filling> filling_;
};

}  // namespace burgee::daemon
