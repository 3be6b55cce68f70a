burgee_test(daemon_config_test LABELS unit
    SOURCES config_test.cpp notify_test.cpp row_problems_test.cpp snapshot_saver_test.cpp
        spool_opening_test.cpp status_files_test.cpp
    LIBRARIES burgee::daemon burgee::test_support Boost::headers spdlog::spdlog)
burgee_test(daemon_flag_loop_test THREADED LABELS postgres
    SOURCES flag_loop_test.cpp
    LIBRARIES burgee::daemon burgee::test_support)
