#pragma once

// Puts snapshots where every process of the host finds them: one immutable file a generation, and
// the control page that names the current one. One publisher per directory; the kernel enforces it.
//
// Invariants:
//   1. A file is complete, checked and linked before its generation is announced.
//   2. Generations only grow, also over restarts and kills.
//   3. A kill at any moment leaves the old snapshot or the new one in force, and at most files that
//   the
//      next open() removes.
//   4. A snapshot file is never written, truncated or replaced once it has a name.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include <burgee/control_page.hpp>
#include <burgee/snapshot_layout.hpp>

#include "shm/control_file.hpp"
#include "shm/file_descriptor.hpp"
#include "shm/publish_error.hpp"
#include "shm/read_back.hpp"

namespace burgee {

struct PublisherOptions {
    std::uint64_t snapshot_size_max = kSnapshotSizeMax;  ///< bytes
    /// How long a file stays after two newer ones: time for a reader that has read its number to
    /// open it. A reader that comes later finds it gone and asks for the current number again.
    std::chrono::milliseconds retire_after{30'000};
};

/// Thread safety: one thread at a time, except beat() and set_state(), which any thread may call.
class Publisher {
public:
    template <typename T>
    using Result = PublishResult<T>;

    /// Takes over `directory`: adopts its control page or makes one, keeps others out, and removes
    /// what a killed predecessor left. Blocks nobody. Errors: kDirectory, kControl, kSecondDaemon,
    /// kSystem.
    static Result<Publisher> open(const std::string& directory, PublisherOptions options = {});

    Publisher(Publisher&&) noexcept = default;
    /// Clears kStateRunning; the snapshots stay for the readers.
    ~Publisher();

    /// Writes `image` (from SnapshotBuilder or last-known-good) as the next generation, reads it
    /// back through SnapshotView, and announces it. The generation in the image is raised where
    /// necessary.
    /// @return  the generation announced; on any error the previous one stays in force.
    /// Errors: kTooLarge, kNoSpace, kBadImage, kDirectory (it was removed), kSystem.
    Result<std::uint64_t> publish(std::span<const std::byte> image, const ReadBack& read_back);

    /// 1 + the highest generation ever seen here: on the page, in file names, or
    /// raise_generation().
    std::uint64_t next_generation() const { return generation_max_ + 1; }

    /// Makes later generations greater than `generation`, for example that of last-known-good.
    void raise_generation(std::uint64_t generation);

    /// The generation in force; 0 before the first.
    std::uint64_t current_generation() const;

    void beat();                                ///< One heartbeat; call it every 250 ms.
    void set_state(ControlState bit, bool on);  ///< Shows or hides a state to all clients.
    std::uint64_t state() const;

    /// Whether the directory's `control` is still ours; false once somebody removed or recreated
    /// it.
    bool is_control_current() const;

    /// Unlinks files of generations that are two behind and older than `retire_after`; publish()
    /// does so too. Returns how many went.
    std::size_t retire_old_files();

    const std::string& directory() const { return directory_; }

private:
    struct LinkedFile {
        std::uint64_t generation;
        std::chrono::steady_clock::time_point linked_at;
    };

    Publisher(std::string directory, PublisherOptions options, ControlFile control);
    Result<void> sweep();
    Result<FileDescriptor> write_file(std::span<const std::byte> image,
                                      const SnapshotHeader& header);
    Result<std::uint64_t> link_as_next(const FileDescriptor& file, std::span<const std::byte> image,
                                       std::uint64_t generation);
    void announce(std::uint64_t generation, std::uint64_t content_hash);

    std::string directory_;
    PublisherOptions options_;
    ControlFile control_;
    std::uint64_t generation_max_ = 0;
    std::deque<LinkedFile> linked_;  ///< oldest first
};

}  // namespace burgee
