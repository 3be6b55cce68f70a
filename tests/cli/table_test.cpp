// Promise: lists are aligned whatever the names are, and no name can repaint the terminal.
// Method: lay out small tables and compare whole texts.

#include "cli/table.hpp"

namespace burgee::cli {
namespace {

Table names_and_counts() {
    return Table({{"NAME"}, {"COUNT", Column::Align::kRight}, {"NOTE"}});
}

TEST(TableTest, AlignsColumnsAndLeavesNothingBehindTheLast) {
    Table table = names_and_counts();
    table.add_row({"search", "7", "on"});
    table.add_row({"model_comparison", "1234", ""});
    EXPECT_EQ(table.text(),
              "NAME              COUNT  NOTE\n"
              "search                7  on\n"
              "model_comparison   1234  -\n");
}

TEST(TableTest, CountsCodePointsNotBytes) {
    Table table = names_and_counts();
    table.add_row({"größe", "1", "x"});
    table.add_row({"grosse", "2", "y"});
    EXPECT_EQ(table.text(),
              "NAME    COUNT  NOTE\n"
              "größe       1  x\n"
              "grosse      2  y\n");
}

TEST(TableTest, ShowsEmptyCellsSoThatColumnsStayCountable) {
    Table table = names_and_counts();
    table.add_row({"", "", ""});
    EXPECT_EQ(table.text(),
              "NAME  COUNT  NOTE\n"
              "-         -  -\n");
}

TEST(TableTest, PrintsNoControlCharacters) {
    Table table = names_and_counts();
    table.add_row({"evil\033[2J\n", "1", "\x7f"});
    const std::string text = table.text();
    EXPECT_EQ(text.find('\033'), std::string::npos);
    EXPECT_THAT(text, testing::HasSubstr("evil?[2J?"));
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
}

TEST(TableTest, HasAHeaderEvenWithoutRows) {
    const Table table = names_and_counts();
    EXPECT_TRUE(table.is_empty());
    EXPECT_EQ(table.text(), "NAME  COUNT  NOTE\n");
}

}  // namespace
}  // namespace burgee::cli
