#pragma once

// Where a unit stands: the one definition of seeds and buckets, bit exact on every host and in
// every language (tests/golden/bucketing.json holds the vectors). The daemon computes seeds with
// it, the client buckets; a change here moves users between variants and is therefore forbidden.

#include <burgee/bucketing_seed.hpp>
#include <burgee/checksum.hpp>
#include <burgee/md5.hpp>
#include <burgee/snapshot_layout.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace burgee {

/// Who a legacy_md5 flag buckets when the context has no unit, as the Python system did.
inline constexpr std::string_view kLegacyAnonymous = "anonymous";

/// The bucket, 0 .. kBucketCount - 1, of a 64-bit hash: its share of the range, by multiplication,
/// because a remainder would favour the low buckets.
constexpr std::uint32_t bucket_of_hash(std::uint64_t hash) noexcept {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint32_t>((static_cast<Wide>(hash) * kBucketCount) >> 64U);
}

/// The bucket of a unit under a seed. Thread safety: pure. Cost: about 3 ns for 20 bytes.
inline std::uint32_t bucket(std::string_view unit, std::uint64_t seed) noexcept {
    return bucket_of_hash(hash64(unit, seed));
}

/// The place, 0 .. kLegacyBucketCount - 1, that the Python system gives `identifier`: MD5 of
/// "salt:identifier" as one big endian number, modulo 10 000.
/// Thread safety: pure. Cost: about 150 ns.
inline std::uint32_t legacy_hundredths(std::string_view salt,
                                       std::string_view identifier) noexcept {
    Md5 md5;
    md5.update(salt);
    md5.update(":");
    md5.update(identifier);
    std::uint32_t remainder = 0;
    for (const std::uint8_t byte : md5.finish()) {
        remainder = (remainder * 256 + byte) % kLegacyBucketCount;
    }
    return remainder;
}

namespace detail {

/// Decimal text of an integer, without heap or locale.
class DecimalText {
public:
    std::string_view format(std::int64_t value) noexcept {
        const bool is_negative = value < 0;
        const auto bits = static_cast<std::uint64_t>(value);
        char* first = write(is_negative ? 0 - bits : bits);  // also right for INT64_MIN
        if (is_negative) {
            *--first = '-';
        }
        return from(first);
    }
    std::string_view format(std::uint64_t value) noexcept { return from(write(value)); }

private:
    char* write(std::uint64_t value) noexcept {
        char* first = digits_ + sizeof digits_;
        do {
            *--first = static_cast<char>('0' + value % 10);
            value /= 10;
        } while (value != 0);
        return first;
    }
    std::string_view from(const char* first) const noexcept {
        return {first, static_cast<std::size_t>(digits_ + sizeof digits_ - first)};
    }

    char digits_[20];  // the longest: 18446744073709551615, -9223372036854775808
};

}  // namespace detail
}  // namespace burgee
