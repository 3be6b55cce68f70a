# The client's event side: ring, numbering, conversation, fork.
burgee_test(clientlib_events_test LABELS unit
    SOURCES event_peer.cpp event_sender_test.cpp
    LIBRARIES burgee::client)
