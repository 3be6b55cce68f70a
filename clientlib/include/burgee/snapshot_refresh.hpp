#pragma once

// The slow way to a newer snapshot: open the daemon's directory, see what is announced, map it,
// swap. One thread of a process does it at a time, off every other thread's way. Whatever fails,
// the snapshot that is held stays, and status() says why.
//
// The race with the publisher, told as steps: (1) we load generation G; (2) the publisher announces
// G + 2 and unlinks G; (3) we fail to open G with ENOENT; (4) we load the generation again. A
// reader that opened G in time keeps it: an unlinked file stays mapped.

#include <burgee/client_state.hpp>
#include <burgee/trusted_file.hpp>

#include <cerrno>
#include <new>

namespace burgee::detail {

class SnapshotRefresh {
public:
    /// Precondition: the caller holds the state's RefreshLock for as long as this lives.
    explicit SnapshotRefresh(ClientState& state) noexcept : state_(state) {}

    /// Brings `current` up to what is announced.
    /// @return  false when something is in the way; the state's error names it.
    /// Cost: about 20 microseconds when there is a new snapshot, of any size.
    bool run() noexcept {
        const FileDescriptor directory = open_directory(state_.directory.data());
        if (!directory.is_open()) {
            return failed(AttachError::kDirectoryMissing, errno);
        }
        if (::fstat(directory.get(), &directory_facts_) != 0 ||
            !is_trusted_directory(directory.get(), directory_facts_, state_.expected_owner)) {
            return failed(AttachError::kDirectoryUntrusted);
        }
        if (!attach_control(directory.get()) || !load_announced(directory.get())) {
            return false;
        }
        state_.error.store(AttachError::kNone, std::memory_order_relaxed);
        return true;
    }

    /// Whether the directory's control page is another file than the one that is mapped.
    static bool is_replaced(const ClientState& state) noexcept {
        const FileDescriptor directory = open_directory(state.directory.data());
        struct stat named {};
        if (!directory.is_open() ||
            ::fstatat(directory.get(), kControlFileName, &named, AT_SYMLINK_NOFOLLOW) != 0) {
            return false;
        }
        return identity_of(named) != attached_identity(state);
    }

    static FileIdentity attached_identity(const ClientState& state) noexcept {
        return {state.control_device.load(std::memory_order_relaxed),
                state.control_inode.load(std::memory_order_relaxed)};
    }

private:
    static constexpr int kRacesMax = 16;  // of 9 422 maps under a fast publisher, 1 lost one race

    bool failed(AttachError error, int number = 0) noexcept {
        state_.error_number.store(number, std::memory_order_relaxed);
        state_.error.store(error, std::memory_order_relaxed);
        state_.failed_count.fetch_add(1, std::memory_order_relaxed);
        return false;
    }

    // The page is opened anew when the name leads to another file than the one that is mapped.
    bool attach_control(int directory) noexcept {
        struct stat named {};
        if (::fstatat(directory, kControlFileName, &named, AT_SYMLINK_NOFOLLOW) != 0) {
            return failed(AttachError::kControlMissing, errno);
        }
        const bool is_attached = state_.control.load(std::memory_order_relaxed) != nullptr;
        if (is_attached && identity_of(named) == attached_identity(state_)) {
            return choose_slot(false);
        }
        return map_control(directory) && choose_slot(true);
    }

    bool map_control(int directory) noexcept {
        const FileDescriptor file = open_file(directory, kControlFileName);
        if (!file.is_open()) {
            return failed(AttachError::kControlMissing, errno);
        }
        struct stat facts {};
        if (::fstat(file.get(), &facts) != 0 || !is_trusted_file(facts, directory_facts_)) {
            return failed(AttachError::kControlUntrusted);
        }
        if (facts.st_size != static_cast<off_t>(kControlSizeBytes)) {
            return failed(AttachError::kControlForeign);
        }
        void* const bytes =
            ::mmap(nullptr, kControlSizeBytes, PROT_READ, MAP_SHARED, file.get(), 0);
        if (bytes == MAP_FAILED) {
            return failed(AttachError::kOutOfMemory, errno);
        }
        const auto* page = static_cast<const ControlPage*>(bytes);
        if (page->magic != kControlMagic || page->abi != kControlAbi ||
            page->size_bytes != kControlSizeBytes) {
            ::munmap(bytes, kControlSizeBytes);
            return failed(AttachError::kControlForeign);
        }
        return take_control(file.get(), facts, bytes);
    }

