#pragma once

// Who is bucketed for a flag: the text of the first attribute the flag asks for.

#include <burgee/bucketing.hpp>
#include <burgee/context.hpp>
#include <burgee/event_wire.hpp>
#include <burgee/snapshot_view.hpp>

#include <cstdint>
#include <string_view>

namespace burgee {

/// A unit's text; an integer's digits are kept here, so the text lives as long as this object.
class Unit {
public:
    Unit() noexcept = default;
    /// @param attribute  null, or one for which can_be_unit() holds
    explicit Unit(const Attribute* attribute) noexcept { take(attribute); }

    /// Becomes the unit of `attribute`, as the constructor says.
    void take(const Attribute* attribute) noexcept {
        attribute_ = attribute;
        if (attribute == nullptr) {
            return;
        }
        if (attribute->type() == AttributeType::kString) {
            text_ = attribute->text();
        } else if (attribute->type() == AttributeType::kInteger) {
            text_ = digits_.format(attribute->integer());
        } else {
            text_ = digits_.format(static_cast<std::uint64_t>(attribute->integer()));
        }
    }
    Unit(const Unit&) = delete;  // text_ may point into digits_
    Unit& operator=(const Unit&) = delete;

    bool exists() const noexcept { return attribute_ != nullptr; }
    std::string_view text() const noexcept { return text_; }
    std::string_view attribute_name() const noexcept {
        return attribute_ == nullptr ? std::string_view() : attribute_->name();
    }
    UnitKind kind() const noexcept {
        if (attribute_ == nullptr) {
            return UnitKind::kNone;
        }
        if (attribute_->has_name("user_id")) {
            return UnitKind::kUserId;
        }
        return attribute_->has_name("session_id") ? UnitKind::kSessionId : UnitKind::kOther;
    }

private:
    const Attribute* attribute_ = nullptr;
    std::string_view text_;
    detail::DecimalText digits_;
};

namespace detail {

[[gnu::noinline]] inline std::uint32_t bucket_of_integer(const Attribute& unit,
                                                         std::uint64_t seed) noexcept {
    return bucket(Unit(&unit).text(), seed);
}

/// The bucket of a unit under a seed; what bucket() gives to the text of Unit(&unit), without
/// keeping a text. Precondition: unit.can_be_unit().
inline std::uint32_t bucket_of(const Attribute& unit, std::uint64_t seed) noexcept {
    return unit.type() == AttributeType::kString ? bucket(unit.text(), seed)
                                                 : bucket_of_integer(unit, seed);
}

}  // namespace detail

/// The attribute that gives the unit of `flag`: the first of its `bucket_by` that can be a unit,
/// which is user_id, else session_id, for most flags; null when the context has none.
/// Cost: nothing to look for without bucket_by, else at most kBucketByCountMax searches.
inline const Attribute* find_unit_attribute(const SnapshotView& view,
                                            const TargetingRecord* targeting,
                                            const Context& context) noexcept {
    if (targeting == nullptr || targeting->bucket_by_count == 0) {
        return context.unit();
    }
    const std::uint64_t first = targeting->bucket_by_first;
    const std::uint32_t count = targeting->bucket_by_count < kBucketByCountMax
                                    ? targeting->bucket_by_count
                                    : kBucketByCountMax;
    for (std::uint32_t number = 0; number < count; ++number) {
        const TextRef* ref = view.text_ref(first + number);
        const Attribute* attribute = ref == nullptr ? nullptr : context.find(view.text(*ref));
        if (attribute != nullptr && attribute->can_be_unit()) {
            return attribute;
        }
    }
    return nullptr;
}

/// The targeting record of `flag`, or null when it has none.
inline const TargetingRecord* find_targeting(const SnapshotView& view,
                                             const FlagRecord& flag) noexcept {
    return flag.targeting == 0 ? nullptr : view.targeting(flag.targeting - 1);
}

}  // namespace burgee
