// Promise: segments and layers are made, shown, changed, refused and deleted as the commands say.
// Method: the real program on a real PostgreSQL.

#include "tests/cli/command_line.hpp"

namespace burgee::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const char* const kStaff =
    R"([{"attribute":"mail","operator":"STR_ENDS_WITH","values":["@x.org"]}])";

class SegmentCommandTest : public CommandLineTest {};
class LayerCommandTest : public CommandLineTest {};

TEST_F(SegmentCommandTest, PutsShowsAndLists) {
    ok({"segment", "put", "staff", "--constraints", kStaff, "--description", "us", "--why", "x"});
    ok({"segment", "put", "beta", "--constraints", R"([{"segment":"staff"}])"});
    ok({"flag", "create", "named", "--status", "enabled", "--segments",
        R"({"audience":[{"segment":"staff"}]})"});
    const auto shown = json({"segment", "show", "staff"});
    EXPECT_EQ(shown["description"].get_string().value(), "us");
    EXPECT_EQ(shown["constraints"].at(0)["attribute"].get_string().value(), "mail");
    EXPECT_EQ(shown["used_by_flags"].at(0).get_string().value(), "named");
    EXPECT_EQ(shown["used_by_segments"].at(0).get_string().value(), "beta");
    EXPECT_THAT(ok({"segment", "show", "staff"}), HasSubstr("flags        named\n"));
    EXPECT_THAT(column(ok({"segment", "list"}), "NAME"), testing::Contains("beta"));
    EXPECT_EQ(json({"segment", "list"}).get_array().size(), 2U);
    ok({"segment", "put", "staff", "--description", "all of us"});
    EXPECT_EQ(json({"segment", "show", "staff"})["constraints"].get_array().size(), 1U);
    EXPECT_THAT(refused(3, {"segment", "show", "staf"}), HasSubstr("did you mean \"staff\"?"));
}

