# daemon_upload_test: from the spool to a real PostgreSQL server, through failures.
if(TARGET burgee::uploader)
    burgee_test(daemon_upload_test THREADED LABELS postgres TIMEOUT 1200
        SOURCES
            chaos_proxy.cpp
            uploader_copy_test.cpp uploader_cuts_test.cpp
            uploader_test.cpp
        LIBRARIES burgee::uploader burgee::client burgee_fault_accounting burgee::test_support
            PkgConfig::PQXX)
endif()
# daemon_failover_test: the same while a standby takes over.
if(TARGET burgee::uploader)
    burgee_test(daemon_failover_test THREADED LABELS postgres TIMEOUT 300
        SOURCES
            failover_test.cpp
            replica_pair.cpp
        LIBRARIES burgee::uploader burgee::client burgee::test_support PkgConfig::PQXX)
endif()
