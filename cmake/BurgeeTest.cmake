# burgee_test(NAME LABELS LABEL SOURCES ... LIBRARIES ...): one GoogleTest program, one line a case.
# LABELS is one label, because test discovery splits lists: unit (needs only the build), postgres
# (starts its own server), e2e, fault-heavy (left out of sanitizer builds).
# A case has two minutes unless TIMEOUT says otherwise, and three times as long in sanitizer builds.
#
# SERIAL: runs alone, because it kills things under load and judges what was under way.
#
# In a release build the tests themselves are compiled with -O1: what they test is the library's -O3
# code, and their own takes a third of the time to build; sanitizer builds take -O0 likewise.
#
# THREADED: threads of ours run in it that run in no other, so that the thread sanitizer can find something; the
# other programs are left out of its build.
#
# OPTIMISED keeps -O3, for tests of the header-only client, whose code is theirs.
#
# All but the optimised ones share one precompiled header, that of burgee_test_header.
if(BURGEE_BUILD_TESTS)
    find_package(GTest REQUIRED)
    include(GoogleTest)
endif()

function(burgee_test_options name is_optimised)
    if(is_optimised OR name STREQUAL "burgee_test_header")
        target_precompile_headers(${name} PRIVATE
            <gtest/gtest.h> <gmock/gmock.h> <string> <vector>)
    else()
        target_precompile_headers(${name} REUSE_FROM burgee_test_header)
    endif()
    if(BURGEE_SANITIZE)
        target_compile_options(${name} PRIVATE -O0)
    endif()
    if(NOT CMAKE_BUILD_TYPE STREQUAL "Release")
        return()
    endif()
    if(NOT is_optimised)
        target_compile_options(${name} PRIVATE -O1)
    endif()
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # GCC 12 sees overflows in inlined std::string and std::vector code that is sound
        # (GCC bugs 105329, 105651, 105762).
        target_compile_options(${name} PRIVATE -Wno-stringop-overflow -Wno-stringop-overread
            -Wno-array-bounds -Wno-free-nonheap-object)
    endif()
endfunction()

function(burgee_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "OPTIMISED;SERIAL;THREADED" "TIMEOUT" "LABELS;SOURCES;LIBRARIES")
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 120)
    endif()
    if(BURGEE_SANITIZE)
        math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 3")
    endif()
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE
        burgee::project ${arg_LIBRARIES} GTest::gmock GTest::gtest GTest::gtest_main)
    burgee_test_options(${name} ${arg_OPTIMISED})
    if(BURGEE_SANITIZE STREQUAL "thread" AND NOT arg_THREADED)
        set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
        return()
    endif()
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
        PROPERTIES LABELS ${arg_LABELS} TIMEOUT ${arg_TIMEOUT} RUN_SERIAL ${arg_SERIAL})
endfunction()

if(BURGEE_BUILD_TESTS)
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/test_header.cpp CONTENT "")
    add_library(burgee_test_header OBJECT ${PROJECT_BINARY_DIR}/test_header.cpp)
    target_link_libraries(burgee_test_header PRIVATE burgee::project GTest::gmock GTest::gtest)
    burgee_test_options(burgee_test_header FALSE)
endif()
