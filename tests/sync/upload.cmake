# sync_upload_test: what stores events and reads experiments back; needs a PostgreSQL server.
burgee_test(sync_upload_test LABELS postgres TIMEOUT 300
    SOURCES
        experiment_store_test.cpp
        metric_backfill_test.cpp
        metric_fold_test.cpp
        metric_writer_test.cpp
        retention_test.cpp
        unit_hash_test.cpp
        unit_state_check_test.cpp
    LIBRARIES burgee::sync burgee::test_support PkgConfig::PQXX)
