#pragma once

// The name of a snapshot file: `snap.L<layout_major>.G<16 hexadecimal digits of the generation>`.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace burgee {

struct SnapshotFileName {
    std::uint32_t layout_major = 0;
    std::uint64_t generation = 0;

    std::string text() const;

    /// The parts of `text`, or nothing when it is no name that text() would have given.
    static std::optional<SnapshotFileName> parse(std::string_view text);
};

}  // namespace burgee
