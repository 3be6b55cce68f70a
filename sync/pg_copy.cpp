#include "sync/pg_copy.hpp"

#include "sync/libpq_result.hpp"

namespace burgee::sync {
namespace {

// libpq sends when about 8 KiB have gathered; larger pieces only save calls.
constexpr std::size_t kPieceSize = 64 * 1024;

// PostgreSQL 15, "COPY", binary format: the signature, no flags, no header extension.
constexpr std::string_view kBinaryHeader("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
constexpr std::string_view kBinaryEnd("\377\377", 2);

std::string statement(std::string_view table, std::span<const std::string_view> columns,
                      CopyForm form) {
    std::string names;
    for (const std::string_view column : columns) {
        names += names.empty() ? "" : ", ";
        names += column;
    }
    return "COPY " + std::string(table) + " (" + names + ") FROM STDIN" +
           (form == CopyForm::kBinary ? " (FORMAT binary)" : "");
}

}  // namespace

PgCopy::PgCopy(PgTransaction& open, std::string_view table,
               std::span<const std::string_view> columns, CopyForm form)
    : connection_(open.libpq()), form_(form) {
    const LibpqResult started(PQexec(connection_, statement(table, columns, form).c_str()),
                              PQclear);
    expect_status(started, PGRES_COPY_IN);
    is_open_ = true;
    if (form == CopyForm::kBinary) {
        rows_ = kBinaryHeader;
    }
}

PgCopy::~PgCopy() {
    if (is_open_ && PQputCopyEnd(connection_, "given up by the writer") == 1) {
        discard_answers(connection_);
    }
}

void PgCopy::send_some() {
    if (rows_.size() >= kPieceSize) {
        send();
    }
}

void PgCopy::send() {
    if (PQputCopyData(connection_, rows_.data(), static_cast<int>(rows_.size())) != 1) {
        is_open_ = false;
        throw_broken(connection_);
    }
    rows_.clear();
}

void PgCopy::complete() {
    if (form_ == CopyForm::kBinary) {
        rows_ += kBinaryEnd;
    }
    send();
    is_open_ = false;
    if (PQputCopyEnd(connection_, nullptr) != 1) {
        throw_broken(connection_);
    }
    expect_answers(connection_, PGRES_COMMAND_OK);
}

}  // namespace burgee::sync
