# The proofs of evaluation: numbered cases on the whole way from a row to an answer, and hostile
# bytes.
burgee_test(clientlib_vectors_test LABELS unit
    SOURCES attribute_key_cases_test.cpp hostile_evaluation_test.cpp operator_cases_test.cpp targeting_cases_test.cpp written_flags.cpp
    LIBRARIES burgee::client burgee::shm burgee::sync simdjson::simdjson)
target_compile_definitions(clientlib_vectors_test PRIVATE
    BURGEE_GOLDEN_DIRECTORY="${PROJECT_SOURCE_DIR}/tests/golden")
