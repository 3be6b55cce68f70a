// Promise: a context from the command line is the one a service would have asked with.
// Method: words through the real grammar, and the attributes that come out.

#include "cli/context_options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/arguments.hpp"

namespace burgee::cli {
namespace {

class ContextOptionsTest : public testing::Test {
protected:
    /// The context of `burgee ask WORDS...`; the attributes borrow from options_.
    Context context_of(std::vector<std::string> words) {
        options_ = {};
        words.insert(words.begin(), "ask");
        parse_arguments(words, {{"",
                                 "ask",
                                 "Asks",
                                 {"burgee ask -u ada", "burgee ask -s 9"},
                                 context_arguments(options_),
                                 [](Terminal&) { return ExitCode::kOk; }}});
        return make_context(options_);
    }

    ContextOptions options_;
};

TEST_F(ContextOptionsTest, AnAttributeIsGivenByEachOfItsNames) {
    for (const char* name : {"-a", "--attr", "--attribute"}) {
        const Context context = context_of({"--user", "u1", name, "plan=pro"});
        ASSERT_EQ(context.size(), 2U) << name;
        ASSERT_NE(context.find("plan"), nullptr) << name;
        EXPECT_EQ(context.find("plan")->text(), "pro") << name;
    }
}

}  // namespace
}  // namespace burgee::cli
