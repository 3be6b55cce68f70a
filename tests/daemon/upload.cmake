# daemon_upload_test: from the spool to a real PostgreSQL server, through failures.
if(TARGET burgee::uploader)
    burgee_test(daemon_upload_test THREADED LABELS postgres TIMEOUT 1200
        SOURCES
            chaos_proxy.cpp
            uploader_cuts_test.cpp
            uploader_test.cpp
        LIBRARIES burgee::uploader burgee::client burgee_fault_accounting burgee::test_support
            PkgConfig::PQXX)
endif()
