#pragma once

// Who is asking: a few named attributes, built on the stack for one request. Evaluation reads it
// and keeps nothing of it; attributes borrow their texts, so the strings must outlive the context.
//
// Invariants:
//   1. attributes_[0, count_) are set; the rest is never read.
//   2. Names are compared by attribute_key() alone.
//   3. user_ and session_ are the first attributes of those names, or kNone; unit_ is the first of
//      the two that can be a unit.

#include <burgee/attribute_key.hpp>
#include <burgee/borrowed_text.hpp>

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string_view>
#include <type_traits>

namespace burgee {

/// Attributes beyond this many are ignored, and counted by Context::ignored_count().
inline constexpr std::uint32_t kAttributeCountMax = 16;

enum class AttributeType : std::uint8_t {
    kString = 1,
    kBoolean = 2,
    kInteger = 3,   ///< int64
    kUnsigned = 4,  ///< an integer above INT64_MAX
    kDouble = 5,
};

/// One name and its value: a string, bool, integer of any width, or floating point number.
class Attribute {
public:
    Attribute(BorrowedText name, BorrowedText value) noexcept
        : Attribute(name, AttributeType::kString) {
        value_.text = value.data();
        value_size_ = clamped_size(value.size());
    }

    template <typename Number, std::enable_if_t<std::is_arithmetic_v<Number>, int> = 0>
    Attribute(BorrowedText name, Number value) noexcept : Attribute(name, type_of(value)) {
        if constexpr (std::is_floating_point_v<Number>) {
            value_.number = static_cast<double>(value);
        } else {
            value_.integer = static_cast<std::int64_t>(value);
        }
    }

    AttributeType type() const noexcept { return type_; }
    std::string_view name() const noexcept { return {name_, name_size_}; }
    std::uint64_t key() const noexcept { return key_; }

    /// The value; precondition: type() says so. A boolean is integer() 0 or 1, and a kUnsigned is
    /// the same bits as a uint64_t.
    std::string_view text() const noexcept { return {value_.text, value_size_}; }
    std::int64_t integer() const noexcept { return value_.integer; }
    double number() const noexcept { return value_.number; }

    /// Whether this can be a unit: a text that is not empty, or an integer. A double never is, for
    /// its decimal text differs between languages.
    bool can_be_unit() const noexcept {
        return type_ == AttributeType::kString
                   ? value_size_ > 0
                   : type_ == AttributeType::kInteger || type_ == AttributeType::kUnsigned;
    }

    bool has_name(std::string_view name) const noexcept { return attribute_key(name) == key_; }

private:
    friend class Context;
    Attribute() noexcept = default;  // left unset on purpose: see invariant 1 of Context
    Attribute(BorrowedText name, AttributeType type) noexcept
        : key_(attribute_key(name.view())),
          name_(name.data()),
          name_size_(clamped_size(name.size())),
          value_size_(0),
          type_(type) {}

    template <typename Number>
    static constexpr AttributeType type_of(Number value) noexcept {
        if constexpr (std::is_same_v<Number, bool>) {
            return AttributeType::kBoolean;
        } else if constexpr (std::is_floating_point_v<Number>) {
            return AttributeType::kDouble;
        } else if constexpr (sizeof(Number) == 8 && std::is_unsigned_v<Number>) {
            return value > static_cast<Number>(std::numeric_limits<std::int64_t>::max())
                       ? AttributeType::kUnsigned
                       : AttributeType::kInteger;
        } else {
            return AttributeType::kInteger;
        }
    }

    /// Copies field by field. Copied as a block, an attribute that was written field by field a
    /// moment ago would be read in wider pieces than it was written, which stalls the processor.
    [[gnu::always_inline]] void take(const Attribute& other) noexcept {
        key_ = other.key_;
        name_ = other.name_;
        value_ = other.value_;
        name_size_ = other.name_size_;
        value_size_ = other.value_size_;
        type_ = other.type_;
    }

    // Texts of 4 GiB and more are cut; nothing that identifies a unit is that long.
    static std::uint32_t clamped_size(std::size_t size) noexcept {
        constexpr std::size_t kLimit = std::numeric_limits<std::uint32_t>::max();
        return static_cast<std::uint32_t>(size < kLimit ? size : kLimit);
    }