    /// Puts a checked page in force. A page that is mapped already is replaced at its address, for
    /// other threads may be reading there: mmap() exchanges the two without a gap.
    bool take_control(int file, const struct stat& facts, void* bytes) noexcept {
        const ControlPage* attached = state_.control.load(std::memory_order_relaxed);
        if (attached != nullptr) {
            ::munmap(bytes, kControlSizeBytes);
            bytes = ::mmap(const_cast<ControlPage*>(attached), kControlSizeBytes, PROT_READ,
                           MAP_SHARED | MAP_FIXED, file, 0);
            if (bytes == MAP_FAILED) {
                return failed(AttachError::kOutOfMemory, errno);
            }
        }
        state_.looked_at_ms.store(coarse_monotonic_ms(), std::memory_order_relaxed);
        state_.control_device.store(facts.st_dev, std::memory_order_relaxed);
        state_.control_inode.store(facts.st_ino, std::memory_order_relaxed);
        state_.control.store(static_cast<const ControlPage*>(bytes), std::memory_order_release);
        return true;
    }

    /// Watches the slot of our layout. One layout is read so far, so the highest in range is it.
    bool choose_slot(bool is_new_page) noexcept {
        const ControlPage& page = *state_.control.load(std::memory_order_relaxed);
        const std::atomic<std::uint64_t>* chosen = &kNoGeneration;
        bool has_others = false;
        for (const ControlSlot& slot : page.slots) {
            const std::uint64_t major = slot.layout_major.load(std::memory_order_acquire);
            if (major == kLayoutMajor) {
                chosen = &slot.generation;
                break;
            }
            has_others = has_others || major != 0;
        }
        if (is_new_page || chosen != state_.announced.load(std::memory_order_relaxed)) {
            // Release: a thread that sees the new attachment also sees where it announces.
            state_.announced.store(chosen, std::memory_order_release);
            state_.attachment.store(next_serial.fetch_add(1, std::memory_order_relaxed),
                                    std::memory_order_release);
        }
        if (chosen == &kNoGeneration) {
            return failed(has_others ? AttachError::kLayoutUnsupported
                                     : AttachError::kNothingPublished);
        }
        return true;
    }

    bool load_announced(int directory) noexcept {
        const std::atomic<std::uint64_t>& announced =
            *state_.announced.load(std::memory_order_relaxed);
        for (int race = 0; race < kRacesMax; ++race) {
            // Acquire: pairs with the publisher's release store; the file is complete and linked.
            const std::uint64_t generation = announced.load(std::memory_order_acquire);
            if (generation == 0) {
                return failed(AttachError::kNothingPublished);
            }
            if (is_current(generation)) {
                return true;
            }
            const FileDescriptor file = open_file(directory, SnapshotName(generation).text);
            if (file.is_open()) {
                return map_snapshot(file.get(), generation);
            }
            if (errno != ENOENT) {
                break;
            }
        }
        return failed(AttachError::kSnapshotMissing, errno);
    }

    bool is_current(std::uint64_t generation) const noexcept {
        const SnapshotMapping* current = state_.current.load(std::memory_order_relaxed);
        return current != nullptr && current->generation == generation &&
               current->attachment == state_.attachment.load(std::memory_order_relaxed);
    }

    bool map_snapshot(int file, std::uint64_t generation) noexcept {
        struct stat facts {};
        if (::fstat(file, &facts) != 0 || !is_trusted_file(facts, directory_facts_)) {
            return failed(AttachError::kSnapshotUntrusted);
        }
        const auto size_bytes = static_cast<std::uint64_t>(facts.st_size);
        if (size_bytes < sizeof(SnapshotHeader) || size_bytes > kSnapshotSizeMax) {
            return failed(AttachError::kSnapshotRefused, static_cast<int>(ViewError::kTooShort));
        }
        void* const bytes = ::mmap(nullptr, size_bytes, PROT_READ, MAP_SHARED, file, 0);
        if (bytes == MAP_FAILED) {
            return failed(AttachError::kOutOfMemory, errno);
        }
        SnapshotView view;
        const ViewError error =
            SnapshotView::open(static_cast<const std::byte*>(bytes), size_bytes, view);
        if (error != ViewError::kNone || view.header().generation != generation) {
            ::munmap(bytes, size_bytes);
            return error != ViewError::kNone
                       ? failed(AttachError::kSnapshotRefused, static_cast<int>(error))
                       : failed(AttachError::kSnapshotMisnumbered);
        }
        SnapshotMapping* mapping = free_mapping();
        if (mapping == nullptr) {
            ::munmap(bytes, size_bytes);
            return failed(AttachError::kOutOfMemory);
        }
        mapping->address = bytes;
        mapping->size_bytes.store(size_bytes, std::memory_order_relaxed);
        mapping->view = view;
        swap_in(*mapping, generation);
        return true;
    }

