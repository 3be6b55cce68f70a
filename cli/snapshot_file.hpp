#pragma once

// A snapshot file given by name and mapped for looking at: a copy from another host, the last good
// one on disk. What is published now comes through the client instead (publication.hpp).

#include <cstddef>
#include <string>

#include <burgee/snapshot_view.hpp>

namespace burgee::cli {

/// Maps one file read-only for as long as it lives. Neither copied nor moved, because the view
/// points into it.
class SnapshotFile {
public:
    /// Throws Failure kNotFound when there is no such file, kFailed when its bytes are no snapshot
    /// that this program understands, naming the check that refused them.
    explicit SnapshotFile(const std::string& path);
    ~SnapshotFile();
    SnapshotFile(const SnapshotFile&) = delete;
    SnapshotFile& operator=(const SnapshotFile&) = delete;

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] const SnapshotView& view() const noexcept { return view_; }

private:
    std::string path_;
    void* bytes_ = nullptr;
    std::size_t size_bytes_ = 0;
    SnapshotView view_;
};

}  // namespace burgee::cli
