#include "cli/interval_plot.hpp"

#include <algorithm>
#include <cmath>

#include "stats/number_text.hpp"

namespace burgee::cli {
namespace {

constexpr int kColumnsMin = 9;

/// How much wider than the rows that set it the axis may become for the sake of the others.
constexpr double kStretchMax = 2.0;

double reach_of(const PlotRow& row) {
    return std::max(std::abs(row.interval.lower), std::abs(row.interval.upper));
}

/// The column of a value, 0 .. columns - 1, or one beyond the end it is beyond.
int column_of(double value, const PlotAxis& axis) {
    const int middle = axis.columns / 2;
    const double steps = std::round(value / axis.reach * middle);
    return middle + static_cast<int>(std::clamp(steps, -middle - 1.0, middle + 1.0));
}

void put(std::vector<std::string>& cells, int column, const char* mark) {
    if (column >= 0 && column < static_cast<int>(cells.size())) {
        cells[static_cast<std::size_t>(column)] = mark;
    }
}

}  // namespace

std::optional<PlotAxis> plot_axis(const std::vector<PlotRow>& rows, int columns) {
    double wanted = 0;
    double widest = 0;
    for (const PlotRow& row : rows) {
        widest = std::max(widest, reach_of(row));
        wanted = std::max(wanted, row.sets_the_scale ? reach_of(row) : 0.0);
    }
    if (widest <= 0) {
        return std::nullopt;
    }
    const double reach = wanted > 0 ? std::min(widest, kStretchMax * wanted) : widest;
    return PlotAxis{reach, std::max(kColumnsMin, columns) | 1};
}

std::string plot_text(const PlotRow& row, const PlotAxis& axis) {
    const int last = axis.columns - 1;
    const int lower = column_of(row.interval.lower, axis);
    const int upper = column_of(row.interval.upper, axis);
    std::vector<std::string> cells(static_cast<std::size_t>(axis.columns), "─");
    put(cells, axis.columns / 2, "│");
    for (int column = std::max(0, lower); column <= std::min(last, upper); ++column) {
        put(cells, column, "━");
    }
    put(cells, lower, "┤");
    put(cells, upper, "├");
    put(cells, column_of(row.point, axis), "●");
    // Last, because nothing may hide that an end is not the end.
    if (lower < 0) {
        put(cells, 0, "◀");
    }
    if (upper > last) {
        put(cells, last, "▶");
    }
    std::string text;
    for (const std::string& cell : cells) {
        text += cell;
    }
    return text;
}

std::string axis_text(const PlotAxis& axis) {
    const std::string left = stats::signed_percent_text(-axis.reach);
    const std::string right = stats::signed_percent_text(axis.reach);
    const auto columns = static_cast<std::size_t>(axis.columns);
    const std::size_t middle = columns / 2;
    std::string text(columns, ' ');
    if (left.size() + 1 < middle && right.size() + 1 < middle) {
        text.replace(0, left.size(), left);
        text.replace(columns - right.size(), right.size(), right);
    }
    text[middle] = '0';
    return text;
}

}  // namespace burgee::cli
