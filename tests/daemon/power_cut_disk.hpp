#pragma once

// A disk in memory that loses power: what was not synced may be on it or not, block by block, in
// any combination; names likewise, in their order. It can also fail a chosen call, be full, and
// rot.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "daemon/spool/spool_disk.hpp"

namespace burgee::test {

/// What changes a disk.
enum class DiskStep : std::uint8_t {
    kWrite,
    kSync,
    kAllocate,
    kCreate,
    kRename,
    kRemove,
    kSyncNames,
};
inline constexpr std::size_t kDiskStepCount = 7;

/// What survives of one file, and what its process believes.
struct DiskFile {
    std::vector<std::byte> durable;
    std::vector<std::byte> cached;
    std::map<std::uint64_t, std::uint64_t> dirty;      ///< begin -> end of unsynced writes
    std::uint64_t unreadable_at = ~0ULL;               ///< a byte of a block that gives EIO
    std::map<std::uint64_t, std::uint64_t> abandoned;  ///< of those that a failed sync left out
    bool has_failed_sync = false;                      ///< since the last cut
};

/// The disk itself; it outlives the spools that are opened on it.
class PowerCutDisk {
public:
    explicit PowerCutDisk(std::uint64_t seed) : random_(seed) {}

    /// A view for Spool::open().
    std::unique_ptr<daemon::SpoolDisk> attach();

    /// Loses power: each unsynced block of `block_size` bytes is old or new by chance, and a random
    /// number of the latest name changes is undone.
    void cut(std::uint64_t block_size);

    /// The n-th write or sync from now on, 0 the next one, gives `error`; later ones work.
    void fail_call(std::uint64_t index, int error) {
        failing_call_ = calls_ + index;
        failing_error_ = error;
    }
    /// The machine dies in the n-th step from now on, 0 the next one: that step is left unfinished,
    /// and nothing reaches the disk after it until cut().
    void die_at(std::uint64_t index) { last_step_ = steps_ + index; }
    /// In which step it died; nothing while it lives.
    std::optional<DiskStep> died_in() const { return died_in_; }
    /// Every sync fails from here on, or none does.
    void fail_syncs(int error) { sync_error_ = error; }
    /// allocate() fails once all files together would be larger.
    void set_capacity(std::uint64_t size_bytes) { capacity_ = size_bytes; }

    /// The files as the process sees them.
    std::map<std::string, std::shared_ptr<DiskFile>>& files() { return names_; }
    std::uint64_t syncs() const { return syncs_; }
    /// How often a file was synced again after a sync of it had failed: must stay 0.
    std::uint64_t syncs_after_failure() const { return syncs_after_failure_; }

private:
    friend class AttachedDisk;
    friend class AttachedFile;
    using Names = std::map<std::string, std::shared_ptr<DiskFile>>;

    bool is_cut_off(DiskStep step);
    int next_call_error(bool is_sync);
    std::uint64_t total_size() const;

    std::mt19937_64 random_;
    Names names_;
    std::vector<Names> name_history_;  ///< states since the last sync_names(), oldest first
    std::uint64_t steps_ = 0;
    std::uint64_t last_step_ = ~0ULL;
    std::optional<DiskStep> died_in_;
    std::uint64_t calls_ = 0;
    std::uint64_t failing_call_ = ~0ULL;
    int failing_error_ = 0;
    int sync_error_ = 0;
    std::uint64_t capacity_ = ~0ULL;
    std::uint64_t syncs_ = 0;
    std::uint64_t syncs_after_failure_ = 0;
};

}  // namespace burgee::test