TEST_F(SegmentCommandTest, PutRefusesWhatCouldNotBePublished) {
    EXPECT_THAT(refused(2, {"segment", "put", "new"}), HasSubstr("needs --constraints"));
    EXPECT_THAT(refused(2, {"segment", "put", "new", "--constraints", "{}"}),
                HasSubstr("--constraints is not a JSON array"));
    EXPECT_THAT(refused(1, {"segment", "put", "new", "--constraints",
                            R"([{"attribute":"a","operator":"EXITS"}])"}),
                AllOf(HasSubstr("constraints[0].operator"), HasSubstr("did you mean \"EXISTS\"?")));
    EXPECT_THAT(refused(1, {"segment", "put", "new", "--constraints",
                            R"([{"attribute":"a","operator":"REGEX","value":"["}])"}),
                HasSubstr("segment new: constraints[0].value"));
    EXPECT_THAT(
        refused(1, {"segment", "put", "new", "--constraints", R"([{"segment":"nowhere"}])"}),
        HasSubstr("does not exist"));
    EXPECT_THAT(refused(1, {"segment", "put", "new", "--constraints", R"([{"segment":"new"}])"}),
                HasSubstr("lead back to the segment itself"));
    refused(3, {"segment", "show", "new"});
}

TEST_F(SegmentCommandTest, PutRefusesWhatWouldMakeAFlagUnpublishable) {
    const auto times = [](int count, const std::string& constraint) {
        std::string list = "[" + constraint;
        for (int each = 1; each < count; ++each) {
            list += "," + constraint;
        }
        return list + "]";
    };
    const std::string exists = R"({"attribute":"a","operator":"EXISTS"})";
    ok({"segment", "put", "leaf", "--constraints", times(500, exists)});
    ok({"segment", "put", "grows", "--constraints", times(1, exists)});
    ok({"flag", "create", "asks.twice", "--status", "enabled", "--segments",
        R"({"audience":[{"segment":"grows"},{"segment":"grows"}]})"});
    // Good by itself: 250 500 steps of 262 144. Asked twice it is too long.
    const std::string heavy = times(500, R"({"segment":"leaf"})");
    EXPECT_THAT(refused(1, {"segment", "put", "grows", "--constraints", heavy}),
                AllOf(HasSubstr("asks.twice"), HasSubstr("steps")));
    EXPECT_EQ(json({"segment", "show", "grows"})["constraints"].get_array().size(), 1U);
    EXPECT_THAT(ok({"flag", "problems"}), testing::Not(HasSubstr("asks.twice")));
    ok({"flag", "delete", "asks.twice"});
    ok({"segment", "put", "grows", "--constraints", heavy});
    ok({"flag", "create", "bad.already"});
    postgres().value(
        "UPDATE feature_flags SET status = 'enabled', segments = '{\"audience\":"
        " [{\"segment\": \"nowhere\"}]}' WHERE name = 'bad.already' RETURNING 1");
    ok({"segment", "put", "grows", "--constraints", times(2, exists)});
    ok({"flag", "delete", "bad.already"});
}

TEST_F(SegmentCommandTest, DryRunsShowWhatWouldChange) {
    const auto tried = [](std::vector<std::string> words) {
        words.emplace_back("--dry-run");
        return ok(words);
    };
    EXPECT_THAT(tried({"segment", "put", "dry", "--constraints", kStaff}),
                HasSubstr("dry would be created\n"));
    refused(3, {"segment", "show", "dry"});
    ok({"segment", "put", "dry", "--constraints", kStaff, "--description", "one"});
    EXPECT_EQ(tried({"segment", "put", "dry", "--description", "two"}),
              "dry would change\n- description  one\n+ description  two\n");
    EXPECT_THAT(tried({"segment", "delete", "dry"}), HasSubstr("dry would be deleted\n"));
    EXPECT_EQ(json({"segment", "show", "dry"})["description"].get_string().value(), "one");
}

TEST_F(SegmentCommandTest, DeleteRefusesWhileItIsNamed) {
    ok({"segment", "put", "used", "--constraints", kStaff});
    ok({"flag", "create", "user.of.it", "--status", "enabled", "--segments",
        R"({"audience":[{"segment":"used"}]})"});
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"segment", "delete", "used"},
          std::vector<std::string>{"segment", "delete", "used", "--dry-run"}}) {
        EXPECT_THAT(refused(1, words), AllOf(HasSubstr("user.of.it"), HasSubstr("--force")));
    }
    const ChildOutcome forced = burgee({"segment", "delete", "used", "--force"});
    EXPECT_EQ(forced.exit.code, 0);
    EXPECT_THAT(forced.error, HasSubstr("still named by user.of.it"));
    EXPECT_THAT(ok({"flag", "problems"}), HasSubstr("names the segment \"used\""));
    EXPECT_THAT(refused(3, {"segment", "delete", "used"}), HasSubstr("no segment \"used\""));
    ok({"flag", "delete", "user.of.it"});
}

TEST_F(LayerCommandTest, SlotsGoFromFlagToFlag) {
    ok({"layer", "create", "checkout", "--description", "the cart"});
    EXPECT_THAT(refused(1, {"layer", "create", "checkout"}), HasSubstr("already"));
    ok({"flag", "create", "cart", "--status", "enabled", "--segments",
        R"({"layer":{"name":"checkout"}})"});
    EXPECT_THAT(ok({"layer", "assign", "checkout", "--flag", "cart", "--percentage", "25"}),
                HasSubstr("assigned: cart owns 25% of checkout, slots 0-2499 (revision "));
    ok({"layer", "assign", "checkout", "--flag", "cart", "--slots", "100"});
    const auto shown = json({"layer", "show", "checkout"});
    EXPECT_EQ(shown["owners"].at(0)["flag"].get_string().value(), "cart");
    EXPECT_EQ(shown["owners"].at(0)["slot_count"].get_uint64().value(), 2600U);
    EXPECT_EQ(shown["owners"].at(0)["slots"].at(0)["last"].get_uint64().value(), 2599U);
    EXPECT_EQ(shown["free_slots"].get_uint64().value(), 7400U);
    EXPECT_THAT(ok({"layer", "show", "checkout"}), HasSubstr("cart    26%  0-2599\n"));
    EXPECT_THAT(ok({"layer", "list"}), testing::ContainsRegex("checkout +26% +74% +the cart"));
    EXPECT_THAT(refused(1, {"layer", "assign", "checkout", "--flag", "cart", "--percentage", "80"}),
                HasSubstr("7400 free slots"));
    EXPECT_THAT(refused(1, {"layer", "delete", "checkout"}),
                HasSubstr("flag \"cart\" owns slots of layer \"checkout\": release them first"));
    ok({"flag", "create", "basket"});
    ok({"layer", "assign", "checkout", "--flag", "basket", "--slots", "1"});
    EXPECT_THAT(refused(1, {"layer", "delete", "checkout"}), HasSubstr("and 1 more own slots"));
    ok({"layer", "release", "checkout", "--flag", "basket"});
    EXPECT_EQ(
        json({"layer", "release", "checkout", "--flag", "cart", "--percentage", "1"})["slot_count"]
            .get_uint64()
            .value(),
        2500U);
    ok({"layer", "release", "checkout", "--flag", "cart"});
    ok({"layer", "delete", "checkout"});
    EXPECT_THAT(refused(3, {"layer", "show", "checkout"}), HasSubstr("no layer"));
}

