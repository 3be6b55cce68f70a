#pragma once

// A variant's configuration, read without parsing: the daemon has flattened the JSON into typed
// fields under dotted paths, sorted, which this searches.

#include <burgee/borrowed_text.hpp>
#include <burgee/snapshot_view.hpp>

#include <cstdint>
#include <cstring>
#include <string_view>

namespace burgee {

/// Typed reads of `config_overrides`. Every read gives the caller's default when the flag is off,
/// the path is absent or null, or the value has another type.
///
/// Texts it returns live as long as the Evaluation or Snapshot it came from.
/// Thread safety: immutable. Cost: a few comparisons, no heap.
class Config {
public:
    Config() noexcept = default;
    Config(const SnapshotView& view, const VariantRecord* variant) noexcept
        : view_(&view), variant_(variant) {}

    /// The string at `path`, "retrieval.model" for a member of a nested object.
    std::string_view string(std::string_view path, BorrowedText fallback = {}) const noexcept {
        const ConfigField* field = find(path);
        if (field == nullptr || type_of(*field) != ConfigType::kString) {
            return fallback.view();
        }
        const std::uint64_t place = field->value;
        return view_->text(place & 0xFFFF'FFFFU, place >> 32U);
    }

    /// The number at `path` if it has no fraction and fits in 64 bits.
    std::int64_t integer(std::string_view path, std::int64_t fallback = 0) const noexcept {
        const ConfigField* field = find(path);
        if (field == nullptr) {
            return fallback;
        }
        if (type_of(*field) == ConfigType::kInteger) {
            return static_cast<std::int64_t>(field->value);
        }
        return type_of(*field) == ConfigType::kNumber ? whole_or(double_of(*field), fallback)
                                                      : fallback;
    }

    /// The number at `path`, whole or not; beyond 2^53 a whole number is rounded.
    double number(std::string_view path, double fallback = 0) const noexcept {
        const ConfigField* field = find(path);
        if (field == nullptr) {
            return fallback;
        }
        if (type_of(*field) == ConfigType::kInteger) {
            return static_cast<double>(static_cast<std::int64_t>(field->value));
        }
        return type_of(*field) == ConfigType::kNumber ? double_of(*field) : fallback;
    }

    bool boolean(std::string_view path, bool fallback = false) const noexcept {
        const ConfigField* field = find(path);
        return field == nullptr || type_of(*field) != ConfigType::kBoolean ? fallback
                                                                           : field->value != 0;
    }

    /// The whole object as PostgreSQL's jsonb text; "{}" when the flag is off or has no variant.
    std::string_view json() const noexcept {
        return variant_ == nullptr ? std::string_view("{}")
                                   : view_->text(variant_->json_offset, variant_->json_size);
    }

private:
    static constexpr std::uint64_t kLinearCountMax = 8;  // shorter than the jumps of a search

    static ConfigType type_of(const ConfigField& field) noexcept {
        return static_cast<ConfigType>(field.type);
    }

    static double double_of(const ConfigField& field) noexcept {
        double number = 0;
        std::memcpy(&number, &field.value, sizeof number);
        return number;
    }

    static std::int64_t whole_or(double number, std::int64_t fallback) noexcept {
        constexpr double kLimit = 9223372036854775808.0;  // 2^63, exact
        if (!(number >= -kLimit && number < kLimit)) {
            return fallback;
        }
        const auto whole = static_cast<std::int64_t>(number);
        return static_cast<double>(whole) == number ? whole : fallback;
    }

    /// See ConfigField::path_prefix.
    static std::uint64_t prefix_of(std::string_view path) noexcept {
        std::uint64_t word = 0;
        if (path.size() >= sizeof word) {
            std::memcpy(&word, path.data(), sizeof word);
        } else if (!path.empty()) {
            std::memcpy(&word, path.data(), path.size());
        }
        return __builtin_bswap64(word);
    }

    int compare(const ConfigField& field, std::string_view path,
                std::uint64_t prefix) const noexcept {
        if (field.path_prefix != prefix) {
            return field.path_prefix < prefix ? -1 : 1;
        }
        if (path.size() <= sizeof prefix && field.path_size == path.size()) {
            return 0;
        }
        return view_->text(field.path_offset, field.path_size).compare(path);
    }

    const ConfigField* find(std::string_view path) const noexcept {
        if (variant_ == nullptr) {
            return nullptr;
        }
        const std::uint64_t prefix = prefix_of(path);
        std::uint64_t first = variant_->config_first;
        std::uint64_t count = variant_->config_count;
        while (count > kLinearCountMax) {  // halves each time: at most 32 rounds
            const std::uint64_t half = count / 2;
            const ConfigField* middle = view_->config_field(first + half);
            const bool is_upper = middle != nullptr && compare(*middle, path, prefix) <= 0;
            first += is_upper ? half : 0;
            count = is_upper ? count - half : half;
        }
        for (std::uint64_t number = 0; number < count; ++number) {
            const ConfigField* field = view_->config_field(first + number);
            if (field != nullptr && compare(*field, path, prefix) == 0) {
                return field;
            }
        }
        return nullptr;
    }

    const SnapshotView* view_ = nullptr;
    const VariantRecord* variant_ = nullptr;  // null = every read gives the default
};

}  // namespace burgee
