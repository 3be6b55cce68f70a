// Promise: a flag document has one text whatever the order and spelling in which it was written,
// and everything that is wrong with one is told at once, each with its place. Method: texts.

#include "sync/flag_document.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace burgee::sync {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

std::string with(const std::string& lists) {
    return R"({"format": "burgee-flags/1", )" + lists + "}";
}

FlagDocument good(const std::string& text) {
    auto read = read_flag_document(text);
    if (auto* complaints = std::get_if<std::vector<std::string>>(&read)) {
        throw std::runtime_error(complaints->at(0));
    }
    return std::get<FlagDocument>(std::move(read));
}

std::vector<std::string> complaints(const std::string& text) {
    auto read = read_flag_document(text);
    const auto* found = std::get_if<std::vector<std::string>>(&read);
    return found == nullptr ? std::vector<std::string>{} : *found;
}

TEST(FlagDocumentTest, HasOneTextWhateverItsOrder) {
    const std::string one = with(R"("flags": [{"name": "b", "status": "enabled"},
        {"status": "gradual_rollout", "rollout_percentage": 25.0, "name": "a",
         "segments": {"salt": "s", "bucketing": "xxh3"}}],
        "layers": [{"name": "l", "owners": [
            {"flag": "b", "slots": [[200, 299]]},
            {"flag": "a", "slots": [[50, 99], [0, 49], [150, 150]]}]}])");
    const std::string text = document_text(good(one));
    EXPECT_EQ(document_text(good(text)), text);
    EXPECT_EQ(text, R"({
  "format": "burgee-flags/1",
  "flags": [
    {
      "name": "a",
      "description": null,
      "status": "gradual_rollout",
      "rollout_percentage": 25,
      "segments": {
        "bucketing": "xxh3",
        "salt": "s"
      },
      "variants": [],
      "metadata": {},
      "expires_at": null
    },
    {
      "name": "b",
      "description": null,
      "status": "enabled",
      "rollout_percentage": 0,
      "segments": {},
      "variants": [],
      "metadata": {},
      "expires_at": null
    }
  ],
  "segments": [],
  "layers": [
    {
      "name": "l",
      "description": null,
      "owners": [
        {
          "flag": "a",
          "slots": [
            [0, 99],
            [150, 150]
          ]
        },
        {
          "flag": "b",
          "slots": [
            [200, 299]
          ]
        }
      ]
    }
  ]
}
)");
}

TEST(FlagDocumentTest, RefusesAnotherFormatBeforeAllElse) {
    EXPECT_THAT(complaints("{}"), ElementsAre("format is missing"));
    EXPECT_THAT(complaints(R"({"format": "burgee-flags/2", "new": 1})"),
                ElementsAre(HasSubstr("this program reads \"burgee-flags/1\" alone")));
    EXPECT_THAT(complaints("[]"), ElementsAre(HasSubstr("the document is no object")));
}

TEST(FlagDocumentTest, TellsEveryMistakeWithItsPlace) {
    EXPECT_THAT(complaints(with(R"("flag": [], "flags": [{"name": "a", "statsu": "enabled"}, 7,
            {"name": 1, "status": "enabled", "rollout_percentage": "5", "variants": {},
             "expires_at": "tomorrow"}], "segments": [{"name": "s"}], "layers": {})")),
                ElementsAre(HasSubstr("flag is not known; did you mean \"flags\"?"),
                            HasSubstr("flags[0].statsu is not known; did you mean \"status\"?"),
                            "flags[0].status is missing", HasSubstr("flags[1] is no object"),
                            HasSubstr("flags[2].name is no string"),
                            HasSubstr("flags[2].rollout_percentage is no number"),
                            HasSubstr("flags[2].variants is no array"),
                            HasSubstr("flags[2].expires_at is no time"),
                            HasSubstr("segments[0].constraints is missing"),
                            HasSubstr("layers is no array")));
}

TEST(FlagDocumentTest, RefusesTwoOfOneNameAndTwoOwnersOfOneSlot) {
    EXPECT_THAT(complaints(with(R"("flags": [{"name": "a", "status": "enabled"},
                                             {"name": "a", "status": "disabled"}])")),
                ElementsAre(HasSubstr("flag \"a\" is there twice")));
    EXPECT_THAT(complaints(with(R"("layers": [{"name": "l", "owners": [
                    {"flag": "a", "slots": [[0, 10]]}, {"flag": "b", "slots": [[10, 20]]}]}])")),
                ElementsAre(HasSubstr("layers[0].owners gives slot 10 to both \"a\" and \"b\"")));
    EXPECT_THAT(complaints(with(R"("layers": [{"name": "l", "owners": [
                    {"flag": "a", "slots": [[5, 4], [0, 10000], [1], "x"]}]}])")),
                SizeIs(4));
}

TEST(FlagDocumentTest, ASelectionBringsWhatItsFlagsNeedAndNoMore) {
    const FlagDocument all = good(with(R"("flags": [
        {"name": "a", "status": "enabled", "segments": {"audience": [{"not": {"segment": "s"}}],
                                                        "layer": {"name": "m"}}},
        {"name": "b", "status": "enabled"}],
        "segments": [{"name": "s", "constraints": [{"segment": "t"}]},
                     {"name": "t", "constraints": []}, {"name": "u", "constraints": []}],
        "layers": [{"name": "l", "owners": [{"flag": "b", "slots": [[0, 9]]}]},
                   {"name": "m", "owners": [{"flag": "a", "slots": [[0, 9]]},
                                            {"flag": "b", "slots": [[10, 19]]}]}])"));
    const FlagDocument some = selection_of(all, {"a"});
    ASSERT_THAT(some.flags, SizeIs(1));
    ASSERT_THAT(some.segments, SizeIs(2));
    EXPECT_EQ(some.segments[1].name, "t");
    ASSERT_THAT(some.layers, SizeIs(1));
    EXPECT_EQ(some.layers[0].name, "m");
    ASSERT_THAT(some.layers[0].owners, SizeIs(1));
    EXPECT_EQ(some.layers[0].owners[0].flag, "a");
}

}  // namespace
}  // namespace burgee::sync