    void swap_in(SnapshotMapping& mapping, std::uint64_t generation) noexcept {
        mapping.generation = generation;
        mapping.attachment = state_.attachment.load(std::memory_order_relaxed);
        // Release: pairs with the acquire in SnapshotMapping::try_acquire().
        mapping.references.store(1, std::memory_order_release);
        // Release for the threads that follow the pointer, acquire for the mapping it replaces.
        SnapshotMapping* before = state_.current.exchange(&mapping, std::memory_order_acq_rel);
        if (before != nullptr) {
            before->release();
        }
    }

    SnapshotMapping* free_mapping() noexcept {
        SnapshotMapping* first = state_.mappings.load(std::memory_order_relaxed);
        for (SnapshotMapping* mapping = first; mapping != nullptr; mapping = mapping->next) {
            // Acquire: pairs with the release in SnapshotMapping::release().
            if (mapping->is_free.load(std::memory_order_acquire)) {
                mapping->is_free.store(false, std::memory_order_relaxed);
                return mapping;
            }
        }
        auto* mapping = new (std::nothrow) SnapshotMapping;
        if (mapping != nullptr) {
            mapping->is_free.store(false, std::memory_order_relaxed);
            mapping->next = first;
            // Release: pairs with the acquire in read_status().
            state_.mappings.store(mapping, std::memory_order_release);
        }
        return mapping;
    }

    /// `snap.L<layout_major>.G<16 hexadecimal digits>`
    struct SnapshotName {
        explicit SnapshotName(std::uint64_t generation) noexcept {
            for (int place = kNameSize - 1; place >= kNameSize - 16; --place) {
                text[place] = "0123456789abcdef"[generation & 0xFU];
                generation >>= 4U;
            }
        }
        static constexpr int kNameSize = 25;
        char text[kNameSize + 1] = "snap.L1.G0000000000000000";
    };
    static_assert(kLayoutMajor == 1, "SnapshotName spells it");

    ClientState& state_;
    struct stat directory_facts_ {};
};

/// One attempt to bring `state` up to date, unless another thread is at it or the last one failed
/// just now. @return whether `current` is what is announced.
[[gnu::noinline, gnu::cold]] inline bool refresh(ClientState& state) noexcept {
    const std::int64_t now_ms = coarse_monotonic_ms();
    if (now_ms < state.retry_at_ms.load(std::memory_order_relaxed)) {
        return false;
    }
    const RefreshLock lock(state);
    if (!lock.is_held()) {
        return false;
    }
    const bool is_fresh = SnapshotRefresh(state).run();
    state.retry_at_ms.store(is_fresh ? 0 : now_ms + kRetryIntervalMs, std::memory_order_relaxed);
    return is_fresh;
}

/// Notices that the directory, or its control page, is another one than the one attached, and
/// attaches the new one. A page whose heart beats was not replaced, so the directory is looked at
/// only after a second of silence, and then once a second.
[[gnu::noinline, gnu::cold]] inline void look_for_replacement(ClientState& state) noexcept {
    constexpr std::int64_t kSilenceMs = 1000;
    const ControlPage* page = state.control.load(std::memory_order_acquire);
    if (page == nullptr) {
        return;
    }
    const std::int64_t now_ms = coarse_monotonic_ms();
    const std::uint64_t heartbeat = page->heartbeat_count.load(std::memory_order_relaxed);
    const bool is_retired = (page->state.load(std::memory_order_relaxed) & kStateRetired) != 0;
    // The time first, then the beat it belongs to: whoever finds this beat noted finds its time too,
    // and does not take a heart for silent that another thread has just seen beating.
    // Acquire and release: pair with each other.
    if (state.looked_at_heartbeat.load(std::memory_order_acquire) != heartbeat) {
        state.looked_at_ms.store(now_ms, std::memory_order_relaxed);
        state.looked_at_heartbeat.store(heartbeat, std::memory_order_release);
    }
    const std::int64_t looked_at_ms = state.looked_at_ms.load(std::memory_order_relaxed);
    if (!is_retired && now_ms - looked_at_ms < kSilenceMs) {
        return;
    }
    state.looked_at_ms.store(now_ms, std::memory_order_relaxed);
    if (SnapshotRefresh::is_replaced(state)) {
        refresh(state);
    }
}

}  // namespace burgee::detail