TEST_F(LayerCommandTest, DryRunsSayWhatWouldBeAndLeaveNoTrace) {
    ok({"layer", "create", "tried"});
    ok({"flag", "create", "tried.flag", "--segments", R"({"layer":{"name":"tried"}})"});
    ok({"layer", "assign", "tried", "--flag", "tried.flag", "--slots", "10"});
    const auto traces = [] {
        return postgres().value("select value from burgee.revision") + " " +
               postgres().value("select count(*) from burgee.flag_history") + " " +
               postgres().value("select count(*) from burgee.layers") + " " +
               postgres().value("select count(*) from burgee.layer_slots");
    };
    const std::string before = traces();
    const auto tried = [&](std::vector<std::string> words) {
        words.emplace_back("--dry-run");
        const ChildOutcome outcome = burgee(words);
        EXPECT_EQ(outcome.exit.code, 0) << outcome.error;
        EXPECT_THAT(outcome.error, HasSubstr("nothing was changed"));
        EXPECT_EQ(traces(), before) << words[1];
        return outcome.output;
    };
    EXPECT_EQ(tried({"layer", "create", "another"}), "would be created: another\n");
    EXPECT_EQ(tried({"layer", "assign", "tried", "--flag", "tried.flag", "--slots", "5"}),
              "would be assigned: tried.flag would own 0.15% of tried, slots 0-14\n");
    EXPECT_EQ(tried({"layer", "release", "tried", "--flag", "tried.flag"}),
              "would be released: tried.flag would own 0% of tried\n");
    refused(1, {"layer", "delete", "tried", "--dry-run"});
    refused(1,
            {"layer", "assign", "tried", "--flag", "tried.flag", "--slots", "9991", "--dry-run"});
    EXPECT_EQ(traces(), before);
    ok({"layer", "create", "empty"});
    EXPECT_EQ(json({"layer", "delete", "empty", "--dry-run"})["is_dry_run"].get_bool().value(),
              true);
    ok({"layer", "show", "empty"});
}

TEST_F(LayerCommandTest, RefusesWhatCannotBeMeant) {
    ok({"layer", "create", "pages"});
    ok({"flag", "create", "page.one"});
    EXPECT_THAT(refused(2, {"layer", "assign", "pages", "--flag", "page.one"}),
                HasSubstr("--percentage or --slots"));
    EXPECT_THAT(refused(2, {"layer", "assign", "pages", "--flag", "page.one", "--slots", "1",
                            "--percentage", "1"}),
                HasSubstr("not both"));
    EXPECT_THAT(
        refused(2, {"layer", "assign", "pages", "--flag", "page.one", "--percentage", "0.001"}),
        HasSubstr("less than a slot"));
    EXPECT_THAT(refused(3, {"layer", "assign", "page", "--flag", "page.one", "--slots", "1"}),
                HasSubstr("did you mean \"pages\"?"));
    EXPECT_THAT(refused(3, {"layer", "assign", "pages", "--flag", "page.on", "--slots", "1"}),
                HasSubstr("did you mean \"page.one\"?"));
}

}  // namespace
}  // namespace burgee::test
