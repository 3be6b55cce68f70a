#pragma once

// One consistent generation for as long as the caller likes: for a request that asks many
// questions, for coroutines, for work that changes threads.

#include <burgee/evaluation.hpp>

#include <cstdint>
#include <string_view>
#include <utility>

namespace burgee {

/// A pinned snapshot, from Client::pin(). It may move between threads and be copied; each keeps the
/// snapshot mapped by an atomic count. An empty one answers NOT_READY.
/// Thread safety: const members from any thread; an object is written by one thread at a time.
class Snapshot {
public:
    Snapshot() noexcept = default;
    Snapshot(const Snapshot& other) noexcept : mapping_(other.mapping_) {
        if (mapping_ != nullptr) {
            mapping_->acquire();
        }
    }
    Snapshot(Snapshot&& other) noexcept : mapping_(std::exchange(other.mapping_, nullptr)) {}
    Snapshot& operator=(Snapshot other) noexcept {
        std::swap(mapping_, other.mapping_);
        return *this;
    }
    ~Snapshot() {
        if (mapping_ != nullptr) {
            mapping_->release();
        }
    }

    bool is_ready() const noexcept { return mapping_ != nullptr; }
    std::uint64_t generation() const noexcept { return is_ready() ? mapping_->generation : 0; }
    std::uint64_t revision() const noexcept {
        return is_ready() ? mapping_->view.header().revision : 0;
    }

    /// The same questions as Client's, always answered from this snapshot.
    bool is_enabled(std::string_view name, const Context& context,
                    bool fallback = false) const noexcept {
        if (!is_ready()) {
            return fallback;
        }
        const SnapshotView& view = mapping_->view;
        return detail::answer_or(view, view.find(hash64(name)), context, fallback).is_enabled;
    }

    /// The Evaluation keeps the snapshot alive by itself, and may leave this thread.
    Evaluation evaluate(std::string_view name, const Context& context,
                        bool fallback = false) const noexcept {
        if (!is_ready()) {
            return Evaluation(fallback);
        }
        const SnapshotView& view = mapping_->view;
        const FlagRecord* flag = view.find(hash64(name));
        return {mapping_, &view, flag, detail::answer_or(view, flag, context, fallback)};
    }

    /// The records themselves, for tools; precondition: is_ready().
    const SnapshotView& view() const& noexcept { return mapping_->view; }
    const SnapshotView& view() const&& = delete;

private:
    friend class Client;
    /// Takes over one reference.
    explicit Snapshot(detail::SnapshotMapping* mapping) noexcept : mapping_(mapping) {}

    detail::SnapshotMapping* mapping_ = nullptr;
};

}  // namespace burgee
