# The proofs of evaluation: numbered cases on the whole way from a row to an answer, and hostile
# bytes.
burgee_test(clientlib_vectors_test LABELS unit
    SOURCES attribute_key_cases_test.cpp hostile_evaluation_test.cpp operator_cases_test.cpp targeting_cases_test.cpp written_flags.cpp
    LIBRARIES burgee::client burgee::shm burgee::sync simdjson::simdjson)
target_compile_definitions(clientlib_vectors_test PRIVATE
    BURGEE_GOLDEN_DIRECTORY="${PROJECT_SOURCE_DIR}/tests/golden")

# A program of its own: hundreds of millions of hashes, which a release build makes in seconds. It asks
# what the hash gives, not what the code does, so sanitizer builds, thirty times slower, leave it out.
if(NOT BURGEE_SANITIZE)
    burgee_test(clientlib_uniformity_test OPTIMISED LABELS unit
        SOURCES uniformity_test.cpp published_directory.cpp
        LIBRARIES burgee::client burgee::shm burgee::stats)
    if(NOT CMAKE_BUILD_TYPE STREQUAL "Release")
        # Ten times as fast as a debug build's own code, so that those run the whole of it, too.
        target_compile_options(clientlib_uniformity_test PRIVATE -O2)
    endif()
endif()
