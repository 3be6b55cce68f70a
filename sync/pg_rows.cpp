#include <charconv>
#include <pqxx/pqxx>
#include <stdexcept>

#include "shm/assertion.hpp"
#include "sync/pg_session.hpp"

namespace burgee::sync {
namespace {

pqxx::field field_of(const pqxx::result& rows, std::size_t row, std::size_t column) {
    BURGEE_ASSERT(row < rows.size());
    BURGEE_ASSERT(column < rows.columns());
    return rows[static_cast<pqxx::result::size_type>(row)]
               [static_cast<pqxx::row::size_type>(column)];
}

/// Somebody changed our tables by hand: PgSession turns this into an error of the transaction.
[[noreturn]] void refuse_field(const char* what) {
    throw std::domain_error(what);
}

}  // namespace

PgRows::PgRows(std::shared_ptr<const pqxx::result> rows) : rows_(std::move(rows)) {
    BURGEE_ASSERT(rows_);
}

std::size_t PgRows::size() const {
    return rows_->size();
}

std::uint64_t PgRows::affected() const {
    return rows_->affected_rows();
}

bool PgRows::is_null(std::size_t row, std::size_t column) const {
    return field_of(*rows_, row, column).is_null();
}

std::string_view PgRows::text(std::size_t row, std::size_t column) const {
    const pqxx::field field = field_of(*rows_, row, column);
    if (field.is_null()) {
        refuse_field("a NULL where there must be a value");
    }
    return {field.c_str(), field.size()};  // points into the result, not into the field
}

PgValue PgRows::value(std::size_t row, std::size_t column) const {
    return is_null(row, column) ? PgValue() : PgValue(text(row, column));
}

std::int64_t PgRows::integer(std::size_t row, std::size_t column) const {
    const std::string_view digits = text(row, column);
    std::int64_t number = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) {
        refuse_field("a text where there must be a whole number");
    }
    return number;
}

double PgRows::number(std::size_t row, std::size_t column) const {
    const std::string_view digits = text(row, column);
    double number = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (parsed.ec != std::errc()) {
        refuse_field("a text where there must be a number");
    }
    return number;
}

bool PgRows::boolean(std::size_t row, std::size_t column) const {
    return text(row, column) == "t";
}

}  // namespace burgee::sync
