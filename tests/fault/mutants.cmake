# Test programs with one safeguard taken out. The fault suite must notice each: a mutant's suite that
# passes fails `fault_mutants_test`. The mutated source stands before the library that holds its sound
# twin, so the linker never takes the latter.
function(burgee_mutant name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "MACRO" "MUTATED;SOURCES;LIBRARIES")
    add_executable(${name} ${arg_MUTATED} ${arg_SOURCES})
    target_compile_definitions(${name} PRIVATE ${arg_MACRO})
    target_link_libraries(${name} PRIVATE
        burgee::project ${arg_LIBRARIES} GTest::gmock GTest::gtest GTest::gtest_main)
    burgee_test_options(${name} FALSE)
endfunction()

set(daemon ${PROJECT_SOURCE_DIR}/daemon)
set(tests ${PROJECT_SOURCE_DIR}/tests/daemon)

burgee_mutant(mutant_no_dedup MACRO BURGEE_MUTATE_NO_DEDUP
    MUTATED ${daemon}/session_table.cpp
    SOURCES ${tests}/event_server_test.cpp ${tests}/event_client.cpp
    LIBRARIES burgee::event_server burgee::spool burgee::client Boost::headers)
burgee_mutant(mutant_no_checksum MACRO BURGEE_MUTATE_NO_CHECKSUM
    MUTATED ${daemon}/spool/segment_reader.cpp
    SOURCES ${tests}/spool_power_cut_test.cpp ${tests}/power_cut_disk.cpp
    LIBRARIES burgee::spool burgee::client burgee_fault_accounting)
burgee_mutant(mutant_no_fdatasync MACRO BURGEE_MUTATE_NO_FDATASYNC
    MUTATED ${daemon}/spool/spool_writer.cpp
    SOURCES ${tests}/spool_power_cut_test.cpp ${tests}/power_cut_disk.cpp
    LIBRARIES burgee::spool burgee::client burgee_fault_accounting)
burgee_mutant(mutant_no_cursor_fence MACRO BURGEE_MUTATE_NO_CURSOR_FENCE
    MUTATED ${PROJECT_SOURCE_DIR}/sync/metric_writer.cpp
        ${PROJECT_SOURCE_DIR}/sync/batch_transaction.cpp
    SOURCES ${tests}/uploader_cuts_test.cpp ${tests}/chaos_proxy.cpp
    LIBRARIES burgee::uploader burgee::sync burgee::client burgee_fault_accounting burgee::test_support
        PkgConfig::PQXX
        PkgConfig::PQ simdjson::simdjson)

burgee_mutant(mutant_ignore_sync MACRO BURGEE_MUTATE_IGNORE_SYNC
    MUTATED ${daemon}/spool/spool_writer.cpp
    SOURCES ${tests}/spool_power_cut_test.cpp ${tests}/power_cut_disk.cpp
    LIBRARIES burgee::spool burgee::client burgee_fault_accounting)
burgee_mutant(mutant_trust_sync MACRO BURGEE_MUTATE_TRUST_SYNC
    MUTATED ${daemon}/spool/spool_recovery.cpp
    SOURCES ${tests}/spool_power_cut_test.cpp ${tests}/power_cut_disk.cpp
    LIBRARIES burgee::spool burgee::client burgee_fault_accounting)
burgee_mutant(mutant_wrong_lsn MACRO BURGEE_MUTATE_WRONG_LSN
    MUTATED ${daemon}/spool/spool_recovery.cpp
    SOURCES ${tests}/spool_power_cut_test.cpp ${tests}/power_cut_disk.cpp
    LIBRARIES burgee::spool burgee::client burgee_fault_accounting)
burgee_mutant(mutant_early_ack MACRO BURGEE_MUTATE_EARLY_ACK
    MUTATED ${daemon}/ingest_queue.cpp
    SOURCES ${tests}/event_server_test.cpp ${tests}/event_client.cpp
    LIBRARIES burgee::event_server burgee::spool burgee::client Boost::headers)
burgee_mutant(mutant_miscount MACRO BURGEE_MUTATE_MISCOUNT
    MUTATED ${daemon}/uploader.cpp
    SOURCES ${tests}/uploader_cuts_test.cpp ${tests}/chaos_proxy.cpp
    LIBRARIES burgee::uploader burgee::sync burgee::client burgee_fault_accounting burgee::test_support
        PkgConfig::PQXX PkgConfig::PQ simdjson::simdjson spdlog::spdlog)

burgee_test(fault_mutants_test LABELS fault-heavy TIMEOUT 600
    SOURCES mutants_test.cpp
    LIBRARIES burgee::test_support)
target_compile_definitions(fault_mutants_test PRIVATE
    BURGEE_MUTANT_DIRECTORY="$<TARGET_FILE_DIR:mutant_no_dedup>")
add_dependencies(fault_mutants_test
    mutant_no_dedup mutant_no_checksum mutant_no_fdatasync mutant_no_cursor_fence
    mutant_ignore_sync mutant_trust_sync mutant_wrong_lsn mutant_early_ack mutant_miscount)
