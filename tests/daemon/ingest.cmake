# The way in: the spool and the event server.
#   burgee_ingest_host        the event server in a process of its own
#   daemon_ingest_scale_test  thousands of clients of it
#   daemon_ingest_storable_test  what passes the door, into a real PostgreSQL
burgee_test(daemon_ingest_test THREADED LABELS unit TIMEOUT 900
    SOURCES event_check_test.cpp event_client.cpp event_server_test.cpp exposure_memory_test.cpp
        exposure_server_test.cpp ingest_accounts_test.cpp ingest_fairness_test.cpp
        power_cut_disk.cpp refusal_log_test.cpp refusal_memory_test.cpp segment_reader_test.cpp
        segment_scan_test.cpp session_table_test.cpp spool_ahead_test.cpp spool_golden_test.cpp
        spool_kill_test.cpp spool_power_cut_test.cpp spool_quarantine_test.cpp
        spool_relaxed_test.cpp spool_replay_test.cpp spool_rotation_cut_test.cpp
        spool_stall_test.cpp spool_test.cpp
    LIBRARIES burgee::spool burgee::event_server burgee::client burgee_fault_accounting
        Boost::headers spdlog::spdlog)
target_compile_definitions(daemon_ingest_test PRIVATE
    BURGEE_GOLDEN_DIRECTORY="${PROJECT_SOURCE_DIR}/tests/golden")

add_executable(burgee_ingest_host ingest_host_main.cpp)
target_link_libraries(burgee_ingest_host PRIVATE burgee::event_server Boost::headers)

burgee_test(daemon_ingest_scale_test THREADED SERIAL LABELS unit
    SOURCES event_client.cpp ingest_scale_test.cpp
    LIBRARIES burgee::spool burgee::event_server burgee::client burgee::test_support)
add_dependencies(daemon_ingest_scale_test burgee_ingest_host)
target_compile_definitions(daemon_ingest_scale_test PRIVATE
    BURGEE_INGEST_HOST="$<TARGET_FILE:burgee_ingest_host>")

burgee_test(daemon_ingest_storable_test LABELS postgres
    SOURCES ingest_storable_test.cpp
    LIBRARIES burgee::event_server burgee::uploader burgee::client burgee::test_support
        PkgConfig::PQXX)
