# burgee_test(NAME LABELS ... SOURCES ... LIBRARIES ...): one GoogleTest program, one line a case.
# Labels: unit (needs only the build), postgres (starts its own server), e2e, fault.
# A case has two minutes unless TIMEOUT says otherwise.
if(BURGEE_BUILD_TESTS)
    find_package(GTest REQUIRED)
    include(GoogleTest)
endif()

function(burgee_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "LABELS;SOURCES;LIBRARIES")
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 120)
    endif()
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE
        burgee::project ${arg_LIBRARIES} GTest::gmock GTest::gtest GTest::gtest_main)
    target_precompile_headers(${name} PRIVATE <gtest/gtest.h> <gmock/gmock.h> <string> <vector>)
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
        PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
endfunction()
