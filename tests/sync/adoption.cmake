# sync_adoption_test: databases of the former system, on a real PostgreSQL.
burgee_test(sync_adoption_test LABELS postgres TIMEOUT 300
    SOURCES
        adoption_test.cpp
        database_health_test.cpp
        legacy_agreement_test.cpp
        live_fold_test.cpp
        rebucket_test.cpp
    LIBRARIES burgee::client burgee::shm burgee::sync burgee::test_support)