    union Value {
        const char* text;
        std::int64_t integer;
        double number;
    };

    std::uint64_t key_;
    const char* name_;
    Value value_;
    std::uint32_t name_size_;
    std::uint32_t value_size_;
    AttributeType type_;
};

/// The attributes of one question.
///
///     burgee::Context user{{"user_id", id}, {"subscription_tier", "pro"}, {"age", 42}};
///
/// Names are case-sensitive. Of two attributes with one name the first counts. The unit, who is
/// bucketed, is `user_id`, else `session_id`, unless a flag says otherwise.
/// Thread safety: as a plain value. Cost: no heap; about 8 ns for one attribute, 25 ns for four.
class Context {
public:
    Context() noexcept {}  // not defaulted: `const Context nobody;` and `{}` work so
    Context(std::initializer_list<Attribute> attributes) noexcept {
        for (const Attribute& attribute : attributes) {
            append(attribute);
        }
    }

    /// Adds an attribute, or replaces the value of the first one with that name.
    Context& set(const Attribute& attribute) noexcept {
        for (std::uint32_t index = 0; index < count_; ++index) {
            if (attributes_[index].key() == attribute.key()) {
                attributes_[index] = attribute;
                choose_unit();
                return *this;
            }
        }
        append(attribute);
        return *this;
    }
    template <typename Value>
    Context& set(BorrowedText name, const Value& value) noexcept {
        return set(Attribute(name, value));
    }
    Context& set(BorrowedText name, const std::string&& value) = delete;

    /// A copy with one attribute more; this context stays as it is.
    Context with(const Attribute& attribute) const noexcept {
        Context copy = *this;
        copy.set(attribute);
        return copy;
    }

    std::uint32_t size() const noexcept { return count_; }
    /// Attributes that did not fit and are treated as missing; more than 0 is a caller's mistake.
    std::uint32_t ignored_count() const noexcept { return ignored_count_; }

    const Attribute* begin() const noexcept { return attributes_; }
    const Attribute* end() const noexcept { return attributes_ + count_; }

    /// The first attribute called `name`, or null. Cost: linear in size().
    const Attribute* find(std::string_view name) const noexcept {
        return find_key(attribute_key(name));
    }

    /// The first attribute whose name has this attribute_key(), or null.
    const Attribute* find_key(std::uint64_t key) const noexcept {
        for (std::uint32_t index = 0; index < count_; ++index) {
            if (attributes_[index].key_ == key) {
                return &attributes_[index];
            }
        }
        return nullptr;
    }

    /// `user_id`, `session_id`, and the first of them that can be a unit; null when there is none.
    const Attribute* user_id() const noexcept { return at(user_); }
    const Attribute* session_id() const noexcept { return at(session_); }
    const Attribute* unit() const noexcept { return at(unit_); }

private:
    static constexpr std::uint8_t kNone = 0xFF;
    static constexpr std::uint64_t kUserIdKey = attribute_key("user_id");
    static constexpr std::uint64_t kSessionIdKey = attribute_key("session_id");

    const Attribute* at(std::uint8_t index) const noexcept {
        return index == kNone ? nullptr : &attributes_[index];
    }

    void append(const Attribute& attribute) noexcept {
        if (count_ == kAttributeCountMax) {
            ++ignored_count_;
            return;
        }
        const auto index = static_cast<std::uint8_t>(count_);
        attributes_[count_++].take(attribute);
        if (attribute.key() == kUserIdKey) {
            user_ = user_ == kNone ? index : user_;
            choose_unit();
        } else if (attribute.key() == kSessionIdKey) {
            session_ = session_ == kNone ? index : session_;
            choose_unit();
        }
    }

    void choose_unit() noexcept {
        if (user_ != kNone && attributes_[user_].can_be_unit()) {
            unit_ = user_;
        } else if (session_ != kNone && attributes_[session_].can_be_unit()) {
            unit_ = session_;
        } else {
            unit_ = kNone;
        }
    }

    std::uint32_t count_ = 0;
    std::uint32_t ignored_count_ = 0;
    std::uint8_t user_ = kNone;
    std::uint8_t session_ = kNone;
    std::uint8_t unit_ = kNone;
    Attribute attributes_[kAttributeCountMax];  // a C array: its elements may stay unset
};

}  // namespace burgee
