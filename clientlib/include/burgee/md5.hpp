#pragma once

// MD5 as RFC 1321 defines it, for one purpose: flags that keep the buckets of the Python system
// this replaces. Never used to protect anything. No heap; the tables are compile-time constants.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace burgee {

/// Feed it texts, then take the digest once.
/// Thread safety: as a plain value. Cost: about 100 ns for a text of up to 55 bytes.
class Md5 {
public:
    using Digest = std::array<std::uint8_t, 16>;

    void update(std::string_view text) noexcept {
        total_size_ += text.size();
        while (!text.empty()) {
            const std::size_t room = kBlockSize - filled_;
            const std::size_t taken = text.size() < room ? text.size() : room;
            std::memcpy(block_.data() + filled_, text.data(), taken);
            filled_ += taken;
            text.remove_prefix(taken);
            if (filled_ == kBlockSize) {
                digest_block();
            }
        }
    }

    /// The digest of everything that was given. Afterwards the object is used up.
    Digest finish() noexcept {
        const std::uint64_t size_bits = total_size_ * 8;
        block_[filled_++] = 0x80;
        if (filled_ > kSizeOffset) {
            std::memset(block_.data() + filled_, 0, kBlockSize - filled_);
            digest_block();
        }
        std::memset(block_.data() + filled_, 0, kSizeOffset - filled_);
        for (std::size_t index = 0; index < 8; ++index) {
            block_[kSizeOffset + index] = static_cast<std::uint8_t>(size_bits >> (8 * index));
        }
        digest_block();
        Digest digest{};
        for (std::size_t index = 0; index < digest.size(); ++index) {
            digest[index] = static_cast<std::uint8_t>(state_[index / 4] >> (8 * (index % 4)));
        }
        return digest;
    }

private:
    static constexpr std::size_t kBlockSize = 64;
    static constexpr std::size_t kSizeOffset =
        56;  // the message's size in bits ends the last block

    // RFC 1321, 3.4: floor(2^32 * abs(sin(i + 1))), i counted from 0.
    static constexpr std::array<std::uint32_t, 64> kSines{
        0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613,
        0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193,
        0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d,
        0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed,
        0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122,
        0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa,
        0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244,
        0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
        0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb,
        0xeb86d391};
    // Likewise: left rotations of the four rounds, four of each in turn.
    static constexpr std::array<std::array<std::uint8_t, 4>, 4> kShifts{
        {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}}};

    static constexpr std::uint32_t rotated_left(std::uint32_t value, std::uint32_t bits) noexcept {
        return (value << bits) | (value >> (32 - bits));
    }

    void digest_block() noexcept {
        std::array<std::uint32_t, 16> words{};
        for (std::size_t index = 0; index < kBlockSize; ++index) {
            words[index / 4] |= static_cast<std::uint32_t>(block_[index]) << (8 * (index % 4));
        }
        auto [a, b, c, d] = state_;
        for (std::size_t step = 0; step < 64; ++step) {
            const std::size_t round = step / 16;
            std::uint32_t mixed = 0;
            std::size_t word = 0;
            switch (round) {
                case 0:
                    mixed = (b & c) | (~b & d), word = step;
                    break;
                case 1:
                    mixed = (b & d) | (c & ~d), word = 5 * step + 1;
                    break;
                case 2:
                    mixed = b ^ c ^ d, word = 3 * step + 5;
                    break;
                default:
                    mixed = c ^ (b | ~d), word = 7 * step;
                    break;
            }
            const std::uint32_t sum = a + mixed + kSines[step] + words[word % 16];
            a = d;
            d = c;
            c = b;
            b += rotated_left(sum, kShifts[round][step % 4]);
        }
        state_[0] += a;
        state_[1] += b;
        state_[2] += c;
        state_[3] += d;
        filled_ = 0;
    }

    std::array<std::uint32_t, 4> state_{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    std::uint64_t total_size_ = 0;
    std::size_t filled_ = 0;  // bytes of block_ that wait; always below kBlockSize between calls
    std::array<std::uint8_t, kBlockSize> block_{};
};

}  // namespace burgee
