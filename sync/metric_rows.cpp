#include "sync/metric_rows.hpp"

#include <array>
#include <bit>
#include <burgee/checksum.hpp>
#include <charconv>
#include <cstring>
#include <iterator>
#include <limits>

#include "shm/assertion.hpp"
#include "shm/json_text.hpp"

namespace burgee::sync {
namespace {

// Object identifiers of element types; pg_type.dat has them, and they never change.
constexpr std::uint32_t kInt8Type = 20;
constexpr std::uint32_t kInt4Type = 23;
constexpr std::uint32_t kFloat8Type = 701;
constexpr std::uint32_t kTimestamptzType = 1184;

constexpr std::int64_t kMsPerDay = 86'400'000;
constexpr std::int64_t kPostgresEpochUnixMs = 946'684'800'000;  // 2000-01-01 00:00 UTC
constexpr std::int64_t kFirstYearUnixMs = -62'135'596'800'000;  // 0001-01-01 00:00 UTC
constexpr std::int64_t kYear10000UnixMs = 253'402'300'800'000;

template <typename Number>
void append_number(std::string& text, Number number) {
    std::array<char, 32> digits;  // a double's shortest form has at most 24 characters
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number);
    BURGEE_ASSERT(end.ec == std::errc{});
    text.append(digits.data(), end.ptr);
}

void append_two_digits(std::string& text, std::int64_t number) {
    text += static_cast<char>('0' + number / 10);
    text += static_cast<char>('0' + number % 10);
}

struct CalendarDay {
    std::int64_t year;
    std::int64_t month;
    std::int64_t day;
};

// Days since 1970-01-01 to a date of the proleptic Gregorian calendar. Source: H. Hinnant,
// "chrono-Compatible Low-Level Date Algorithms" (2013), civil_from_days: eras of 400 years that
// begin on 1 March, so that the leap day is the last of a year.
CalendarDay calendar_day(std::int64_t unix_day) {
    const std::int64_t shifted = unix_day + 719'468;
    const std::int64_t era = (shifted >= 0 ? shifted : shifted - 146'096) / 146'097;
    const std::int64_t day_of_era = shifted - era * 146'097;
    const std::int64_t year_of_era =
        (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
    const std::int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const std::int64_t shifted_month = (5 * day_of_year + 2) / 153;
    const std::int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month,
            day_of_year - (153 * shifted_month + 2) / 5 + 1};
}

// "2026-11-23 09:56:01.123+00". A year outside 1 .. 9999 comes out in a form PostgreSQL refuses,
// and the event goes to the dead letters like any other that it refuses.
void append_timestamp(std::string& text, std::int64_t unix_ms) {
    std::int64_t day = unix_ms / kMsPerDay;
    std::int64_t ms_of_day = unix_ms % kMsPerDay;
    if (ms_of_day < 0) {
        ms_of_day += kMsPerDay;
        day -= 1;
    }
    const CalendarDay date = calendar_day(day);
    if (date.year >= 1 && date.year < 1000) {
        text.append(date.year < 10 ? 3 : date.year < 100 ? 2 : 1, '0');
    }
    append_number(text, date.year);
    text += '-';
    append_two_digits(text, date.month);
    text += '-';
    append_two_digits(text, date.day);
    text += ' ';
    append_two_digits(text, ms_of_day / 3'600'000);
    text += ':';
    append_two_digits(text, ms_of_day / 60'000 % 60);
    text += ':';
    append_two_digits(text, ms_of_day / 1'000 % 60);
    text += '.';
    text += static_cast<char>('0' + ms_of_day / 100 % 10);
    append_two_digits(text, ms_of_day % 100);
    text += "+00";
}

// One field of COPY's text format.
void append_copy_escaped(std::string& line, std::string_view text) {
    std::size_t begin = 0;
    for (std::size_t index = 0; index < text.size(); ++index) {
        const char symbol = text[index];
        if (symbol != '\\' && symbol != '\n' && symbol != '\r' && symbol != '\t') {
            continue;
        }
        line.append(text, begin, index - begin);
        line += '\\';
        line += symbol == '\n' ? 'n' : symbol == '\r' ? 'r' : symbol == '\t' ? 't' : '\\';
        begin = index + 1;
    }
    line.append(text, begin);
}

// A JSON string that jsonb accepts too: it has no NUL, not even an escaped one.
std::string jsonb_quoted(std::string_view text) {
    if (text.find('\0') == std::string_view::npos) {
        return json_quoted(text);
    }
    std::string without_nul;
    for (const char symbol : text) {
        if (symbol == '\0') {
            without_nul += "\xEF\xBF\xBD";  // U+FFFD
        } else {
            without_nul += symbol;
        }
    }
    return json_quoted(without_nul);
}

void append_optional_field(std::string& lines, std::string_view text) {
    if (text.empty()) {
        lines += "\\N";
    } else {
        append_copy_escaped(lines, text);
    }
}

// `{"burgee.unit": "...", <what the event brought>}`: a unit that is neither user nor session has
// no column of its own. Bytes that are no object are passed on for PostgreSQL to refuse. `merged`
// holds what did not come with the event.
std::string_view stored_metadata(const MetricEvent& event, std::string& merged) {
    if (event.unit_source != UnitSource::kOther) {
        return event.metadata_json.empty() ? "{}" : event.metadata_json;
    }
    merged = "{\"burgee.unit\":" + jsonb_quoted(event.unit_text);
    std::string_view rest = event.metadata_json;
    const std::size_t brace = rest.find('{');
    rest = brace == std::string_view::npos ? "}" : rest.substr(brace + 1);
    const std::size_t first = rest.find_first_not_of(" \t\r\n");
    if (first != std::string_view::npos && rest[first] != '}') {
        merged += ',';
    }
    merged += rest;
    return merged;
}

std::uint16_t big_endian(std::uint16_t value) {
    return __builtin_bswap16(value);
}
std::uint32_t big_endian(std::uint32_t value) {
    return __builtin_bswap32(value);
}
std::uint64_t big_endian(std::uint64_t value) {
    return __builtin_bswap64(value);
}

template <typename Integer>
void append_big_endian(std::string& bytes, Integer value) {
    const Integer swapped = big_endian(value);
    std::array<char, sizeof(Integer)> raw;
    std::memcpy(raw.data(), &swapped, sizeof swapped);
    bytes.append(raw.data(), raw.size());
}

// array_send's form: dimensions, has-null flag, element type, then length and lower bound of the
// one dimension; each element is its size and its bytes.
void begin_array(std::string& bytes, std::uint32_t type, std::size_t count) {
    bytes.clear();
    for (const std::uint32_t word : {1U, 0U, type, static_cast<std::uint32_t>(count), 1U}) {
        append_big_endian(bytes, word);
    }
}

void append_element(std::string& bytes, std::uint64_t value) {
    append_big_endian(bytes, std::uint32_t{8});
    append_big_endian(bytes, value);
}

void append_element(std::string& bytes, double value) {
    append_element(bytes, std::bit_cast<std::uint64_t>(value));
}

// Microseconds since 2000. A year outside 1 .. 9999 becomes a time that PostgreSQL refuses; the
// number above it would be its "infinity", which it takes.
std::uint64_t postgres_time(std::int64_t unix_ms) {
    if (unix_ms < kFirstYearUnixMs || unix_ms >= kYear10000UnixMs) {
        return std::numeric_limits<std::int64_t>::max() - 1;
    }
    return static_cast<std::uint64_t>((unix_ms - kPostgresEpochUnixMs) * 1'000);
}

/// One row of COPY's binary format, written into the end of a string: of each field its size and
/// its bytes, numbers with the highest byte first.
class BinaryRow {
public:
    /// `size_max`: of all that will be written.
    BinaryRow(std::string& rows, std::size_t size_max)
        : rows_(rows), end_(rows.size()), end_max_(end_ + size_max) {
        rows_.resize(end_max_);
    }
    ~BinaryRow() {
        BURGEE_ASSERT(end_ <= end_max_);
        rows_.resize(end_);
    }
    BinaryRow(const BinaryRow&) = delete;
    BinaryRow& operator=(const BinaryRow&) = delete;

    void field_count(std::uint16_t count) { put(big_endian(count)); }
    void null() { put(~std::uint32_t{0}); }
    void uuid(const Uuid& id) { sized(id.data(), id.size()); }
    void text(std::string_view text) { sized(text.data(), text.size()); }
    void optional_text(std::string_view text) {
        if (text.empty()) {
            null();
        } else {
            this->text(text);
        }
    }
    void integer(std::uint64_t value) {
        put(big_endian(std::uint32_t{8}));
        put(big_endian(value));
    }
    void jsonb(std::string_view json) {
        put(big_endian(static_cast<std::uint32_t>(json.size() + 1)));
        put(kJsonbVersion);
        bytes(json.data(), json.size());
    }

private:
    static constexpr std::uint8_t kJsonbVersion = 1;

    template <typename Value>
    void put(Value value) {
        bytes(&value, sizeof value);
    }
    void sized(const void* data, std::size_t size) {
        put(big_endian(static_cast<std::uint32_t>(size)));
        bytes(data, size);
    }
    void bytes(const void* data, std::size_t size) {
        std::memcpy(rows_.data() + end_, data, size);
        end_ += size;
    }

    std::string& rows_;
    std::size_t end_;
    const std::size_t end_max_;
};

}  // namespace

void append_uuid(std::string& text, const Uuid& id) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    for (std::size_t index = 0; index < id.size(); ++index) {
        if (index == 4 || index == 6 || index == 8 || index == 10) {
            text += '-';
        }
        text += kDigits[id[index] >> 4];
        text += kDigits[id[index] & 15];
    }
}

Uuid raw_row_id(const Uuid& spool_id, std::uint64_t lsn) {
    std::array<std::uint64_t, 2> words = {hash64(spool_id.data(), spool_id.size(), lsn),
                                          hash64(spool_id.data(), spool_id.size(), ~lsn)};
    Uuid id;
    std::memcpy(id.data(), words.data(), id.size());
    id[6] = static_cast<std::uint8_t>((id[6] & 0x0F) | 0x80);
    id[8] = static_cast<std::uint8_t>((id[8] & 0x3F) | 0x80);
    return id;
}

void append_raw_row(std::string& rows, const Uuid& spool_id, const MetricEvent& event) {
    // Twelve sizes, the number of fields, four uuids, four numbers: 162 bytes.
    constexpr std::size_t kSizeWithoutTexts = 192;
    std::string merged;
    const std::string_view metadata = stored_metadata(event, merged);
    BinaryRow row(rows, kSizeWithoutTexts + event.variant.size() + event.user_id.size() +
                            event.session_id.size() + event.metric.size() + metadata.size());
    row.field_count(std::size(kRawColumns));
    row.uuid(raw_row_id(spool_id, event.lsn));
    row.uuid(event.experiment);
    row.text(event.variant);
    row.optional_text(event.user_id);
    row.optional_text(event.session_id);
    row.text(event.metric);
    row.integer(std::bit_cast<std::uint64_t>(event.value));
    row.jsonb(metadata);
    row.integer(postgres_time(event.created_unix_ms));
    row.uuid(spool_id);
    row.integer(event.lsn);
    if (event.unit_source == UnitSource::kNone) {
        row.null();
    } else {
        row.integer(event.unit);
    }
}

void append_raw_line(std::string& lines, const Uuid& spool_id, const MetricEvent& event) {
    append_uuid(lines, raw_row_id(spool_id, event.lsn));
    lines += '\t';
    append_uuid(lines, event.experiment);
    lines += '\t';
    append_copy_escaped(lines, event.variant);
    lines += '\t';
    append_optional_field(lines, event.user_id);
    lines += '\t';
    append_optional_field(lines, event.session_id);
    lines += '\t';
    append_copy_escaped(lines, event.metric);
    lines += '\t';
    append_number(lines, event.value);
    lines += '\t';
    std::string merged;
    append_copy_escaped(lines, stored_metadata(event, merged));
    lines += '\t';
    append_timestamp(lines, event.created_unix_ms);
    lines += '\t';
    append_uuid(lines, spool_id);
    lines += '\t';
    append_number(lines, event.lsn);
    lines += '\t';
    if (event.unit_source == UnitSource::kNone) {
        lines += "\\N";
    } else {
        append_number(lines, static_cast<std::int64_t>(event.unit));
    }
    lines += '\n';
}

void append_dead_letter(std::string& elements, const Uuid& spool_id, const MetricEvent& event,
                        std::string_view reason) {
    std::string spool;
    append_uuid(spool, spool_id);
    std::string experiment;
    append_uuid(experiment, event.experiment);
    // The value goes as text: JSON has no form for what is not finite, and that may be why it is
    // here.
    std::string value;
    append_number(value, event.value);
    JsonWriter json(JsonWriter::Style::kCompact);
    json.begin_object().key("spool_id").value(spool).key("lsn").value(event.lsn);
    json.key("reason").raw(jsonb_quoted(reason)).key("event");
    json.begin_object().key("experiment_id").value(experiment);
    json.key("phase").value(std::uint64_t{event.phase});
    json.key("in_experiment").value(event.in_experiment);
    json.key("variant").raw(jsonb_quoted(event.variant));
    json.key("metric").raw(jsonb_quoted(event.metric));
    json.key("user_id").raw(jsonb_quoted(event.user_id));
    json.key("session_id").raw(jsonb_quoted(event.session_id));
    json.key("unit").raw(jsonb_quoted(event.unit_text));
    json.key("metadata").raw(jsonb_quoted(event.metadata_json));
    json.key("created_unix_ms").value(event.created_unix_ms);
    json.key("value").value(value).end_object().end_object();
    elements += elements.empty() ? "" : ",";
    elements += json.take();
}

void MergeArrays::fill(std::span<const FoldedRow> rows, std::span<const std::uint32_t> order) {
    begin_array(unit, kInt8Type, order.size());
    begin_array(cell, kInt4Type, order.size());
    begin_array(n, kInt8Type, order.size());
    for (std::string* column : {&sum, &sum_of_squares, &min, &max}) {
        begin_array(*column, kFloat8Type, order.size());
    }
    begin_array(first_at, kTimestamptzType, order.size());
    begin_array(last_at, kTimestamptzType, order.size());
    for (const std::uint32_t index : order) {
        const FoldedRow& row = rows[index];
        append_element(unit, static_cast<std::uint64_t>(row.unit));
        append_big_endian(cell, std::uint32_t{4});
        append_big_endian(cell, row.cell);
        append_element(n, static_cast<std::uint64_t>(row.n));
        append_element(sum, row.sum);
        append_element(sum_of_squares, row.sum_of_squares);
        append_element(min, row.min);
        append_element(max, row.max);
        append_element(first_at, postgres_time(row.first_unix_ms));
        append_element(last_at, postgres_time(row.last_unix_ms));
    }
}

}  // namespace burgee::sync
