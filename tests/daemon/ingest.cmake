# The way in: the spool and the event server.
burgee_test(daemon_ingest_test LABELS unit
    SOURCES spool_test.cpp
    LIBRARIES burgee::spool burgee::client)
