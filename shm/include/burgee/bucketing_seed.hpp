#pragma once

// Seeds of a flag's draws: part of the one definition of where a unit stands (bucketing.hpp has the
// rest). The daemon computes them and stores them in the flag's record, so that a check need not. A
// change here moves users between variants and is therefore forbidden.

#include <burgee/checksum.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace burgee {

/// Purposes a flag draws for. Each has a seed of its own, so that the draws are independent.
inline constexpr std::string_view kPurposeRollout = "rollout";
inline constexpr std::string_view kPurposeVariant = "variant";
inline constexpr std::string_view kPurposeLayer = "layer";

/// XXH3-64 of purpose, a zero byte and the salt: the seed of hash64(unit, seed).
/// Cost: a copy of the text; for the daemon and the tools, a check reads it from the flag's record.
inline std::uint64_t seed(std::string_view purpose, std::string_view salt) {
    std::string text(purpose);
    text.append(1, '\0').append(salt);
    return hash64(text);
}

}  // namespace burgee
