#pragma once

// What burgeed has published on this host, through the client that services use: whatever is seen
// here, every process answers from it at its next question.

#include <cstdint>
#include <string>

#include <burgee/client.hpp>

namespace burgee::cli {

/// One client on one directory. Thread safety: one thread at a time.
class Publication {
public:
    /// Attaches; nothing published is no failure yet.
    explicit Publication(const std::string& directory);

    /// The snapshot that answers now.
    /// Throws Failure kUnreachable, saying why, when there is none.
    [[nodiscard]] Snapshot snapshot() const;

    [[nodiscard]] Client& client() noexcept { return client_; }

    /// Waits until a snapshot that contains `revision` is announced.
    /// @return  false when `timeout_seconds` passed first, or at once when no burgeed is alive:
    ///          problem() says what stands in the way.
    /// Cost: a look every 200 microseconds, so that the time it took is worth printing.
    [[nodiscard]] bool wait_for_revision(std::uint64_t revision, double timeout_seconds) const;

    [[nodiscard]] std::uint64_t generation() const noexcept { return client_.generation(); }

    /// Why the newest change is not here: no daemon, a dead one, or one that lags. One clause.
    [[nodiscard]] std::string problem() const;

private:
    std::string directory_;
    Client client_;
};

}  // namespace burgee::cli
