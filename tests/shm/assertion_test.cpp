// Promise: what we claim about ourselves is checked in a release, too. Method: this file is
// compiled as one.
#ifndef NDEBUG
#define NDEBUG
#endif

#include "shm/assertion.hpp"

#include <gtest/gtest.h>

namespace burgee::test {
namespace {

TEST(AssertionTest, AbortsAlsoWithoutDebuggingAndSaysWhatWasClaimed) {
    int count = 0;
    BURGEE_ASSERT(++count == 1 && "evaluated once");
    EXPECT_EQ(count, 1);
    EXPECT_DEATH(BURGEE_ASSERT(count == 2 && "as never"),
                 "assertion_test.cpp:.*count == 2 && \"as never\"");
}

}  // namespace
}  // namespace burgee::test
