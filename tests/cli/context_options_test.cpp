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

TEST_F(ContextOptionsTest, OnlyTheShortestFormOfANumberIsOne) {
    const auto type_of = [&](const std::string& value) {
        return context_of({"-a", "x=" + value}).find("x")->type();
    };
    for (const char* integer : {"0", "1234", "-7", "9223372036854775807"}) {
        EXPECT_EQ(type_of(integer), AttributeType::kInteger) << integer;
    }
    for (const char* number : {"2.5", "-0.125", "0.00001", "1e-05", "1e+300"}) {
        EXPECT_EQ(type_of(number), AttributeType::kDouble) << number;
    }
    for (const char* text : {"01234", "2.10", "1.0", "+5", "-0.50", ".5", "1e5", "0x10", "inf",
                             "nan", "12345678901234567890", "", " 1", "1 "}) {
        EXPECT_EQ(type_of(text), AttributeType::kString) << text;
        EXPECT_EQ(context_of({"-a", std::string("x=") + text}).find("x")->text(), text);
    }
    EXPECT_EQ(type_of("true"), AttributeType::kBoolean);
}

TEST_F(ContextOptionsTest, WhatStandsInDoubleQuotesIsText) {
    const auto text_of = [&](const std::string& value) {
        const Context context = context_of({"-a", "x=" + value});
        const Attribute& attribute = *context.find("x");
        EXPECT_EQ(attribute.type(), AttributeType::kString) << value;
        return std::string(attribute.text());
    };
    EXPECT_EQ(text_of("\"01234\""), "01234");
    EXPECT_EQ(text_of("\"12345\""), "12345");
    EXPECT_EQ(text_of("\"true\""), "true");
    EXPECT_EQ(text_of("\"\""), "");
    EXPECT_EQ(text_of("\""), "\"") << "no pair";
    EXPECT_EQ(text_of("\"\"so\"\""), "\"so\"");
}

}  // namespace
}  // namespace burgee::cli
