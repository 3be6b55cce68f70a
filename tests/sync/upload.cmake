# sync_upload_test: what stores events and reads experiments back; needs a PostgreSQL server.
burgee_test(sync_upload_test LABELS postgres TIMEOUT 300
    SOURCES
        company_test.cpp
        experiment_store_test.cpp
        metric_backfill_test.cpp
        metric_fold_test.cpp
        metric_writer_test.cpp
        partitions_test.cpp
        raw_rows_test.cpp
        retention_test.cpp
        unit_hash_test.cpp
        unit_state_check_test.cpp
    LIBRARIES burgee::sync burgee::test_support PkgConfig::PQXX)
# sync_pooler_test: all of it through PgBouncer in transaction mode.
burgee_test(sync_pooler_test THREADED LABELS postgres TIMEOUT 300
    SOURCES
        ../daemon/chaos_proxy.cpp
        pooler_test.cpp
    LIBRARIES burgee::sync burgee::test_support PkgConfig::PQXX)
