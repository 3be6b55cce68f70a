#include "sync/unit_merge.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "sync/libpq_result.hpp"

namespace burgee::sync {
namespace {

// Rows in one merge. Source: measured with unnest() 1 024 / 4 096 / 16 384 / all at 6.7 / 7.1 / 7.2
// / 8.6 us a row; not measured again since elements are taken by index.
constexpr std::size_t kMergeRowsMax = 4'096;

// Elements are taken by index: unnest() of nine arrays would copy each into a store of its own and
// form nine rows for one, a fifth of the whole merge. The arrays have one length and no NULL, so
// that PostgreSQL finds an element without searching.
constexpr const char* kMerge =
    "INSERT INTO burgee.unit_metrics AS u"
    " (unit, cell, n, sum, sum_of_squares, min, max, first_at, last_at) "
    "SELECT ($1::int8[])[i], ($2::int4[])[i], ($3::int8[])[i], ($4::float8[])[i],"
    " ($5::float8[])[i], ($6::float8[])[i], ($7::float8[])[i], ($8::timestamptz[])[i],"
    " ($9::timestamptz[])[i] FROM generate_series(1, cardinality($1::int8[])) AS i "
    "ON CONFLICT (unit, cell) DO UPDATE SET n = u.n + excluded.n, sum = u.sum + excluded.sum,"
    " sum_of_squares = u.sum_of_squares + excluded.sum_of_squares,"
    " min = least(u.min, excluded.min), max = greatest(u.max, excluded.max),"
    " first_at = least(u.first_at, excluded.first_at),"
    " last_at = greatest(u.last_at, excluded.last_at)";

/// One merge under way: the server works at it while the caller gathers the next.
class MergeStatement {
public:
    explicit MergeStatement(PGconn* connection) : connection_(connection) {}
    ~MergeStatement() {
        if (is_sent_) {
            discard_answers(connection_);
        }
    }
    MergeStatement(const MergeStatement&) = delete;
    MergeStatement& operator=(const MergeStatement&) = delete;

    void send(const MergeArrays& arrays) {
        constexpr int kBinary = 1;
        const std::array columns = {&arrays.unit, &arrays.cell,           &arrays.n,
                                    &arrays.sum,  &arrays.sum_of_squares, &arrays.min,
                                    &arrays.max,  &arrays.first_at,       &arrays.last_at};
        std::array<const char*, columns.size()> values;
        std::array<int, columns.size()> sizes;
        std::array<int, columns.size()> forms;
        for (std::size_t index = 0; index < columns.size(); ++index) {
            values[index] = columns[index]->data();
            sizes[index] = static_cast<int>(columns[index]->size());
            forms[index] = kBinary;
        }
        if (PQsendQueryParams(connection_, kMerge, columns.size(), nullptr, values.data(),
                              sizes.data(), forms.data(), kBinary) != 1) {
            throw_broken(connection_);
        }
        is_sent_ = true;
    }

    void wait() {
        if (std::exchange(is_sent_, false)) {
            expect_answers(connection_, PGRES_COMMAND_OK);
        }
    }

private:
    PGconn* connection_;
    bool is_sent_ = false;
};

}  // namespace

std::uint64_t merge_units(PgTransaction& open, WriterMemory& memory) {
    if (memory.fold.row_count() == 0) {
        return 0;
    }
    const std::vector<std::uint32_t> order =
        memory.fold.finish(memory.cells.numbers(open.native()));
    MergeStatement statement(open.libpq());
    for (std::size_t begin = 0; begin < order.size(); begin += kMergeRowsMax) {
        const std::size_t count = std::min(kMergeRowsMax, order.size() - begin);
        memory.arrays.fill(memory.fold.rows(), std::span(order).subspan(begin, count));
        statement.wait();
        statement.send(memory.arrays);  // libpq has its own copy of them now
    }
    statement.wait();
    return order.size();
}

}  // namespace burgee::sync
