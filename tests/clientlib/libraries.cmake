# The client in plain C++17, under another compiler, and in several shared libraries of one process.
set(plain_cxx17_sources plain_cxx17_one.cpp plain_cxx17_two.cpp)
set(plain_cxx17_options -fno-exceptions -fno-rtti -O2 -Wall -Wextra -Wpedantic -Werror)

# What a service of 2017 sees: no Boost, no exceptions, no run-time types, two files.
add_executable(clientlib_plain_cxx17 ${plain_cxx17_sources})
set_target_properties(clientlib_plain_cxx17 PROPERTIES
    CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
target_compile_options(clientlib_plain_cxx17 PRIVATE ${plain_cxx17_options})
target_link_libraries(clientlib_plain_cxx17 PRIVATE burgee::client)
add_test(NAME ClientTest.PlainCxx17WithoutExceptionsLinksFromTwoFiles
    COMMAND clientlib_plain_cxx17)
set_tests_properties(ClientTest.PlainCxx17WithoutExceptionsLinksFromTwoFiles
    PROPERTIES LABELS unit TIMEOUT 30)

# The same two files under Clang, compiled by the test itself.
find_program(BURGEE_CLANGXX NAMES clang++ clang++-19 clang++-18 clang++-17 clang++-16 clang++-15
    clang++-14)
if(BURGEE_CLANGXX)
    list(TRANSFORM plain_cxx17_sources PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/"
        OUTPUT_VARIABLE plain_cxx17_paths)
    add_test(NAME ClientTest.PlainCxx17CompilesUnderClang
        COMMAND ${BURGEE_CLANGXX} -std=c++17 ${plain_cxx17_options}
            -I${PROJECT_SOURCE_DIR}/clientlib/include -I${PROJECT_SOURCE_DIR}/shm/include
            ${plain_cxx17_paths} -pthread -o ${CMAKE_CURRENT_BINARY_DIR}/plain_cxx17_clang)
    add_test(NAME ClientTest.PlainCxx17RunsUnderClang
        COMMAND ${CMAKE_CURRENT_BINARY_DIR}/plain_cxx17_clang)
    set_tests_properties(ClientTest.PlainCxx17CompilesUnderClang
        PROPERTIES LABELS unit TIMEOUT 120 FIXTURES_SETUP plain_cxx17_clang)
    set_tests_properties(ClientTest.PlainCxx17RunsUnderClang
        PROPERTIES LABELS unit TIMEOUT 30 FIXTURES_REQUIRED plain_cxx17_clang)
else()
    message(STATUS "!!! clang++ is not installed: the client is NOT compiled under Clang, and "
        "ClientTest.PlainCxx17CompilesUnderClang is not registered")
endif()

# Libraries of one source: two with visible symbols, two with hidden ones.
foreach(library IN ITEMS one two hidden unloaded)
    add_library(clientlib_library_${library} MODULE shared_library_client.cpp)
    target_link_libraries(clientlib_library_${library} PRIVATE burgee::project burgee::client)
endforeach()
set_target_properties(clientlib_library_hidden clientlib_library_unloaded PROPERTIES
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
burgee_test(clientlib_shared_library_test THREADED LABELS unit
    SOURCES shared_library_test.cpp published_directory.cpp
    LIBRARIES burgee::client burgee::shm ${CMAKE_DL_LIBS})
add_dependencies(clientlib_shared_library_test
    clientlib_library_one clientlib_library_two clientlib_library_hidden
    clientlib_library_unloaded)
target_compile_definitions(clientlib_shared_library_test PRIVATE
    BURGEE_LIBRARY_ONE="$<TARGET_FILE:clientlib_library_one>"
    BURGEE_LIBRARY_TWO="$<TARGET_FILE:clientlib_library_two>"
    BURGEE_LIBRARY_HIDDEN="$<TARGET_FILE:clientlib_library_hidden>"
    BURGEE_LIBRARY_UNLOADED="$<TARGET_FILE:clientlib_library_unloaded>")
