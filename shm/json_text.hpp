#pragma once

// Writes JSON text, the same bytes for the same values on every machine. Relied on by whatever
// shows or stores JSON (`-o json`, dead letters, exports); reading JSON is simdjson's work, in
// `sync`.
//
// Invariants:
//   1. Output is valid UTF-8 JSON if the texts given are UTF-8; other bytes become U+FFFD.
//   2. No NaN or infinity is ever written: both become null.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace burgee {

/// `text` as a JSON string with its quotes; control characters escaped, invalid UTF-8 replaced.
std::string json_quoted(std::string_view text);

/// The shortest decimal that reads back as the same double; "null" for NaN and infinities.
std::string json_number(double value);

/// Builds one JSON document, pretty-printed with two spaces or compact.
///
///     JsonWriter json;
///     json.begin_object().member("name", "search").key("tags").begin_array().end_array();
///     std::string text = json.end_object().take();
///
/// Precondition, asserted: calls nest properly and every object member has a key.
/// Thread safety: one thread at a time. Cost: linear in the output.
class JsonWriter {
public:
    enum class Style { kPretty, kCompact };
    explicit JsonWriter(Style style = Style::kPretty) : style_(style) {}

    JsonWriter& begin_object();
    JsonWriter& end_object();
    JsonWriter& begin_array();
    JsonWriter& end_array();
    JsonWriter& key(std::string_view name);
    JsonWriter& value(std::string_view text);
    JsonWriter& value(const char* text) { return value(std::string_view(text)); }
    JsonWriter& value(double number);
    JsonWriter& value(std::int64_t number);
    JsonWriter& value(std::uint64_t number);
    JsonWriter& value(int number) { return value(static_cast<std::int64_t>(number)); }
    JsonWriter& value(bool truth);
    /// The value, or null for nothing.
    template <class Value>
    JsonWriter& value(const std::optional<Value>& known) {
        return known ? value(*known) : null();
    }
    JsonWriter& null();
    /// Inserts `json` as it is; it must be one valid JSON value.
    JsonWriter& raw(std::string_view json);

    /// A member of an object: key() and value().
    template <class Value>
    JsonWriter& member(std::string_view name, const Value& content) {
        return key(name).value(content);
    }

    /// The finished document, without a newline at the end. Precondition: everything is closed.
    std::string take();

private:
    struct Level {
        char close;
        bool is_empty;
    };
    void before_value();
    void new_line();
    void open(char bracket, char close);
    void close(char bracket);

    Style style_;
    bool has_key_ = false;
    std::string text_;
    std::vector<Level> levels_;
};

}  // namespace burgee
