#pragma once

// Draws intervals as text, one row each, on an axis that all rows share, so that widths and places
// can be compared at a glance.

#include <optional>
#include <string>
#include <vector>

#include "stats/stats_error.hpp"

namespace burgee::cli {

/// A row: what was estimated, and between which bounds.
struct PlotRow {
    double point = 0;
    stats::Interval interval;
    bool sets_the_scale = false;  ///< its interval is shown whole; others may be cut off
};

/// An axis from -reach to +reach with 0 in the middle.
struct PlotAxis {
    double reach = 0;  ///< above 0
    int columns = 25;  ///< odd, so that 0 has a column of its own
};

/// An axis that shows every row that sets the scale whole. Other rows may widen it to twice that
/// and are cut off beyond: one noisy metric must not flatten those that matter. If no row sets the
/// scale, all do. None if there is nothing to draw but zeros.
/// @param columns  made odd, and at least 9
std::optional<PlotAxis> plot_axis(const std::vector<PlotRow>& rows, int columns);

/// "──┤━━●━━├──": the line is the axis, the bold part the interval, the bullet the point, "│" is 0
/// where the interval leaves it free; "◀" and "▶" say that it goes on beyond the axis.
/// Exactly axis.columns characters.
std::string plot_text(const PlotRow& row, const PlotAxis& axis);

/// The axis' ends and 0 as text under the plots, as wide as they are.
std::string axis_text(const PlotAxis& axis);

}  // namespace burgee::cli
