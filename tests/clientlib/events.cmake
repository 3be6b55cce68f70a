# The client's event side: ring, numbering, conversation, fork.
burgee_test(clientlib_events_test THREADED LABELS unit
    SOURCES event_peer.cpp event_encoder_test.cpp event_fork_test.cpp event_resume_test.cpp
        event_ring_test.cpp event_sender_test.cpp event_silence_test.cpp event_timing_test.cpp
        event_window_test.cpp
    LIBRARIES burgee::client)

# Exposures that evaluate() tells by itself: from real snapshots to a daemon's end of the socket.
burgee_test(clientlib_exposure_test THREADED LABELS unit
    SOURCES event_peer.cpp exposure_table_test.cpp exposure_test.cpp published_directory.cpp
    LIBRARIES burgee::client burgee::shm)
