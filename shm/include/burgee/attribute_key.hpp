#pragma once

// The 64-bit key under which programs ask for an attribute and contexts hold it. A literal's key is
// a constant of the service's machine code, so that building a context hashes nothing and looking
// an attribute up compares integers. Stored in snapshots: it never changes.
//
// Two names in use share a key with a chance of about 2^-64 a pair, which is believed; nothing that
// moves a unit depends on it (buckets and fingerprints are XXH3).

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace burgee {
namespace detail {

constexpr std::uint64_t kAttributeKeyPrimes[2] = {0x9E3779B97F4A7C15U, 0xD1B54A32D192ED03U};

/// Both halves of the 128-bit product, folded.
constexpr std::uint64_t folded_product(std::uint64_t left, std::uint64_t right) noexcept {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(left) * right;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

/// The bytes of a Word as a little endian number.
template <typename Word>
constexpr std::uint64_t word_at(const char* bytes) noexcept {
    if (__builtin_is_constant_evaluated()) {
        std::uint64_t word = 0;
        for (std::size_t index = sizeof(Word); index > 0; --index) {
            word = word << 8U | static_cast<unsigned char>(bytes[index - 1]);
        }
        return word;
    }
    Word word{};
    std::memcpy(&word, bytes, sizeof word);  // little endian is checked by the snapshot's tag
    return word;
}

}  // namespace detail

/// The key of an attribute's name, never 0. With primes P0 and P1, fold(a, b) the exclusive or of
/// both halves of a * b, and words little endian:
///
///   s = P0, and for each 16 bytes (x, y) of two words while more than 16 remain:
///       s = fold(x ^ P1, y ^ s)
///   n = bytes in all; of the last 16 (or of all n, if fewer) bytes take two words a, b:
///       n > 8: the first and the last 8 of them;  n >= 4: the first and the last 4
///       n >= 1: a = first << 16 | middle (index n / 2) << 8 | last, b = 0;  n = 0: both 0
///   key = fold(P1 ^ n, fold(a ^ P1, b ^ s)), or 1 where that is 0
///
/// Thread safety: pure. Cost: nothing for a literal, about 2 ns otherwise.
[[gnu::always_inline]] constexpr std::uint64_t attribute_key(std::string_view name) noexcept {
    using detail::folded_product;
    const char* bytes = name.data();
    std::size_t rest = name.size();
    std::uint64_t state = detail::kAttributeKeyPrimes[0];
    const std::uint64_t prime = detail::kAttributeKeyPrimes[1];
    while (rest > 16) {
        state = folded_product(detail::word_at<std::uint64_t>(bytes) ^ prime,
                               detail::word_at<std::uint64_t>(bytes + 8) ^ state);
        bytes += 16;
        rest -= 16;
    }
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    if (name.size() > 16) {  // the last 16 bytes may overlap the block before
        first = detail::word_at<std::uint64_t>(bytes + rest - 16);
        last = detail::word_at<std::uint64_t>(bytes + rest - 8);
    } else if (rest > 8) {
        first = detail::word_at<std::uint64_t>(bytes);
        last = detail::word_at<std::uint64_t>(bytes + rest - 8);
    } else if (rest >= 4) {
        first = detail::word_at<std::uint32_t>(bytes);
        last = detail::word_at<std::uint32_t>(bytes + rest - 4);
    } else if (rest > 0) {
        first = static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[0])) << 16U |
                static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[rest / 2])) << 8U |
                static_cast<unsigned char>(bytes[rest - 1]);
    }
    const std::uint64_t key =
        folded_product(prime ^ name.size(), folded_product(first ^ prime, last ^ state));
    return key == 0 ? 1 : key;
}

}  // namespace burgee
