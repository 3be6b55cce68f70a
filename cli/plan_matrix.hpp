#pragma once

// Which share of units would change their answer between two forms of one flag, worked out from the
// very integers that hosts compare buckets with, so it is exact: no sampling, no estimate.
//
// What makes it exact: the buckets of gate, variant and layer are three independent draws with
// xxh3; with legacy_md5 gate and variant share one bucket. Two forms of one flag that agree in
// bucketing, salt and bucket_by draw the same buckets; otherwise they draw independent ones, and
// shares multiply. The slot of a layer depends on its name and bucket_by alone.

#include <cstdint>
#include <string>
#include <vector>

#include "shm/flag_set.hpp"

namespace burgee::cli {

/// From (row) and to (column): what units answer before and after.
class SideMatrix {
public:
    /// sides[0] must be "off".
    explicit SideMatrix(std::vector<std::string> sides);

    const std::vector<std::string>& sides() const { return sides_; }
    double& at(std::size_t from, std::size_t to) { return shares_[from * sides_.size() + to]; }
    double at(std::size_t from, std::size_t to) const { return shares_[from * sides_.size() + to]; }
    /// The index of the side of this name, which is there.
    std::size_t side(const std::string& name) const;

    double before(std::size_t side) const;  ///< a row's sum
    double after(std::size_t side) const;   ///< a column's sum

    double moved() const;  ///< everything off the diagonal
    double off_to_on() const;
    double on_to_off() const;
    double between() const;  ///< from one side that is on to another
    /// Units that met a side other than off and would meet another, off included: their
    /// measurements before and after belong to different sides.
    double changed_sides() const { return on_to_off() + between(); }

private:
    std::vector<std::string> sides_;
    std::vector<double> shares_;
};

/// "off", then what either form can answer: "on", and the names of variants, in their order.
std::vector<std::string> sides_of(const FlagDefinition& before, const FlagDefinition& after);

/// Whether both forms ask the same buckets.
bool draws_same(const FlagDefinition& before, const FlagDefinition& after);

/// Shares of the units that reach the draw (or the status that needs none): those that no list, no
/// requirement, no audience and no rule answers for. The layers of both count in.
/// @param unix_ms  the database's time, at which an expired flag answers off
/// Cost: linear in variants squared; 10 000 steps for legacy_md5.
SideMatrix plan_matrix(const FlagDefinition& before, const FlagDefinition& after,
                       std::int64_t unix_ms);

}  // namespace burgee::cli
